"""The whole table in one run: Aurore beside its rivals, in turns, on the same random-weight shapes.

    python bench/peers --aurore target/release/aurore --models GGUF_FOLDER \\
        --llama-bench PATH --ik-llama-bench PATH --llama-server PATH --transformers PYTHON

Rivals are found on PATH where no option names them; one that is not there is "not run", with the reason.
A receipt goes to bench/receipts/, and `python bench/peers --render RECEIPT` renders the tables from it.
See bench/README.md for how the models come about.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys

import render
from table import cells
from tools import Aurore, LlamaBench, LlamaServer, NotRun, Transformers, without_places

HERE = pathlib.Path(__file__).parent
FLAGS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")


def parse():
    parser = argparse.ArgumentParser(prog="python bench/peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", help="the optimised program")
    parser.add_argument("--aurore-packed", help="a packed q4 checkpoint of the 0.8B shape, for the start")
    parser.add_argument("--isa", help="instruction set that Aurore is limited to")
    parser.add_argument("--models", type=pathlib.Path, help="folder of rivals' models: 0.8B-Q8_0.gguf, …")
    parser.add_argument("--llama-bench", default=shutil.which("llama-bench"))
    parser.add_argument("--ik-llama-bench", default=shutil.which("ik-llama-bench"))
    parser.add_argument("--llama-server", default=shutil.which("llama-server"),
                        help="program, or a command in quotes that takes the same options")
    parser.add_argument("--server-for-all", action="store_true",
                        help="ask llama-server for prefill and decode too (where there is no llama-bench)")
    parser.add_argument("--transformers", help="Python with torch and transformers")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round: a look, not a receipt to quote")
    parser.add_argument("--cells", help="only these, by key, separated by commas")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds that one measurement may take")
    parser.add_argument("--gap", action="append", default=[], help="a known gap to write into the receipt")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    parser.add_argument("--list", action="store_true", help="print the cells' keys")
    parser.add_argument("--render", type=pathlib.Path, nargs="+", metavar="RECEIPT",
                        help="render table and bar chart from receipts; the later ones win")
    parser.add_argument("--readme", type=pathlib.Path, help="with --render: put the table between this file's marks")
    parser.add_argument("--svg", type=pathlib.Path, help="with --render: write the bar chart here")
    return parser, parser.parse_args()


def tools(arguments):
    """What is there, and why the rest is not."""
    there = [Aurore(arguments.aurore, arguments.threads, arguments.isa, arguments.aurore_packed, arguments.timeout)]
    absent = {}
    for name, program, options in (("llama.cpp", arguments.llama_bench, []),
                                   ("ik_llama.cpp", arguments.ik_llama_bench, ["-rtr", "1"])):
        if program and arguments.models:
            there.append(LlamaBench(name, program, arguments.models, arguments.threads, options, arguments.timeout))
        else:
            absent[name] = "llama-bench was not given" if not program else "--models was not given"
    if arguments.llama_server and arguments.models:
        there.append(LlamaServer("llama.cpp server", shlex.split(arguments.llama_server), arguments.models,
                                 arguments.threads, (), arguments.timeout))
    else:
        absent["llama.cpp server"] = "llama-server or --models was not given"
    if arguments.transformers:
        there.append(Transformers(arguments.transformers, arguments.threads, arguments.timeout))
    else:
        absent["transformers"] = "--transformers PYTHON was not given"
    return there, absent


def measure(cell, there, rounds, server_for_all):
    """All tools in turns, `rounds` times; a tool that fails once is out, with the reason."""
    contestants = []
    reasons = {}
    for tool in there:
        if isinstance(tool, LlamaServer) and not server_for_all and cell.what in ("prefill", "decode"):
            continue
        variants = tool.variants(cell)
        if not variants:
            reasons[tool.name] = f"no model or mode of about the same bits ({cell.quant})"
        contestants += [(tool, variant) for variant in variants]
    results = {}
    for number in range(rounds):
        for tool, variant in list(contestants):
            name = tool.name if tool.name == "aurore" else f"{tool.name} {variant}"
            load = os.getloadavg()[0]
            try:
                value, command, raw = tool.measure(cell, variant)
            except NotRun as reason:
                reasons[name] = str(reason)
                contestants.remove((tool, variant))
                results.pop(name, None)
                continue
            result = results.setdefault(name, {"command": without_places(command), "values": [], "load": []})
            result["values"].append(round(value, 4))
            result["load"].append(round(load, 2))
            if number == rounds - 1:
                result["last"] = raw
            print(f"{cell.key:20} {number + 1}/{rounds}  {name:28} {value:10.2f} {cell.unit}  (load {load:.1f})",
                  flush=True)
    for result in results.values():
        values = result["values"]
        result |= {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    for name, reason in reasons.items():
        print(f"{cell.key:20} not run: {name}: {reason}", flush=True)
    return {"title": cell.title, "unit": cell.unit, "bar": cell.bar, "of": cell.of, "results": results, "not_run": reasons}


def machine():
    facts = {"system": f"{platform.system()} {platform.machine()}", "processors": os.cpu_count()}
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "flags"):
                facts.setdefault(name.strip(), value.strip())
    facts["flags"] = [flag for flag in FLAGS if flag in facts.get("flags", "").split()]
    facts["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return facts


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True)
    return done.stdout.strip()


def main():
    parser, arguments = parse()
    if arguments.list:
        print("\n".join(f"{cell.key:20} {cell.title}" for cell in cells()))
        return
    if arguments.render:
        render.main(arguments.render, arguments.readme, arguments.svg)
        return
    if not arguments.aurore or not pathlib.Path(arguments.aurore).is_file():
        parser.error("--aurore must name the program: build it with `cargo build --release -p aurore`")
    wanted = set(arguments.cells.split(",")) if arguments.cells else {cell.key for cell in cells()}
    unknown = wanted - {cell.key for cell in cells()}
    if unknown:
        parser.error(f"no such cells: {', '.join(sorted(unknown))}; --list names them")
    rounds = 1 if arguments.quick else arguments.rounds
    there, absent = tools(arguments)
    versions = {}
    for tool in there:
        try:
            versions[tool.name] = tool.version()
        except (NotRun, OSError, ValueError, subprocess.SubprocessError) as reason:
            versions[tool.name] = f"unknown: {reason}"
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M%SZ")
    receipt = {
        "what": "Aurore beside its rivals, in turns, random weights of the same shapes",
        "date": date,
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "command": ["python", "bench/peers", *without_places(sys.argv[1:])],
        "threads": arguments.threads,
        "isa": arguments.isa or "the best one",
        "rounds": rounds,
        "versions": versions,
        "machine": machine(),
        "load_before": os.getloadavg(),
        "not_there": absent,
        "known_gaps": [
            "random weights: speed and memory only",
            "rivals' formats have about the same bits, not the same: Q8_0 8.5, Q4_0 4.5, Q4_K_M 4.8 a weight",
            *arguments.gap,
        ],
        "cells": {},
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"peers-{date}.json"
    for cell in cells():
        if cell.key not in wanted:
            continue
        receipt["cells"][cell.key] = measure(cell, there, rounds, arguments.server_for_all)
        receipt["load_after"] = os.getloadavg()
        # After every cell: an interrupted run is a receipt of what it has measured.
        path.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")
    print(path)
    print(render.table([receipt]))


if __name__ == "__main__":
    main()
