"""What clients do, well and badly. Each job raises when it was not served as it should have been."""

import http.client
import json
import random
import socket
import threading
import time

LIMIT = 120  # Seconds after which a silent stream is stuck.
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PARAMETERS = {"type": "object", "properties": {"days": {"type": "integer", "minimum": 1, "maximum": 9},
                                               "unit": {"type": "string", "enum": ["C", "F"]}},
              "required": ["days", "unit"]}
SCHEMA = {"type": "object", "properties": {"sure": {"type": "boolean"}, "size": {"enum": ["small", "large"]}},
          "required": ["sure", "size"], "additionalProperties": False}
TOPICS = ("the message", "the dialog", "the page", "the order", "the list", "the letter")


class Wrong(Exception):
    """Something that must not happen."""


class Gone(Exception):
    """The server was ending: allowed while it is restarted."""


class Client:
    """One person's programs."""

    def __init__(self, port, kept, seed):
        self.port, self.kept, self.dice = port, kept, random.Random(seed)

    def messages(self):
        long = "There is a page with many rows. " * self.dice.choice((0, 0, 1, 8, 40))
        return [{"role": "user", "content": f"{long}Close {self.dice.choice(TOPICS)}."}]

    def ask(self, **more):
        return {"model": "nano", "messages": self.messages(), "max_tokens": self.dice.choice((8, 40, 200)),
                "enable_thinking": self.dice.random() < 0.5, **more}

    def send(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"content-type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def good(self, method, path, body=None):
        status, text = self.send(method, path, body)
        if status == 503 or "shutting_down" in text:
            raise Gone
        # Too many at once, or a conversation that has grown beyond the small model's context.
        if status == 429 or "context_length_exceeded" in text:
            return None
        if status != 200:
            raise Wrong(f"{path}: {status}: {text[:500]}")
        return json.loads(text)

    def streamed(self, path, body, last):
        """A stream, which has one last event."""
        status, text = self.send("POST", path, body)
        if status == 503 or "shutting_down" in text or "overloaded_error" in text:
            raise Gone
        if status not in (200, 429) or (status == 200 and last not in text):
            raise Wrong(f"{path}: {status}, ended in mid-air: {text[-500:]}")

    # Clients that behave.

    def whole(self):
        reply = self.good("POST", "/v1/chat/completions", self.ask(n=self.dice.choice((1, 1, 3))))
        if reply and not all(choice["finish_reason"] for choice in reply["choices"]):
            raise Wrong(f"no end: {reply}")

    def stream(self):
        self.streamed("/v1/chat/completions", self.ask(stream=True), "data: [DONE]\n\n")

    def call(self):
        tool = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
        choice = self.dice.choice(("auto", "required", "none"))
        reply = self.good("POST", "/v1/chat/completions", self.ask(
            tools=[tool], tool_choice=choice, parallel_tool_calls=False, max_tokens=300, thinking_budget=20))
        message = reply and reply["choices"][0]["message"]
        calls = (message or {}).get("tool_calls") or []
        for arguments in (json.loads(call["function"]["arguments"]) for call in calls):
            if not 1 <= arguments["days"] <= 9 or arguments["unit"] not in ("C", "F"):
                raise Wrong(f"a call that its schema forbids: {arguments}")
        if message and (choice == "required") > len(calls):
            raise Wrong(f"no call: {message}")

    def json(self):
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
        reply = self.good("POST", "/v1/chat/completions",
                          self.ask(response_format=form, max_tokens=200, thinking_budget=20))
        if reply:
            json.loads(reply["choices"][0]["message"]["content"])["sure"]

    def picture(self):
        content = [{"type": "image_url", "image_url": {"url": PIXEL}}, {"type": "text", "text": "Close it."}]
        self.good("POST", "/v1/chat/completions", self.ask(messages=[{"role": "user", "content": content}]))

    def anthropic(self):
        thinking = self.dice.choice(({"type": "disabled"}, {"type": "enabled", "budget_tokens": 20}))
        ask = {"model": "nano", "messages": self.messages(), "max_tokens": 200, "thinking": thinking, "stream": True}
        self.streamed("/v1/messages", ask, '"type":"message_stop"')

    def respond(self):
        """Makes a response, or goes on from one that is kept, and looks at it again."""
        earlier = self.kept.any(self.dice)
        ask = {"model": "nano", "input": self.messages()[0]["content"], "max_output_tokens": 30,
               "previous_response_id": earlier}
        reply = self.good("POST", "/v1/responses", ask)
        if reply:
            self.kept.add(reply["id"], reply["output"])
            self.look(reply["id"])

    def look(self, name):
        expected = self.kept.get(name)
        reply = self.good("GET", f"/v1/responses/{name}")
        if reply and expected is not None and reply["output"] != expected:
            raise Wrong(f"response {name} is another one now")

    def forget(self):
        name = self.kept.take(self.dice)
        if name is None:
            return self.respond()
        self.good("DELETE", f"/v1/responses/{name}")
        status, text = self.send("GET", f"/v1/responses/{name}")
        if status != 404:
            raise Wrong(f"response {name} was deleted and is there: {status}: {text[:200]}")

    def background(self):
        """Makes a response that nobody waits for, and asks until it has ended, or ends it, or listens in two parts."""
        streamed = self.dice.random() < 0.4
        ask = {"model": "nano", "input": self.messages()[0]["content"], "background": True, "stream": streamed,
               "max_output_tokens": self.dice.choice((10, 100, 400)), "previous_response_id": self.kept.any(self.dice)}
        if streamed:
            name = self.listen(ask)
        else:
            reply = self.good("POST", "/v1/responses", ask)
            name = reply and reply["id"]
            if name:
                self.kept.begin(name)
        if not name:
            return
        if self.dice.random() < 0.3:
            self.good("POST", f"/v1/responses/{name}/cancel")
        deadline = time.monotonic() + LIMIT
        while (reply := self.good("GET", f"/v1/responses/{name}")) and reply["status"] == "in_progress":
            if time.monotonic() > deadline:
                raise Wrong(f"response {name} does not end")
            time.sleep(0.02)
        if reply:
            self.ended(reply)
            self.kept.end(name, reply["output"])

    def ended(self, reply):
        """How a response in the background may have ended."""
        reason = reply["error"] or reply["incomplete_details"]
        if reply["status"] not in ("completed", "cancelled") and not reason:
            raise Wrong(f"response {reply['id']} is {reply['status']} for no reason")

    def listen(self, ask):
        """Goes away in the middle of the events and comes back for the rest: the name, if all came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        heard, lines = [], []
        try:
            connection.request("POST", "/v1/responses", json.dumps(ask), {"content-type": "application/json"})
            reply = connection.getresponse()
            if reply.status != 200:
                text = reply.read().decode()
                if reply.status == 503 or "shutting_down" in text:
                    raise Gone
                if reply.status == 429 or "context_length_exceeded" in text:
                    return None
                raise Wrong(f"background stream: {reply.status}: {text[:500]}")
            for _ in range(self.dice.choice((3, 9, 30))):
                lines.append(reply.readline().decode())
            heard += numbers(lines)
        finally:
            connection.close()
        _, found, rest = "".join(lines).partition('"id":"')
        if not found:
            # Cut off before its first event.
            raise Gone
        name = rest.split('"', 1)[0]
        self.kept.begin(name)
        after = heard[-1] if heard else -1
        query = f"&starting_after={after}" if heard else ""
        status, text = self.send("GET", f"/v1/responses/{name}?stream=true{query}")
        if status != 200:
            raise Wrong(f"the rest of {name}: {status}: {text[:300]}")
        heard += numbers(text.splitlines(True))
        if heard != list(range(len(heard))):
            raise Wrong(f"events of {name} are missing or twice: {heard}")
        # A short answer may have ended before whoever listened went away.
        whole = "".join(lines) + text
        if not any(f"event: response.{end}" in whole for end in ("completed", "incomplete", "failed")):
            raise Wrong(f"the events of {name} have no end: {text[-300:]}")
        return name

    def complete(self):
        ask = {"prompt": ["Close the", "One, two,"], "max_tokens": self.dice.choice((2, 30))}
        if self.dice.random() < 0.5:
            return self.streamed("/v1/completions", {**ask, "stream": True}, "data: [DONE]\n\n")
        reply = self.good("POST", "/v1/completions", ask)
        if reply and len(reply["choices"]) != 2:
            raise Wrong(f"two prompts, other answers: {reply}")

    def embed(self):
        texts = [f"Close {topic}." for topic in self.dice.sample(TOPICS, 3)]
        reply = self.good("POST", "/v1/embeddings", {"input": texts})
        for vector in (entry["embedding"] for entry in (reply or {}).get("data", [])):
            if abs(sum(number * number for number in vector) - 1) > 1e-3:
                raise Wrong("a vector that is not of unit length")

    def spell(self):
        text = self.messages()[0]["content"]
        reply = self.good("POST", "/tokenize", {"prompt": text})
        back = reply and self.good("POST", "/detokenize", {"tokens": reply["tokens"]})
        if back and back["prompt"] != text:
            raise Wrong(f"{text!r} comes back as {back['prompt']!r}")

    def figures(self):
        status, text = self.send("GET", "/metrics")
        if status != 200 or "aurore_answers_total" not in text:
            raise Wrong(f"no figures: {status}")

    # Clients that do not.

    def raw(self, data, read=True):
        """Sends bytes; what comes back, or nothing."""
        with socket.create_connection(("127.0.0.1", self.port), LIMIT) as stream:
            stream.sendall(data)
            try:
                return stream.recv(4096) if read else b""
            except ConnectionResetError:
                return b""

    def post(self, body, length=None):
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body) if length is None else length}\r\n\r\n")
        return head.encode() + body

    def broken(self):
        body = json.dumps(self.ask()).encode()
        at = self.dice.randrange(len(body))
        damaged = self.dice.choice((body[:at], body[:at] + self.dice.randbytes(4) + body[at:], b"", b"[" * 10_000,
                                    body.replace(b"messages", b"massages")))
        reply = self.raw(self.post(damaged))
        if reply and b" 500 " in reply.split(b"\r\n")[0]:
            raise Wrong(f"{damaged[:300]}: {reply[:300]}")

    def garbage(self):
        self.raw(self.dice.randbytes(200) + b"\r\n\r\n")

    def half(self):
        """Goes away in the middle of its own request."""
        self.raw(self.post(b'{"messages": [', 500), read=False)

    def leave(self):
        """Goes away while it is answered, streamed or not."""
        streamed = self.dice.random() < 0.7
        body = json.dumps(self.ask(stream=streamed, max_tokens=3000, ignore_eos=True)).encode()
        self.raw(self.post(body), read=streamed)


def numbers(lines):
    """Of whole events."""
    data = [line for line in lines if line.startswith("data: ") and line.endswith("\n")]
    return [json.loads(line.removeprefix("data: "))["sequence_number"] for line in data]


# How often each of them comes.
SHARES = {"whole": 4, "stream": 6, "call": 3, "json": 3, "picture": 2, "anthropic": 4, "respond": 5, "background": 4,
          "forget": 1, "complete": 2, "embed": 2, "spell": 1,
          "figures": 1, "broken": 3, "garbage": 1, "half": 2, "leave": 5}


class Kept:
    """The responses that the server must know, with what they say."""

    def __init__(self):
        self.lock, self.outputs = threading.Lock(), {}
        # Names of those in the background whose end nobody has seen.
        self.begun = set()

    def add(self, name, output):
        with self.lock:
            self.outputs[name] = output

    def begin(self, name):
        with self.lock:
            self.begun.add(name)

    def end(self, name, output):
        with self.lock:
            self.begun.discard(name)
            self.outputs[name] = output

    def get(self, name):
        with self.lock:
            return self.outputs.get(name)

    def any(self, dice):
        with self.lock:
            return dice.choice([None, *list(self.outputs)[-5:]])

    def take(self, dice):
        """One that nobody goes on from any more; the newest ones may be in use."""
        with self.lock:
            old = list(self.outputs)[:-20]
            if not old:
                return None
            name = dice.choice(old)
            del self.outputs[name]
            return name
