"""Streamed answers of an OpenAI server, with the times at which their pieces came."""

import asyncio
import json
import random
import time

WORDS = ("amber basin cedar delta ember fjord grove haven inlet juniper kelp lagoon meadow north orchard prairie quarry "
         "river summit tundra upland valley willow yarrow zenith").split()


class Refused(Exception):
    """What the server said instead of an answer."""


class Timed:
    """One answer: when it was asked for, when its pieces came (seconds of the monotonic clock), its tokens."""

    def __init__(self):
        self.asked = time.monotonic()
        self.times, self.prompt, self.tokens = [], 0, 0

    @property
    def first(self):
        return self.times[0] - self.asked

    @property
    def rate(self):
        """Tokens a second between the first and the last piece."""
        seconds = self.times[-1] - self.times[0]
        return (self.tokens - 1) / seconds if seconds > 0 and self.tokens > 1 else 0.0

    def gaps(self, begin, end):
        """Seconds between pieces, those that reach into a span of time."""
        pairs = zip(self.times, self.times[1:])
        return [later - earlier for earlier, later in pairs if later > begin and earlier < end]


def text(words, seed):
    """Words that no other prompt begins with."""
    dice = random.Random(seed)
    return f"{seed} " + " ".join(dice.choice(WORDS) for _ in range(words))


def body(words, seed, generate):
    """A request that both kinds of server understand alike: greedy, to its full length, from its start."""
    return {
        "messages": [{"role": "user", "content": text(words, seed)}], "max_tokens": generate, "temperature": 0,
        "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True, "tool_choice": "none", "cache_prompt": False,
        "chat_template_kwargs": {"enable_thinking": False},
    }


async def answer(port, request, timed=None):
    """Sends a request and reads its stream to the end."""
    timed = timed or Timed()
    data = json.dumps(request).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
                     b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
        status = await reader.readline()
        if b" 200 " not in status:
            raise Refused((status + await reader.read(2000)).decode(errors="replace"))
        async for line in reader:
            if line.startswith(b"data: {"):
                take(timed, json.loads(line[6:]))
            elif line.startswith(b"data: [DONE]"):
                break
    finally:
        writer.close()
    if not timed.times:
        raise Refused("an answer without text")
    return timed


def take(timed, event):
    if "error" in event:
        raise Refused(str(event["error"]))
    if event.get("usage"):
        timed.prompt, timed.tokens = event["usage"]["prompt_tokens"], event["usage"]["completion_tokens"]
    said = [part["delta"] for part in event.get("choices") or []]
    if any(delta.get("content") or delta.get("reasoning_content") for delta in said):
        timed.times.append(time.monotonic())


async def words_for(port, tokens):
    """How many words make a prompt of about so many tokens."""
    few, more = [(await answer(port, body(count, 1, 1))).prompt for count in (50, 250)]
    each = (more - few) / 200
    return max(1, round((tokens - (few - 50 * each)) / each))
