"""What a run writes down."""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

from process import NotRun, without_places

FLAGS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")


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
    here = pathlib.Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
    return done.stdout.strip()


def begin(arguments, there, absent, rounds):
    """(path, receipt): a new one, or the one to go on with."""
    command = ["python", "bench/peers", *without_places(sys.argv[1:])]
    if arguments.resume:
        found = json.loads(arguments.resume.read_text())
        found.setdefault("resumed", []).append({"date": now(), "commit": git("rev-parse", "HEAD"),
                                                "command": command, "load_before": os.getloadavg()})
        return arguments.resume, found
    versions = {}
    for tool in there:
        try:
            versions[tool.name] = tool.version()
        except (NotRun, OSError, ValueError, subprocess.SubprocessError) as reason:
            versions[tool.name] = f"unknown: {reason}"
    gaps = [
        "random weights: speed and memory only",
        "rivals' formats have about the same bits, not the same: Q8_0 8.5, Q4_0 4.5, Q4_K_M 4.8, IQ4_XS and IQ4_KS "
        "4.25 a weight",
        "start and memory of llama.cpp and ik_llama.cpp are those of their bench program: without the server and its "
        "tokeniser, which would take longer",
    ]
    if arguments.isa:
        gaps += [f"{tool.name} is not limited to {arguments.isa}: compared as it is" for tool in there
                 if tool.name not in ("aurore", "transformers", *arguments.limited)]
    found = {
        "what": "Aurore beside its rivals, in turns, random weights of the same shapes",
        "date": now(),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "command": command,
        "threads": arguments.threads,
        "isa": arguments.isa or "the best one",
        "rounds": rounds,
        "versions": versions,
        "machine": machine(),
        "load_before": os.getloadavg(),
        "not_there": absent,
        "known_gaps": [*gaps, *arguments.gap],
        "cells": {},
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    kind = f"-{arguments.isa}" if arguments.isa else ""
    return arguments.out / f"peers{kind}-{found['date']}.json", found


def cells_of(paths):
    """The cells of several receipts together: different looks may have had different tools."""
    cells = {}
    for path in paths:
        for key, cell in json.loads(path.read_text())["cells"].items():
            cells.setdefault(key, {"results": {}})["results"] |= cell["results"]
    return cells


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M%SZ")


def write(path, found):
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
