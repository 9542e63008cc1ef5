"""The programs that are measured. Each says what it cannot do; nothing is dropped without a word."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

# About the same number of bits; of several, the fastest counts.
RIVAL_QUANTS = {"q8": ["Q8_0"], "q4": ["Q4_0", "Q4_K_M"], "bf16": ["BF16"]}
GENERATE = 64


class NotRun(Exception):
    """Why a cell cannot be measured with a tool."""


def limited(command, seconds, **options):
    """Runs a program and gives its output; a program that fails or hangs is a reason, not an end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        raise NotRun(f"no result after {seconds} s") from None
    except OSError as error:
        raise NotRun(f"cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotRun(f"exit code {done.returncode}: {lines[-1][:200] if lines else 'no message'}")
    return done.stdout


def busy(count):
    """Processes that want the cores; each ends by itself after an hour at the latest."""
    code = "import time; end = time.monotonic() + 3600\nwhile time.monotonic() < end: pass"
    return [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]


class Beside:
    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.processes = busy(self.count)

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


class Aurore:
    name = "aurore"

    def __init__(self, program, threads, isa=None, packed=None, seconds=1800):
        self.program, self.threads, self.isa, self.seconds = program, threads, isa, seconds
        self.packed = packed

    def version(self):
        return limited([self.program, "--version"], 30).strip()

    def variants(self, cell):
        return [cell.quant]

    def measure(self, cell, variant):
        command = [self.program, "bench", "--json", "--quant", variant, "--threads", str(self.threads), "--repeat", "1"]
        if self.isa:
            command += ["--isa", self.isa]
        if cell.what == "start":
            if not self.packed:
                raise NotRun("needs a packed checkpoint: --aurore-packed FILE")
            command += ["--model", self.packed, "--start"]
            started = time.monotonic()
            lines = self.lines(command)
            return time.monotonic() - started, command, lines
        command += ["--model", cell.shape, "--random-weights"]
        if cell.first_layers:
            command += ["--first-layers", str(cell.first_layers)]
        if cell.what == "image":
            lines = self.lines([*command, "--image", "1920x1080"])
            return lines[-1]["seconds"], command, lines
        if cell.beside:
            command += ["--beside", str(cell.beside)]
        if cell.what == "prefill":
            command += ["--prompt", str(cell.tokens), "--generate", "0"]
        elif cell.what == "memory":
            command += ["--prompt", str(cell.tokens), "--generate", "1"]
        else:
            command += ["--prompt", "1", "--generate", str(GENERATE), "--depth", str(cell.depth),
                        "--batch", str(cell.batch)]
        lines = self.lines(command)
        if cell.what == "memory":
            return max(line["peak_memory_bytes"] for line in lines) / 1e6, command, lines
        kind = "prefill" if cell.what == "prefill" else "decode"
        return next(line["tokens_per_second"] for line in lines if line["kind"] == kind), command, lines

    def lines(self, command):
        return [json.loads(line) for line in limited(command, self.seconds).splitlines()]


class LlamaBench:
    """`llama-bench` of llama.cpp or of ik_llama.cpp, on GGUF files named SHAPE-QUANT.gguf."""

    def __init__(self, name, program, models, threads, options=(), seconds=1800):
        self.name, self.program, self.threads, self.options = name, program, threads, list(options)
        self.models, self.seconds = pathlib.Path(models), seconds

    def version(self):
        line = json.loads(limited(self.command("0.8B", "Q8_0", ["-p", "1", "-n", "0"]), 300))[0]
        return f"{line.get('build_commit', '?')} ({line.get('build_number', '?')})"

    def variants(self, cell):
        return [quant for quant in RIVAL_QUANTS[cell.quant] if self.file(self.shape(cell), quant).is_file()]

    def shape(self, cell):
        return f"{cell.shape}-{cell.first_layers}layers" if cell.first_layers else cell.shape

    def file(self, shape, quant):
        return self.models / f"{shape}-{quant}.gguf"

    def command(self, shape, quant, what):
        return [self.program, "-m", str(self.file(shape, quant)), "-t", str(self.threads), "-fa", "1", "-r", "1",
                "-o", "json", *self.options, *what]

    def measure(self, cell, variant):
        if cell.what == "prefill":
            what = ["-p", str(cell.tokens), "-n", "0"]
        elif cell.what == "decode":
            what = ["-p", "0", "-n", str(GENERATE)] + (["-d", str(cell.depth)] if cell.depth else [])
        elif cell.what == "batch" and cell.batch == 1:
            what = ["-p", "0", "-n", str(GENERATE)]
        else:
            raise NotRun("llama-bench has no such measurement; llama-server is asked")
        command = self.command(self.shape(cell), variant, what)
        with Beside(cell.beside):
            lines = json.loads(limited(command, self.seconds))
        return lines[-1]["avg_ts"], command, lines


class LlamaServer:
    """`llama-server` (or what speaks as it) on loopback, for what llama-bench cannot do."""

    def __init__(self, name, program, models, threads, options=(), seconds=900):
        self.name, self.program, self.threads, self.options = name, program, threads, list(options)
        self.models, self.seconds = pathlib.Path(models), seconds

    def version(self):
        done = subprocess.run([*self.program, "--version"], capture_output=True, text=True, timeout=60)
        text = (done.stdout + done.stderr).strip().splitlines()
        return next((line for line in text if "version" in line), text[-1] if text else "?")

    def variants(self, cell):
        return LlamaBench.variants(self, cell)

    def file(self, shape, quant):
        return self.models / f"{shape}-{quant}.gguf"

    def shape(self, cell):
        return LlamaBench.shape(self, cell)

    def measure(self, cell, variant):
        context = max(4096, cell.depth + cell.tokens + 256, cell.batch * 512)
        command = [*self.program, "-m", str(self.models / f"{self.shape(cell)}-{variant}.gguf"), "-t",
                   str(self.threads), "-c", str(context), "-np", str(cell.batch), "-fa", "on", *self.options]
        if cell.what == "image":
            tower = self.models / f"{cell.shape}-mmproj.gguf"
            if not tower.is_file():
                raise NotRun(f"needs {tower.name}")
            command += ["--mmproj", str(tower)]
        with Server(command, self.seconds) as server:
            with Beside(cell.beside):
                return self.ask(server, cell), command, server.answers

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


class Server:
    """A server process on a free port of loopback, ended with the block."""

    def __init__(self, command, seconds):
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command, self.seconds, self.answers = command, seconds, []

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.started = time.monotonic()
        try:
            self.process = subprocess.Popen([*self.command, "--host", "127.0.0.1", "--port", str(self.port)],
                                            stdout=self.log, stderr=self.log)
        except OSError as error:
            raise NotRun(f"cannot be started: {error.strerror}") from None
        try:
            while True:
                if self.process.poll() is not None:
                    raise NotRun(f"ended at once with exit code {self.process.returncode}")
                try:
                    if self.get("/health").get("status") == "ok":
                        return self
                except OSError:
                    pass
                if time.monotonic() - self.started > self.seconds:
                    raise NotRun(f"not ready after {self.seconds} s")
                time.sleep(0.01)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def get(self, path, body=None):
        import urllib.request

        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data,
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self.seconds) as answer:
            return json.load(answer)

    def complete(self, tokens, generate):
        """Ids as `aurore bench` takes them, never from the cache of an earlier request."""
        body = {"prompt": [index * 7919 % 200 for index in range(tokens)], "n_predict": generate,
                "cache_prompt": False, "temperature": 0, "ignore_eos": True}
        try:
            answer = self.get("/completion", body)
        except OSError as error:
            raise NotRun(f"no answer: {error}") from None
        self.answers.append(answer.get("timings"))
        return answer

    def together(self, count, generate):
        """Tokens a second of all sequences, without the prompts' time."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda _: self.complete(1, generate), range(count)))
        return sum(answer["timings"]["predicted_per_second"] for answer in answers)

    def picture(self, width, height):
        import base64
        import io
        import random

        from PIL import Image

        buffer = io.BytesIO()
        pixels = random.Random(1).randbytes(width * height * 3)
        Image.frombytes("RGB", (width, height), pixels).save(buffer, "PNG", compress_level=1)
        url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
        started = time.monotonic()
        try:
            answer = self.get("/v1/chat/completions", {"messages": [message], "max_tokens": 1, "cache_prompt": False})
        except OSError as error:
            raise NotRun(f"no answer: {error}") from None
        self.answers.append({"usage": answer.get("usage"), "timings": answer.get("timings")})
        return time.monotonic() - started

    def peak_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if not found:
            raise NotRun("the system does not say")
        return int(found.group(1)) * 1024


class Transformers:
    """The official implementation, in a process of its own per measurement."""

    name = "transformers"

    def __init__(self, python, threads, seconds=1800):
        self.python, self.threads, self.seconds = python, threads, seconds

    def version(self):
        return limited([self.python, "-c", "import torch, transformers as t; print(t.__version__, torch.__version__)"],
                       120).strip()

    def variants(self, cell):
        return ["bf16", "f32"] if cell.quant == "bf16" or cell.what == "image" else []

    def measure(self, cell, variant):
        if cell.what not in ("prefill", "decode") or cell.first_layers:
            raise NotRun("not measured with this implementation")
        script = pathlib.Path(__file__).with_name("in_transformers.py")
        command = [self.python, str(script), "--dtype", variant, "--what", cell.what, "--threads", str(self.threads),
                   "--tokens", str(cell.tokens or GENERATE // 4)]
        with Beside(cell.beside):
            line = json.loads(limited(command, self.seconds).splitlines()[-1])
        return line["tokens_per_second"], command, [line]


def without_places(command):
    """A command as others can read it: where files lie on this machine says nothing to them."""
    return [os.path.basename(part) if os.sep in part else part for part in command]
