"""Makes the fixtures beside it: what Python's jinja2 renders and what Pillow resizes.

    python make.py        # needs jinja2 and pillow

The environment is the one that `transformers` gives chat templates.
"""

import json
import random
from pathlib import Path

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from PIL import Image

HERE = Path(__file__).parent


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


ARGUMENTS = {
    "text": "größer & <b> '\"\n done",
    "yes": True,
    "no": False,
    "nothing": None,
    "whole": 7,
    "real": 2.0,
    "tiny": 1e-7,
    "list": [1, 2.5, "x", None, True],
    "nested": {"b": {"a": []}, "a": "ü"},
    "empty": "",
}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks <here> & \"there\" \u2192 ü",
        "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number", "default": 1.0}}},
    },
}


def call(name, arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "  Hello\u3000\x1f\n"}
CONVERSATIONS = {
    "plain": dict(messages=[USER], add_generation_prompt=True),
    "system, thinking off": dict(
        messages=[{"role": "system", "content": " Be brief. "}, USER], add_generation_prompt=True, enable_thinking=False
    ),
    "tools": dict(messages=[{"role": "system", "content": "S"}, USER], tools=[TOOL, TOOL], add_generation_prompt=True),
    "tool loop": dict(
        messages=[
            USER,
            {"role": "assistant", "content": "old", "reasoning_content": "forgotten"},
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "", "reasoning_content": "first", "tool_calls": [call("look", ARGUMENTS)]},
            {"role": "tool", "content": " seen "},
            {"role": "tool", "content": "more"},
            {"role": "assistant", "content": "said", "tool_calls": [call("a", {}), call("b", {"k": "v"})]},
            {"role": "tool", "content": "end"},
        ],
        tools=[TOOL],
        add_generation_prompt=True,
    ),
    "reasoning inside content": dict(
        messages=[USER, {"role": "assistant", "content": "<think>\n\nwhy\n\n</think>\n\nbecause"}],
        add_generation_prompt=False,
    ),
    "pictures": dict(
        messages=[
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What"}, {"type": "text", "text": " is it?"}]},
            {"role": "assistant", "content": "A cat."},
            {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "image"}]},
        ],
        add_vision_id=True,
        add_generation_prompt=True,
    ),
    "no user": dict(messages=[{"role": "system", "content": "S"}], add_generation_prompt=True),
    "late system": dict(messages=[USER, {"role": "system", "content": "S"}]),
    "picture in the system turn": dict(messages=[{"role": "system", "content": [{"type": "image"}]}, USER]),
    "unknown role": dict(messages=[USER, {"role": "narrator", "content": "x"}]),
}

# Small expressions whose result depends on Python's ways.
SNIPPETS = [
    "{{ true }} {{ none }} {{ 1.0 }} {{ [1, 'a', none, false] }} {{ {'a': \"it's\"} }} {{ undefined_thing }}",
    "{{ ' \\u00a0x\\u200b ' | trim }}|{{ 'xxhixx'.strip('x') }}|{{ '  a '.lstrip() }}|{{ 'aXbX'.rstrip('X') }}",
    "{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a,b,c'.split(',', 1) }}",
    "{{ {'b': 1, 'a': [true, none, 'é<>&\\'']} | tojson }}",
    "{{ {'b': 1, 'a': {'c': []}} | tojson(indent=2) }}",
    "{{ 1e16 }} {{ 0.00001 }} {{ 123456789.125 }} {{ 10 / 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 2 ** 3 }}",
    "{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% set ns = namespace(found=false) %}{% for x in 'abc' %}{% if x == 'b' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}",
    "{{ messages[-1].role }} {{ messages[::-1][0].role }} {{ messages | length }} {{ 'us' in messages[0].role }}",
    "  {% if true %}\n  a\n  {% endif %}\n  b\n",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('c') }} {{ 'aXa'.replace('a', 'b') }} {{ 'Ab'.upper() }} {{ 'x' * 3 }}",
    "{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %} {{ 'a' ~ 1 ~ 'b' }}",
    "{{ 'a' if undefined_thing else 'b' }} {{ messages[0].missing is defined }} {{ messages[0].content is string }} {{ 3 is number }}",
    "{{ 5 | string }}{{ true | string }}{{ none | string }}{{ 'q' | string }}{{ 1.5 | string }} {{ ['a', 'b'] | join('-') }}",
    "{{ [1, 2, 3] | first }} {{ [1, 2] | last }} {{ {'a': 2}.a }} {{ 'abc'[1:] }} {{ 'abc'[-1] }} {{ 'title case' | title }}",
]


def render(source, variables):
    env = environment()
    try:
        return {"text": env.from_string(source).render(**variables)}
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}


def templates():
    source = (HERE / "family.jinja").read_text()
    cases = [
        {"name": name, "variables": variables, **render(source, variables)} for name, variables in CONVERSATIONS.items()
    ]
    snippets = [
        {"source": snippet, "variables": {"messages": [USER]}, **render(snippet, {"messages": [USER]})}
        for snippet in SNIPPETS
    ]
    text = json.dumps({"conversations": cases, "snippets": snippets}, ensure_ascii=False, indent=1)
    (HERE / "template_cases.json").write_text(text + "\n")


def pictures():
    dice = random.Random(7)
    width, height = 37, 29
    source = Image.new("RGB", (width, height))
    source.putdata(
        [
            tuple(
                dice.randrange(256) if x > 20 else (x * 7 + y * (channel + 3)) % 256 if y > 12 else 255 * ((x // 4 + y // 4) % 2)
                for channel in range(3)
            )
            for y in range(height)
            for x in range(width)
        ]
    )
    source.save(HERE / "source.png")
    for size in [(64, 32), (32, 64), (37, 32), (96, 29), (11, 7), (1, 1)]:
        source.resize(size, Image.Resampling.BICUBIC).save(HERE / f"resized_{size[0]}x{size[1]}.png")


templates()
pictures()
