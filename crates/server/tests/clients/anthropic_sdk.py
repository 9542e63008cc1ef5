"""The `anthropic` package."""

from typing import Literal

import anthropic
import pydantic
from harness import (BUSY_URL, KEY, MESSAGES, PIXEL, URL, WEATHER, figure, is_weather, main, raises,
                     until_nobody_is_answered)

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
TOOLS = [{"name": "weather", "description": "Tells the weather.", "input_schema": WEATHER}]


class Answer(pydantic.BaseModel):
    sure: bool
    size: Literal["small", "large"]


def request(**more):
    return {"model": "nano", "max_tokens": 300, "messages": MESSAGES, "extra_body": {"temperature": 0}, **more}


def ask(**more):
    return client.messages.create(**request(**more))


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def test_message_and_stream_say_the_same():
    whole = ask(system="Be brief.")
    assert whole.role == "assistant" and whole.stop_reason in ("end_turn", "tool_use") and whole.usage.output_tokens
    with client.messages.stream(**request(system="Be brief.")) as stream:
        streamed = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert (streamed, text(final)) == (text(whole), text(whole))
    assert final.usage.output_tokens == whole.usage.output_tokens
    kinds = [event.type for event in ask(stream=True)]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"


def test_thinking():
    for stream in (False, True):
        more = request(thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2000)
        if stream:
            with client.messages.stream(**more) as events:
                reply = events.get_final_message()
        else:
            reply = client.messages.create(**more)
        first = reply.content[0]
        assert first.type == "thinking" and first.thinking and first.signature
        messages = [*MESSAGES, {"role": "assistant", "content": reply.content}, {"role": "user", "content": "And now?"}]
        assert ask(messages=messages).content
    assert all(block.type != "thinking" for block in ask(thinking={"type": "disabled"}).content)


def test_tools():
    for choice in ({"type": "any"}, {"type": "tool", "name": "weather"}):
        reply = ask(tools=TOOLS, tool_choice={**choice, "disable_parallel_tool_use": True})
        call = reply.content[-1]
        assert (reply.stop_reason, call.type) == ("tool_use", "tool_use") and is_weather(call.input)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "Sunny."}]}
    messages = [*MESSAGES, {"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    for choice in ("auto", "none"):
        after = ask(messages=messages, tools=TOOLS, tool_choice={"type": choice})
        assert all(is_weather(block.input) for block in after.content
                   if block.type == "tool_use" and block.name == "weather")
    with client.messages.stream(**request(tools=TOOLS, tool_choice={"type": "any", "disable_parallel_tool_use": True}),
                                ) as stream:
        final = stream.get_final_message()
    assert is_weather(final.content[-1].input)


def test_parse():
    reply = client.messages.parse(model="nano", max_tokens=200, messages=MESSAGES, output_format=Answer)
    assert isinstance(reply.parsed_output, Answer)


def test_picture():
    source = {"type": "base64", "media_type": "image/gif", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "Close it."}]
    assert ask(messages=[{"role": "user", "content": content}], max_tokens=20).content


def test_count_tokens():
    few = client.messages.count_tokens(model="nano", messages=MESSAGES).input_tokens
    more = client.messages.count_tokens(model="nano", messages=MESSAGES, system="Be brief.", tools=TOOLS).input_tokens
    assert 3 < few < more
    usage = ask(max_tokens=1).usage
    assert usage.input_tokens + usage.cache_read_input_tokens == few


def test_errors():
    raises(anthropic.BadRequestError, lambda: ask(messages=[]))
    error = raises(anthropic.BadRequestError, lambda: ask(tools=TOOLS, tool_choice={"type": "tool", "name": "other"}))
    assert error.body["error"]["type"] == "invalid_request_error" and "other" in error.body["error"]["message"]
    assert raises(anthropic.NotFoundError, lambda: ask(model="claude")).body["error"]["type"] == "not_found_error"
    stranger = anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0)
    raises(anthropic.AuthenticationError, lambda: stranger.messages.create(**request()))
    busy = anthropic.Anthropic(base_url=BUSY_URL, api_key=KEY, max_retries=0)
    raises(anthropic.RateLimitError, lambda: busy.messages.create(**request()))


def test_going_away():
    until_nobody_is_answered()
    before = figure("answers_total")
    with client.messages.stream(**request(max_tokens=100_000, extra_body={"temperature": 1.5, "top_k": 0})) as stream:
        for _, _ in zip(range(5), stream):
            pass
    until_nobody_is_answered()
    assert figure("answers_total") == before + 1


if __name__ == "__main__":
    main()
