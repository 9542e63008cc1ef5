"""Teaching by showing, from nothing to a measured success: ten demonstrations of a small app, an adapter, new content.

    cargo build --release -p aurore
    python bench/teach --aurore target/release/aurore [--model nano] [--rehearse 100] [--out bench/receipts]

A scripted person shows ten times, through the page on which it is recorded, how a parcel is sent in `parcels.html`, an app
that no bundled model was trained on. `aurore tune` makes an adapter of that with its own defaults, once of it alone and
once rehearsing recorded episodes of the bundled pages, and the model's success is measured before and after on seeds that
were not shown, there and on the bundled pages. Writes a receipt.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import tempfile
import time

from person import record

HERE = pathlib.Path(__file__).parent
PAGE = HERE / "parcels.html"
# What is given to `aurore tune` besides what was shown.
WAYS = {"alone": [], "rehearsing": ["--rehearse", "known"]}


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def commit():
    said = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True)
    return said.stdout.strip()


class Program:
    """The program with a home that is thrown away."""

    def __init__(self, aurore, home):
        self.aurore, self.home = str(pathlib.Path(aurore).resolve()), home
        self.environment = {**os.environ, "AURORE_HOME": str(home), "NO_COLOR": "1"}

    def __call__(self, *arguments):
        said = subprocess.run(
            [self.aurore, *map(str, arguments), "--json"],
            cwd=self.home, env=self.environment, stdout=subprocess.PIPE, text=True, check=True,
        )
        return [json.loads(line) for line in said.stdout.splitlines()]

    def success(self, model, *arguments):
        lines = self("eval", *arguments, "--model", model)
        return {line["task"]: line["success_rate"] for line in lines}


def measure(args, home):
    program = Program(args.aurore, home)
    # Now: commits may come while it runs.
    measured = commit()
    own = ["page", "--page", PAGE, "--seeds", f"2000000..{2000000 + args.episodes}"]
    others = ["bundled", "--tasks", "all", "--seeds", f"2000000..{2000000 + args.others}"]
    before = {"parcels": program.success(args.model, *own), "bundled": program.success(args.model, *others)}
    print("before:", json.dumps(before), flush=True)
    began = time.monotonic()
    shown = record(program.aurore, home, PAGE, "shown", args.demonstrations, program.environment)
    print(f"shown: {shown['episodes']} episodes of {shown['steps']} steps in {time.monotonic() - began:.0f} s", flush=True)
    if "rehearsing" in args.ways:
        program("record", "bundled", "--tasks", "all", "--seeds", f"0..{args.rehearse}", "--out", "known")
    after = {}
    for way in args.ways:
        more = WAYS[way]
        began = time.monotonic()
        tune = ["tune", args.model, "--data", "shown", *more, "--out", way, *args.tune.split()]
        steps = [line for line in program(*tune) if line["kind"] == "step"]
        seconds = time.monotonic() - began
        print(f"tuned, {way}: {len(steps)} steps in {seconds:.0f} s", flush=True)
        adapter = ["--adapter", way]
        after[way] = {
            "tune": tune, "steps": len(steps), "seconds": round(seconds, 1), "load": os.getloadavg()[0],
            "parcels": program.success(args.model, *own, *adapter), "bundled": program.success(args.model, *others, *adapter),
        }
        print("after:", json.dumps(after[way]), flush=True)
    return {
        "what": "teaching by showing", "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ"),
        "commit": measured, "processor": processor(), "processors": os.cpu_count(), "model": args.model,
        "demonstrations": args.demonstrations, "steps shown": shown["steps"], "episodes": args.episodes,
        "episodes of others": args.others, "episodes rehearsed": 6 * args.rehearse, "before": before, "after": after,
        "known gaps": "one app with one layout: names, addresses, weights, papers and the five cities change from seed to seed, places do not",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aurore", default="target/release/aurore")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--demonstrations", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--others", type=int, default=20)
    parser.add_argument("--rehearse", type=int, default=100, help="seeds of each bundled page that are rehearsed")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--tune", default="", help="more options of `aurore tune`")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        receipt = measure(args, pathlib.Path(home))
    path = args.out / f"teach-{receipt['date']}.json"
    path.write_text(json.dumps(receipt, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
