"""The `openai` package: chat and responses, as people use them."""

import json
from typing import Literal

import openai
import pydantic
from harness import (BUSY_URL, ENDLESS, KEY, MESSAGES, PIXEL, URL, WEATHER, is_weather, main, raises,
                     until_nobody_is_answered)

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
chat = client.chat.completions
QUIET = {"enable_thinking": False}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells the weather.",
                                           "parameters": WEATHER}}]
FLAT_TOOLS = [{"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": WEATHER,
               "strict": True}]


class Answer(pydantic.BaseModel):
    sure: bool
    size: Literal["small", "large"]


def ask(**more):
    return chat.create(**{"model": "nano", "messages": MESSAGES, "max_tokens": 300, "temperature": 0, **more})


def test_models():
    assert [model.id for model in client.models.list()] == ["nano"]
    assert client.models.retrieve("nano").object == "model"


def test_a_prediction_is_counted():
    whole = ask(extra_body={"enable_thinking": False})
    text = whole.choices[0].message.content or "Nothing."
    predicted = ask(extra_body={"enable_thinking": False}, prediction={"type": "content", "content": text})
    assert predicted.choices[0].message.content == whole.choices[0].message.content
    details = predicted.usage.completion_tokens_details
    assert details.accepted_prediction_tokens >= 0 and details.rejected_prediction_tokens >= 0


def test_chat_and_stream_say_the_same():
    whole = ask(extra_body={"enable_thinking": True})
    choice = whole.choices[0]
    assert choice.finish_reason in ("stop", "tool_calls") and choice.message.reasoning_content
    assert whole.usage.completion_tokens_details.reasoning_tokens > 0
    answer, thinking, usage = "", "", None
    for chunk in ask(extra_body={"enable_thinking": True}, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for part in chunk.choices:
            answer += part.delta.content or ""
            thinking += getattr(part.delta, "reasoning_content", None) or ""
    assert (answer, thinking) == (choice.message.content or "", choice.message.reasoning_content)
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_stream_helper():
    with chat.stream(model="nano", messages=MESSAGES, max_tokens=60, temperature=0) as stream:
        kinds = {event.type for event in stream}
        assert "chunk" in kinds
        assert stream.get_final_completion().choices[0].finish_reason


def test_roles_and_earlier_turns():
    messages = [{"role": "developer", "content": "Be brief."}, *MESSAGES, {"role": "assistant", "content": "Closed."},
                {"role": "user", "content": [{"type": "text", "text": "And now?"}]}]
    assert ask(messages=messages).usage.prompt_tokens > ask().usage.prompt_tokens


def test_tools_required_named_none():
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        for thinking in (False, True):
            reply = ask(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False,
                        extra_body={"enable_thinking": thinking, "thinking_budget": 20}).choices[0]
            (call,) = reply.message.tool_calls
            assert (reply.finish_reason, call.function.name) == ("tool_calls", "weather")
            assert is_weather(json.loads(call.function.arguments))
    assert not ask(tools=TOOLS, tool_choice="none").choices[0].message.tool_calls


def test_tools_auto_go_on_with_results():
    reply = ask(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, extra_body=QUIET).choices[0].message
    back = {"role": "tool", "tool_call_id": reply.tool_calls[0].id, "content": "Sunny."}
    for choice in ("auto", "none"):
        after = ask(messages=[*MESSAGES, reply, back], tools=TOOLS, tool_choice=choice).choices[0]
        for call in after.message.tool_calls or []:
            assert call.function.name != "weather" or is_weather(json.loads(call.function.arguments))


def test_streamed_calls():
    deltas = [part for chunk in ask(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, stream=True,
                                    extra_body=QUIET) for part in chunk.choices]
    calls = [call for part in deltas for call in part.delta.tool_calls or []]
    assert {call.index for call in calls} == {0} and calls[0].id and calls[0].function.name == "weather"
    assert is_weather(json.loads("".join(call.function.arguments or "" for call in calls)))
    assert deltas[-1].finish_reason == "tool_calls"


def test_parse():
    for thinking in (False, True):
        reply = chat.parse(model="nano", messages=MESSAGES, response_format=Answer, max_tokens=200,
                           extra_body={"enable_thinking": thinking, "thinking_budget": 10})
        assert isinstance(reply.choices[0].message.parsed, Answer)
    tool = openai.pydantic_function_tool(Answer, name="answer")
    reply = chat.parse(model="nano", messages=MESSAGES, tools=[tool], tool_choice="required", max_tokens=200,
                       parallel_tool_calls=False, extra_body=QUIET)
    assert isinstance(reply.choices[0].message.tool_calls[0].function.parsed_arguments, Answer)


def test_json_object():
    reply = ask(response_format={"type": "json_object"}, logprobs=True, extra_body=QUIET, max_tokens=100)
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(reply.choices[0].message.content), dict)


def test_logprobs():
    choice = ask(logprobs=True, top_logprobs=3, extra_body=QUIET, max_tokens=8).choices[0]
    assert choice.logprobs.content
    for token in choice.logprobs.content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        # Greedy: what was chosen is the likeliest.
        assert token.token == token.top_logprobs[0].token


def test_several_and_stop():
    reply = ask(n=3, temperature=1.2, seed=1, extra_body=QUIET, max_tokens=20)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    text = ask(extra_body=QUIET).choices[0].message.content
    stopped = ask(extra_body=QUIET, stop=[text[3:6]]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.message.content == text[:text.find(text[3:6])]


def test_picture():
    url = f"data:image/gif;base64,{PIXEL}"
    content = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}, {"type": "text", "text": "Close it."}]
    reply = ask(messages=[{"role": "user", "content": content}], max_tokens=20)
    assert reply.usage.prompt_tokens > 3
    error = raises(openai.BadRequestError, lambda: ask(messages=[{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]))
    assert error.param == "messages[0].content[0].image_url"


def test_responses():
    first = client.responses.create(model="nano", input="Close the message.", instructions="Be brief.",
                                    max_output_tokens=300, temperature=0)
    assert first.status == "completed" and first.usage.output_tokens > 0
    assert client.responses.retrieve(first.id).output == first.output
    second = client.responses.create(model="nano", input="And now?", previous_response_id=first.id,
                                     max_output_tokens=100, reasoning={"effort": "none"})
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens - 10
    client.responses.delete(first.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(first.id))
    raises(openai.NotFoundError, lambda: client.responses.create(model="nano", input="x",
                                                                  previous_response_id=first.id))


def test_responses_stream():
    with client.responses.stream(model="nano", input="Close the message.", max_output_tokens=300,
                                 reasoning={"effort": "low"}, temperature=0) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert "response.reasoning_text.delta" in kinds
    numbers = [event.sequence_number for event in client.responses.create(
        model="nano", input="Close the message.", max_output_tokens=30, stream=True)]
    assert numbers == list(range(len(numbers)))
    assert client.responses.retrieve(final.id).output_text == final.output_text


def test_background_stream():
    stream = client.responses.create(model="nano", input="Close the message.", max_output_tokens=100, temperature=0,
                                     background=True, stream=True)
    heard = [event for event, _ in zip(stream, range(4))]
    stream.close()
    created = heard[0].response
    with client.responses.retrieve(created.id, stream=True, starting_after=heard[-1].sequence_number) as rest:
        heard += rest
    assert [event.sequence_number for event in heard] == list(range(len(heard)))
    assert heard[-1].type in ("response.completed", "response.incomplete")
    assert client.responses.retrieve(created.id).output_text == heard[-1].response.output_text


def test_responses_tools_and_parse():
    def respond(**more):
        return client.responses.create(**{"model": "nano", "tools": FLAT_TOOLS, "max_output_tokens": 300,
                                          "parallel_tool_calls": False, "reasoning": {"effort": "none"}, **more})

    first = respond(input="How is the weather?", tool_choice="required")
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert is_weather(json.loads(call.arguments))
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
    assert respond(input=[result], previous_response_id=first.id).status in ("completed", "incomplete")
    history = [{"role": "user", "content": "How is the weather?"}, call, result]
    assert respond(input=history, tool_choice="none").status in ("completed", "incomplete")
    named = respond(input="How is the weather?", tool_choice={"type": "function", "name": "weather"})
    assert named.output[-1].type == "function_call"
    parsed = client.responses.parse(model="nano", input="How large?", text_format=Answer, max_output_tokens=200,
                                    reasoning={"effort": "none"})
    assert isinstance(parsed.output_parsed, Answer)


def test_errors():
    error = raises(openai.BadRequestError, lambda: ask(temperature=-1))
    assert error.param == "temperature" and error.type == "invalid_request_error"
    raises(openai.BadRequestError, lambda: ask(messages=[]))
    assert raises(openai.NotFoundError, lambda: ask(model="gpt-4")).code == "model_not_found"
    stranger = openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0)
    raises(openai.AuthenticationError, lambda: stranger.models.list())
    busy = openai.OpenAI(base_url=f"{BUSY_URL}/v1", api_key=KEY, max_retries=0)
    error = raises(openai.RateLimitError, lambda: busy.chat.completions.create(model="nano", messages=MESSAGES))
    assert error.response.headers["retry-after"]


def test_going_away():
    # Whatever ran before has ended; this one alone must end because nobody reads it.
    until_nobody_is_answered()
    stream = ask(stream=True, max_tokens=100_000, temperature=1.5, logit_bias=ENDLESS)
    for _ in range(5):
        next(stream)
    stream.close()
    until_nobody_is_answered()


if __name__ == "__main__":
    main()
