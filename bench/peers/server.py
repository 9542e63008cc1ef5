"""`llama-server` of either project (or what speaks as it) on loopback: pictures, and a look at the output."""

import base64
import io
import json
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import llama
from process import Beside, NotRun, ended, last_words
from variant import GENERATE, Measured


class LlamaServer:
    def __init__(self, name, program, models, threads, everything=False, limit=1800):
        self.name, self.program, self.threads = name, program, threads
        self.models, self.limit, self.everything = pathlib.Path(models), limit, everything
        self.ik = name.startswith("ik")

    def version(self):
        done = subprocess.run([*self.program, "--version"], capture_output=True, text=True, timeout=60)
        text = (done.stdout + done.stderr).strip().splitlines()
        line = next((line for line in text if "version" in line), text[-1] if text else "?")
        return line.removeprefix("version: ")

    def variants(self, cell):
        if cell.what != "image" and not self.everything:
            return None
        quants, packing = (llama.IK_QUANTS, llama.IK_PACKING) if self.ik else (llama.QUANTS, llama.PACKING)
        return llama.same_bits(self.models, cell, quants, packing)

    def command(self, shape, variant, context, parallel=1):
        options = list(variant.options)
        if self.ik:
            options = ["-rtr"] if options == ["-rtr", "1"] else []
        else:
            options = ["--no-repack"] if options == ["--repack", "0"] else []
        return [*self.program, "-m", str(self.models / f"{shape}-{variant.quant}.gguf"), "-t",
                str(variant.threads or self.threads), "-c", str(context), "-np", str(parallel), "-fa", "on", *options]

    def measure(self, cell, variant):
        context = max(4096, cell.depth + cell.tokens + 256, cell.batch * 512)
        command = self.command(cell.shape, variant, context, cell.batch)
        if cell.what == "image":
            tower = self.models / f"{cell.shape}-mmproj.gguf"
            if not tower.is_file():
                raise NotRun(f"needs {tower.name}")
            # Its warming up reads a picture of that size: half a minute that changes nothing.
            command += ["--mmproj", str(tower), "--no-warmup"]
        started = time.monotonic()
        with Server(command, self.limit) as server:
            with Beside(cell.beside):
                value = self.ask(server, cell)
        return Measured([value], command, time.monotonic() - started, server.answers)

    def ask(self, server, cell):
        if cell.what == "prefill":
            return server.complete(cell.tokens, 1)["timings"]["prompt_per_second"]
        if cell.what in ("decode", "batch") and cell.batch == 1:
            return server.complete(max(cell.depth, 1), GENERATE)["timings"]["predicted_per_second"]
        if cell.what == "batch":
            return server.together(cell.batch, GENERATE)
        if cell.what == "start":
            server.complete(16, 1)
            return time.monotonic() - server.started
        if cell.what == "memory":
            server.complete(cell.tokens - 64, 1)
            return server.peak_bytes() / 1e6
        if cell.what == "image":
            return server.picture(1920, 1080)
        raise NotRun("no such measurement")


def ids(tokens):
    """Token ids as `aurore bench` takes them."""
    return [index * 7919 % 200 for index in range(tokens)]


class Server:
    """A server process on a free port of loopback, ended with the block."""

    def __init__(self, command, limit):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command, self.limit, self.answers = command, limit, []

    def __enter__(self):
        self.log, self.folder = tempfile.TemporaryFile(), tempfile.TemporaryDirectory()
        if os.sep in self.command[0]:
            self.command[0] = os.path.abspath(self.command[0])
        self.started = time.monotonic()
        try:
            self.process = subprocess.Popen([*self.command, "--host", "127.0.0.1", "--port", str(self.port)],
                                            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                            cwd=self.folder.name)
        except OSError as error:
            raise NotRun(f"cannot be started: {error.strerror}") from None
        try:
            while True:
                if self.process.poll() is not None:
                    raise NotRun(f"{ended(self.process.returncode)}: {self.said()}")
                try:
                    if self.get("/health").get("status") == "ok":
                        return self
                except OSError:
                    pass
                if time.monotonic() - self.started > self.limit:
                    raise NotRun(f"not ready after {self.limit} s")
                time.sleep(0.01)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def said(self):
        self.log.seek(0)
        return last_words(self.log.read().decode(errors="replace"))

    def get(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data,
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self.limit) as answer:
            return json.load(answer)

    def ask(self, path, body):
        try:
            return self.get(path, body)
        except urllib.error.HTTPError as error:
            raise NotRun(f"answered {error.code}: {error.read()[:200].decode(errors='replace')}") from None
        except OSError as error:
            raise NotRun(f"no answer: {error}") from None

    def complete(self, tokens, generate, probabilities=0):
        """Answers ids, never from the cache of an earlier request."""
        body = {"prompt": ids(tokens), "n_predict": generate, "cache_prompt": False, "temperature": 0,
                "ignore_eos": not probabilities}
        if probabilities:
            body["n_probs"] = probabilities
        answer = self.ask("/completion", body)
        self.answers.append(answer.get("timings"))
        return answer

    def together(self, count, generate):
        """Tokens a second of all sequences, without the prompts' time."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda _: self.complete(1, generate), range(count)))
        return sum(answer["timings"]["predicted_per_second"] for answer in answers)

    def picture(self, width, height):
        from PIL import Image

        buffer = io.BytesIO()
        pixels = random.Random(1).randbytes(width * height * 3)
        Image.frombytes("RGB", (width, height), pixels).save(buffer, "PNG", compress_level=1)
        url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
        started = time.monotonic()
        answer = self.ask("/v1/chat/completions", {"messages": [message], "max_tokens": 1, "cache_prompt": False})
        seconds = time.monotonic() - started
        usage = answer.get("usage") or {}
        self.answers.append({"usage": usage, "timings": answer.get("timings")})
        if usage.get("prompt_tokens", 0) < 1000:
            # A server that made the picture smaller has done another task.
            raise NotRun(f"read the picture as {usage.get('prompt_tokens')} tokens, not as about 2,040")
        return seconds

    def peak_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        if not found:
            raise NotRun("the system does not say")
        return int(found[0]) * 1024
