"""Training steps of Aurore beside the official classes, in turns, on the same network and sizes; writes a receipt.

    cargo build --release -p aurore-trainer --example speed
    python bench/train --speed target/release/examples/speed --transformers PYTHON [--rounds 5] [--out bench/receipts]
    python bench/train --render bench/receipts/train-DATE.json

A sample is a picture of ROWS x COLUMNS patches and TEXT tokens, of which the last SAID are learnt; a step is SAMPLES
samples, forward, backward and AdamW. `transformers` runs with bf16 autocast and the best of several micro-batches, found
in a first look; Aurore with its defaults. The first step of a process is left out of both.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess

HERE = pathlib.Path(__file__).parent


def steps(command):
    lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return [json.loads(line) for line in lines.splitlines()][1:]


def speeds(lines):
    return [line["samples"] / line["seconds"] for line in lines]


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def commit():
    said = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True)
    return said.stdout.strip()


def measure(args):
    sizes = [str(args.config), *map(str, args.grid), str(args.text), str(args.said), str(args.samples)]

    def aurore():
        return steps([args.speed, *sizes, str(args.tokens), str(args.steps + 1), str(args.threads), "bf16"])

    def official(micro, count):
        script = str(HERE / "transformers_step.py")
        return steps([args.transformers, script, *sizes, str(micro), str(count + 1), str(args.threads)])

    # Now: commits may come while it runs.
    measured = commit()
    look = {}
    for micro in args.micro:
        look[micro] = max(speeds(official(micro, 1)))
        print(f"look: micro-batches of {micro}: {look[micro]:.2f} samples/s", flush=True)
    micro = max(look, key=look.get)
    rounds = []
    for number in range(args.rounds):
        ours, load = aurore(), os.getloadavg()[0]
        theirs = official(micro, max(1, args.steps // 3))
        rounds.append({"aurore": ours, "transformers": theirs, "load": [load, os.getloadavg()[0]]})
        print(f"round {number + 1}: {statistics.median(speeds(ours)):.1f} and {statistics.median(speeds(theirs)):.2f}", flush=True)
    receipt = {
        "what": "training steps", "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ"),
        "commit": measured, "processor": processor(), "threads": args.threads, "grid": args.grid, "text": args.text,
        "said": args.said, "samples": args.samples, "tokens": args.tokens, "micro": micro, "look": look, "rounds": rounds,
        "network": json.load(open(args.config)),
        "known gaps": "random pictures and words, made before a step is timed; AdamW in both; one shape; routing of a fresh network",
    }
    path = args.out / f"train-{receipt['date']}.json"
    path.write_text(json.dumps(receipt, indent=1) + "\n")
    print(path)
    return receipt


def render(receipt):
    rows = []
    for name in ("aurore", "transformers"):
        # One number a round, so that the spread is that of rounds.
        medians = [statistics.median(speeds(one[name])) for one in receipt["rounds"]]
        rows.append((name, statistics.median(medians), min(medians), max(medians)))
    per = receipt["grid"][0] * receipt["grid"][1] // 4 + receipt["text"]
    print("| | samples/s (lowest, highest) | tokens/s |\n|---|---|---|")
    for name, middle, low, high in rows:
        print(f"| {name} | {middle:.2f} ({low:.2f}, {high:.2f}) | {middle * per:.0f} |")
    last = receipt["rounds"][-1]["aurore"][-1]
    share = last["operations"] / last["samples"] * rows[0][1] / last["peak"]
    load = [load for one in receipt["rounds"] for load in one["load"]]
    print(f"\n{rows[0][1] / rows[1][1]:.1f} times; {100 * share:.0f} % of the processor's bf16 peak; load {min(load):.1f} to {max(load):.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--speed")
    parser.add_argument("--transformers", default="python3")
    parser.add_argument("--config", type=pathlib.Path, default=HERE / "config.json")
    parser.add_argument("--grid", type=int, nargs=2, default=[14, 10])
    parser.add_argument("--text", type=int, default=64)
    parser.add_argument("--said", type=int, default=40)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--micro", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    parser.add_argument("--render", type=pathlib.Path)
    args = parser.parse_args()
    render(json.loads(args.render.read_text()) if args.render else measure(args))


if __name__ == "__main__":
    main()
