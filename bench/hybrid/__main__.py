"""What the family's mixture of layers saves: the same shape as published (gated DeltaNet with full attention in every
fourth layer) beside the same sizes with full attention in every layer, in the same engine, in turns.

    python bench/hybrid --aurore target/release/aurore [--model 0.8B] [--quant q8] [--rounds 5]
    python bench/hybrid --render bench/receipts/hybrid-DATE.json

A receipt goes to bench/receipts/; --receipt FILE adds rounds to one. --render writes the table between the marks of
docs/hybrid.md, and docs/hybrid.svg.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import render

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
KINDS = ("hybrid", "full")


def parse():
    parser = argparse.ArgumentParser(prog="python bench/hybrid", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", help="the optimised program")
    parser.add_argument("--model", default="0.8B", help="an official shape")
    parser.add_argument("--quant", default="q8", help="format of the weights")
    parser.add_argument("--kv", default="bf16", help="format of keys and values")
    parser.add_argument("--depths", default="4096,32768,131072", help="tokens before a single sequence's decoding")
    parser.add_argument("--together", type=int, default=16, help="sequences decoded together")
    parser.add_argument("--together-depth", type=int, default=16384, help="tokens before each of them")
    parser.add_argument("--generate", type=int, default=24, help="tokens that are timed together")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--receipt", type=pathlib.Path, help="add rounds to this receipt")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds that one run may take")
    parser.add_argument("--gap", action="append", default=[], help="a known gap to write into the receipt")
    parser.add_argument("--render", type=pathlib.Path, metavar="RECEIPT", help="render table and plot from a receipt")
    return parser, parser.parse_args()


def commands(arguments, kind):
    """One process for the depths, one for many sequences; each makes its own weights, which are the same."""
    common = ["bench", "--json", "--model", arguments.model, "--random-weights", "--layer-types", kind,
              "--quant", arguments.quant, "--kv", arguments.kv, "--threads", str(arguments.threads),
              "--fill", "repeat", "--prompt", "0", "--generate", str(arguments.generate), "--repeat", "1"]
    yield "depth", [*common, "--depth", arguments.depths]
    yield "together", [*common, "--depth", str(arguments.together_depth), "--batch", f"1,{arguments.together}"]


def run(program, command, seconds):
    try:
        done = subprocess.run([program, *command], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        sys.exit(f"no result after {seconds} s: aurore {' '.join(command)}")
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}: aurore {' '.join(command)}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def machine():
    facts = {"system": f"{platform.system()} {platform.machine()}", "processors": os.cpu_count()}
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                facts.setdefault("model name", value.strip())
    facts["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return facts


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True).stdout.strip()


def new_receipt(arguments):
    version = subprocess.run([arguments.aurore, "--version"], capture_output=True, text=True).stdout.strip()
    return {
        "what": "the same sizes as published and with full attention in every layer, in turns, random weights",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M%SZ"),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "version": version,
        "machine": machine(),
        "commands": {f"{kind} {name}": ["aurore", *command] for kind in KINDS
                     for name, command in commands(arguments, kind)},
        "known_gaps": [
            "random weights: cost only, nothing about quality",
            "depths hold 512 computed tokens' keys and values again and again: as much memory is read as for "
            "computed ones",
            "resident memory of many sequences holds one more, which the others are copies of",
            *arguments.gap,
        ],
        "rounds": [],
    }


def main():
    parser, arguments = parse()
    if arguments.render:
        render.main(json.loads(arguments.render.read_text()), arguments.render.name, DOCS)
        return
    if not arguments.aurore or not pathlib.Path(arguments.aurore).is_file():
        parser.error("--aurore must name the program: build it with `cargo build --release -p aurore`")
    path = arguments.receipt
    if path and path.exists():
        receipt = json.loads(path.read_text())
        own = new_receipt(arguments)["commands"]
        if receipt["commands"] != own:
            parser.error(f"{path} was measured with other commands")
    else:
        receipt = new_receipt(arguments)
        arguments.out.mkdir(parents=True, exist_ok=True)
        path = path or arguments.out / f"hybrid-{receipt['date']}.json"
    for _ in range(arguments.rounds):
        lines = []
        number = len(receipt["rounds"]) + 1
        # Whoever is first in one round is second in the next.
        kinds = KINDS if number % 2 else KINDS[::-1]
        for kind in kinds:
            for name, command in commands(arguments, kind):
                load = os.getloadavg()[0]
                for line in run(arguments.aurore, command, arguments.timeout):
                    line["load_before"] = round(load, 2)
                    lines.append(line)
                    print(f"round {number}: {kind:6} {name:8} depth {line['depth']:>7} × {line['batch']:<3} "
                          f"{line['tokens_per_second']:9.2f} tokens/s  (load {load:.1f})", flush=True)
        receipt["rounds"].append(lines)
        # After every round: an interrupted run is a receipt of what it has measured.
        path.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")
    print(path)


if __name__ == "__main__":
    main()
