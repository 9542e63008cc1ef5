"""The agent with its model behind a server from a package registry: the official implementation's own.

    python -m venv target/reference-venv
    target/reference-venv/bin/pip install -r reference/requirements.txt -r reference/served/requirements.txt
    target/reference-venv/bin/python reference/served/check.py --aurore target/release/aurore

starts `transformers serve` with the embedded model on loopback and checks, through the program alone:

- what is decided: the small pages are worked on as they are with the same model in the program;
- a server that dies in mid-answer and comes back: the step is asked for again, and nothing is done twice;
- a server that falls silent in mid-answer: after the client's time-out the step is asked for again;
- a server that stays away: the run ends with the reason, its journal is whole, and it goes on once the server is back;
- a model that the server does not have: the run ends at once and says what was refused.

Prints a line of JSON for each, and writes them with --receipt FILE. Exits 1 if one does not hold.
"""

import argparse
import contextlib
import datetime
import functools
import http.server
import importlib.metadata
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
NANO = ROOT / "models/nano"
TASKS = "dialog,cookies,tabs,colour"
SEEDS = "2000000..2000005"
# The client waits two minutes for the next word of an answer that has begun.
SILENCE_SECONDS = 120


class Served:
    """`transformers serve`, which can die, stand still and come back at the same address."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.folder = folder
        self.process = None
        self.asked = threading.Semaphore(0)

    def start(self):
        (self.folder / "hub").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "transformers.cli.transformers", "serve", str(NANO), "--host", "127.0.0.1"]
            + ["--port", str(self.port), "--device", "cpu", "--dtype", "float32", "--log-level", "info"],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(self.folder / "hub")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.listen, args=[self.process], daemon=True).start()
        end = time.monotonic() + 300
        while time.monotonic() < end:
            assert self.process.poll() is None, "the server ended at once"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/models", timeout=5).read()
                return
            time.sleep(0.5)
        raise AssertionError("the server does not answer")

    def listen(self, process):
        for line in process.stderr:
            if "Request received" in line:
                self.asked.release()

    def wait_for_a_request(self):
        assert self.asked.acquire(timeout=120), "nobody asked"

    def forget_requests(self):
        while self.asked.acquire(blocking=False):
            pass

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Aurore:
    """The program, with a home of its own."""

    def __init__(self, program, home, url):
        self.program, self.home = program, home
        self.server = ["--model-url", url, "--model-name", str(NANO), "--model-memory", "intents"]

    def start(self, *words):
        return subprocess.Popen(
            [self.program, *words, "--json"],
            env={**os.environ, "AURORE_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words):
        process = self.start(*words)
        out, wrong = process.communicate()
        return process.returncode, [json.loads(line) for line in out.splitlines()], wrong

    def work(self, page, *more):
        return [
            "agent", "Close the message.", "--browser", page, "--viewport", "160x210", "--max-steps", "4",
            "--approve-with", "cat > /dev/null; echo '{\"answer\": \"yes\"}'", *self.server, *more,
        ]

    def episode(self, folder):
        """One episode of a small page, whose goal one press meets and which then ends the run itself."""
        tasks = ["eval", "bundled", "--tasks", "dialog", "--seeds", "2000000", "--journal", str(folder)]
        return self.start(*tasks, *self.server)

    def journal(self, *folder):
        """Whether the last run's journal is whole, and how many presses of buttons it holds."""
        _, found, _ = self.run("replay", "last", "--verify", *folder)
        _, records, _ = self.run("replay", "last", *folder)
        decided = [line["record"] for line in records if line["record"]["event"] == "decision"]
        done = [one for one in decided if one["perform"] and one["action"]["kind"] == "click"]
        # The message's button goes with it; what is pressed where it was is the model's own matter.
        presses = [one for one in done if (one["target"] or {}).get("role") == "button"]
        return found[0]["whole"], len(presses)


def pages():
    """The small pages over loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=ROOT / "apps"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/dialog.html?seed=7"


def ended(lines):
    return lines[-1]["outcome"]["end"]


def decides_the_same(aurore, served):
    tasks = ["eval", "bundled", "--tasks", TASKS, "--seeds", SEEDS]
    _, here, wrong_here = aurore.run(*tasks)
    code, there, wrong = aurore.run(*tasks, *aurore.server)
    assert code == 0 and here and len(here) == len(there), wrong_here + wrong
    numbers = [[(line["task"], line["success_rate"], line["steps_mean"]) for line in lines] for lines in (here, there)]
    return numbers[0] == numbers[1], {"in the program": numbers[0], "on the server": numbers[1]}


def comes_to_its_end(aurore, run, folder, wrong=""):
    """One press, written down, meets the goal, however often the server had to be asked."""
    out, more = run.communicate()
    wrong += more
    rates = [json.loads(line)["success_rate"] for line in out.splitlines()]
    whole, presses = aurore.journal("--journal", str(folder))
    asked_again = wrong.count("is asked again")
    holds = asked_again > 0 and whole and presses == 1 and rates == [1.0]
    return holds, {"asked again": asked_again, "whole": whole, "presses": presses, "success": rates}


def dies_and_comes_back(aurore, served):
    served.forget_requests()
    folder = aurore.home / "dies"
    run = aurore.episode(folder)
    served.wait_for_a_request()
    served.kill()
    served.start()
    return comes_to_its_end(aurore, run, folder)


def falls_silent(aurore, served):
    served.forget_requests()
    folder = aurore.home / "silent"
    run = aurore.episode(folder)
    served.wait_for_a_request()
    # The answer has begun: its first words have been sent.
    time.sleep(0.5)
    served.signal(signal.SIGSTOP)
    began = time.monotonic()
    wrong = ""
    for line in run.stderr:
        wrong += line
        if "is asked again" in line:
            break
    waited = time.monotonic() - began
    served.signal(signal.SIGCONT)
    holds, found = comes_to_its_end(aurore, run, folder, wrong)
    return holds and waited >= SILENCE_SECONDS - 5, {"silence_seconds": round(waited), **found}


def stays_away(aurore, served, page):
    served.forget_requests()
    run = aurore.start(*aurore.work(page))
    served.wait_for_a_request()
    served.kill()
    out, wrong = run.communicate()
    whole, _ = aurore.journal()
    end = ended([json.loads(line) for line in out.splitlines()])
    failed = (run.returncode, end["kind"]) == (1, "failed") and whole
    served.start()
    _, lines, wrong = aurore.run("agent", "--resume", "last", *aurore.work(page)[2:])
    whole, presses = aurore.journal()
    then = ended(lines) if lines else {"kind": "failed", "message": wrong}
    # What the model makes of a goal that is met is its own matter.
    goes_on = whole and then["kind"] != "failed" and presses == 1
    return failed and goes_on, {"end": end, "then": then, "whole": whole, "presses": presses}


def is_not_there(aurore, served, page):
    served.forget_requests()
    words = aurore.work(page)
    words[words.index(str(NANO))] = "nobody/nothing"
    code, lines, wrong = aurore.run(*words)
    said = ended(lines)["message"] if lines else wrong.strip()
    return code == 1 and "nobody/nothing" in said, {"said": said[:300]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", required=True)
    parser.add_argument("--receipt", type=pathlib.Path)
    given = parser.parse_args()
    packages = {name: importlib.metadata.version(name) for name in ("transformers", "torch", "fastapi", "uvicorn")}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    receipt = {
        "what": "the agent with nano behind `transformers serve`",
        "command": "python reference/served/check.py --aurore target/release/aurore",
        "commit": commit,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": packages,
        "checks": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        served = Served(folder)
        served.start()
        aurore = Aurore(pathlib.Path(given.aurore).resolve(), folder / "home", served.url)
        page = pages()
        try:
            for check in (
                lambda: decides_the_same(aurore, served),
                lambda: dies_and_comes_back(aurore, served),
                lambda: falls_silent(aurore, served),
                lambda: stays_away(aurore, served, page),
                lambda: is_not_there(aurore, served, page),
            ):
                name = check.__code__.co_names[0].replace("_", " ")
                holds, found = check()
                # Where this copy of the repository lies is nobody's business.
                line = json.dumps({"check": name, "holds": holds, **found}, ensure_ascii=False).replace(f"{ROOT}/", "")
                receipt["checks"].append(json.loads(line))
                print(line, flush=True)
        finally:
            served.kill()
    if given.receipt:
        given.receipt.write_text(json.dumps(receipt, ensure_ascii=False, indent=1) + "\n")
    sys.exit(0 if all(check["holds"] for check in receipt["checks"]) else 1)


main()
