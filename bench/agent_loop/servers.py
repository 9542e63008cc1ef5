"""Servers as processes or addresses, and what a request to one costs."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# Seconds that a client spends between two requests; servers may use them.
PAUSE = 0.3


class Server:
    """A server of chat completions. `command` is started on a free port; without one it is there already."""

    def __init__(self, name, command=None, address=None, tokens=None, limit=600):
        self.name, self.command, self.address, self.tokens, self.limit = name, command, address, tokens, limit
        self.process, self.log = None, tempfile.TemporaryFile()

    def start(self):
        if self.command:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self.address = f"http://127.0.0.1:{port}"
            command = [*self.command, "--host", "127.0.0.1", "--port", str(port)]
            self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        started = time.monotonic()
        while True:
            if self.process and self.process.poll() is not None:
                self.log.seek(0)
                raise SystemExit(f"{self.name} ended: {self.log.read().decode(errors='replace')[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    return
            except OSError:
                if time.monotonic() - started > self.limit:
                    raise SystemExit(f"{self.name} is not ready after {self.limit} s") from None
                time.sleep(0.02)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def post(self, path, body):
        request = urllib.request.Request(f"{self.address}{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self.limit) as answer:
            return json.load(answer)

    def ids(self, messages):
        """The tokens of a prompt, said by another server where this one cannot."""
        if self.tokens:
            return Server(self.name, address=self.tokens).ids(messages)
        try:
            prompt = self.post("/apply-template", {"messages": messages})["prompt"]
        except urllib.error.HTTPError:
            return self.post("/tokenize", {"messages": messages, "add_generation_prompt": True})["tokens"]
        return self.post("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]

    def send(self, messages):
        """Asks for one token: tokens of the prompt, those of them that were read, and seconds until the answer was there."""
        time.sleep(PAUSE)
        started = time.monotonic()
        answer = self.post("/v1/chat/completions", {"messages": messages, "max_tokens": 1, "temperature": 0})
        seconds = time.monotonic() - started
        prompt = answer["usage"]["prompt_tokens"]
        details = answer["usage"].get("prompt_tokens_details") or {}
        timings = answer.get("timings") or {}
        read = timings.get("prompt_n", prompt - details.get("cached_tokens", 0))
        return prompt, read, seconds

    def version(self):
        if not self.command:
            return "unknown: given by its address"
        done = subprocess.run([self.command[0], "--version"], capture_output=True, text=True, timeout=60)
        lines = (done.stdout + done.stderr).strip().splitlines()
        return next((line for line in lines if "version" in line), lines[-1] if lines else "?")


def described(command):
    """A command as others can read it."""
    return [os.path.basename(part.rstrip("/")) if os.sep in part else part for part in command or []]


def folder_bytes(folder):
    return sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*") if file.is_file())
