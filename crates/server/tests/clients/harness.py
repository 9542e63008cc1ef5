"""Runs a script's tests against a server that the Rust side has started, and says which failed."""

import json
import os
import sys
import time
import traceback
import urllib.request

# Two addresses: a server, and one whose queue is always full.
URL, BUSY_URL = os.environ["AURORE_URL"], os.environ["AURORE_BUSY_URL"]
KEY = os.environ["AURORE_KEY"]
# Forbids the ids that end an answer, so that one goes on until nobody reads it.
ENDLESS = {id: -100 for id in json.loads(os.environ["AURORE_EOS"])}
MESSAGES = [{"role": "user", "content": "Close the message."}]
PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
WEATHER = {
    "type": "object",
    "properties": {
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"type": "string", "enum": ["C", "F"]},
    },
    "required": ["days", "unit"],
}


def is_weather(arguments):
    return 1 <= arguments["days"] <= 9 and arguments["unit"] in ("C", "F")


def figure(name):
    request = urllib.request.Request(f"{URL}/metrics", headers={"authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request) as reply:
        lines = reply.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"aurore_{name} ")))


def until_nobody_is_answered():
    while figure("requests_running") > 0:
        time.sleep(0.01)


def raises(kind, call):
    """The error of a call that must fail in one way."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def run(module):
    tests = {name: test for name, test in vars(module).items() if name.startswith("test_")}
    failed = []
    for name, test in tests.items():
        try:
            test()
        except Exception:
            failed.append(name)
            print(f"-- {name}\n{traceback.format_exc()}", file=sys.stderr)
    print(f"{len(tests) - len(failed)} of {len(tests)} passed")
    sys.exit(1 if failed or not tests else 0)


def main():
    run(sys.modules["__main__"])
