"""Qwen-Agent: a run with a function that is really called, with the server's tools and with the agent's own."""

import json

from harness import KEY, URL, WEATHER, is_weather, main
from qwen_agent.agents import FnCallAgent
from qwen_agent.tools.base import BaseTool

MESSAGES = [{"role": "user", "content": "How is the weather?"}]


class Weather(BaseTool):
    name = "weather"
    description = "Tells the weather."
    parameters = WEATHER

    def __init__(self):
        super().__init__()
        self.asked, self.agent = [], None

    def call(self, params, **_):
        self.asked.append(json.loads(params) if isinstance(params, str) else params)
        # One call is enough for a small model: after it the agent is to answer.
        self.agent.llm.generate_cfg["tool_choice"] = "none"
        return "Sunny."


def agent(tools, **configuration):
    generate = {"temperature": 0, "max_tokens": 300, "extra_body": {"enable_thinking": False}, "seed": 1,
                **configuration}
    made = FnCallAgent(function_list=tools, llm={"model": "nano", "model_type": "oai", "model_server": f"{URL}/v1",
                                                 "api_key": KEY, "generate_cfg": generate})
    for tool in tools:
        tool.agent = made
    return made


def last(runs):
    final = None
    for final in runs:
        pass
    return final


def test_a_function_is_called_and_its_result_is_answered():
    tool = Weather()
    run = agent([tool], use_raw_api=True, tool_choice="required", parallel_tool_calls=False)
    said = last(run.run(MESSAGES))
    assert len(tool.asked) == 1 and is_weather(tool.asked[0])
    roles = [message["role"] for message in said]
    assert "function" in roles and said[roles.index("function")]["content"] == "Sunny."
    assert roles[-1] == "assistant" and not said[-1].get("function_call")


def test_the_agents_own_prompts_are_answered():
    # Tools stand in the text here; what the small model makes of them is its own affair.
    assert last(agent([]).run(MESSAGES))[-1]["role"] == "assistant"
    assert last(agent([Weather()]).llm.chat(messages=MESSAGES, functions=[Weather().function], stream=True))


if __name__ == "__main__":
    main()
