"""Speed and output of a packed model whose experts stay on disk, under a memory limit of half the file's size.

    aurore export 35B-A3B --random-weights --layers 8 --without vision,mtp --output DIR
    aurore quantize DIR --to q4 --nearest --output FILE.aurore
    python bench/experts.py --aurore target/release/aurore FILE.aurore [--share 0.5] [--rounds 5]

It needs Linux and the right to make a memory control group (root), of version 1 or 2. Each round runs `aurore bench`
twice: with everything in memory and no limit, and in a group with the limit, the file dropped from the system's cache
first. The logits' fingerprints must be the same. Writes a receipt to bench/receipts/.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys


class Group:
    """A memory control group with a limit."""

    def __init__(self, limit):
        old, new = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
        self.version = 1 if (old / "memory.limit_in_bytes").exists() else 2
        self.folder = (old if self.version == 1 else new) / f"aurore-bench-{os.getpid()}"
        self.folder.mkdir()
        name = {1: "memory.limit_in_bytes", 2: "memory.max"}[self.version]
        (self.folder / name).write_text(str(limit))

    def enter(self):
        (self.folder / "cgroup.procs").write_text("0" if self.version == 2 else str(os.getpid()))

    def peak(self):
        name = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}[self.version]
        return int((self.folder / name).read_text())

    def close(self):
        self.folder.rmdir()


def drop_from_cache(path):
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def run(command, group=None):
    """The command's JSON lines, and what the system says of its run."""
    enter = group.enter if group else None
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=enter)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}")
    facts = {
        "largest_resident_bytes": usage.ru_maxrss * 1024,
        # Pages that were thrown out, or not there yet, and had to be read again.
        "major_page_faults": usage.ru_majflt,
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
    }
    if group:
        facts["group_peak_bytes"] = group.peak()
    return {"lines": [json.loads(line) for line in out.splitlines()], "process": facts}


def machine():
    facts = {"system": platform.platform(), "processors": os.cpu_count()}
    with open("/proc/cpuinfo") as lines:
        facts["model name"] = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    facts["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return facts


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip()


def summary(rounds, place):
    figures = {}
    for kind in ("prefill", "decode"):
        lines = [line for r in rounds for line in r[place]["lines"] if line["kind"] == kind]
        speeds = [line["tokens_per_second"] for line in lines]
        figures[kind] = {
            "median": statistics.median(speeds), "lowest": min(speeds), "highest": max(speeds),
            "logits": sorted({line["logits"] for line in lines}),
        }
        if lines[0]["experts"]:
            figures[kind]["experts"] = {
                name: statistics.median(line["experts"][name] for line in lines) for name in lines[0]["experts"]
            }
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="a packed file with experts")
    parser.add_argument("--aurore", required=True, help="the optimised program")
    parser.add_argument("--share", type=float, default=0.5, help="the limit, as a share of the file's size")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "receipts")
    parser.add_argument("--gap", action="append", default=[], help="a known gap to write into the receipt")
    arguments = parser.parse_args()

    size = arguments.model.stat().st_size
    limit = int(size * arguments.share)
    options = ["bench", "--json", "--prompt", str(arguments.prompt), "--generate", str(arguments.generate), "--repeat", "1"]
    command = [arguments.aurore, *options, "--model", str(arguments.model)]
    group = Group(limit)
    rounds = []
    try:
        for number in range(1, arguments.rounds + 1):
            load = os.getloadavg()[0]
            in_memory = run(command)
            drop_from_cache(arguments.model)
            on_disk = run(command, group)
            rounds.append({"load_before": load, "in memory": in_memory, "on disk": on_disk})
            shown = "; ".join(
                f"{place}: " + ", ".join(f"{line['kind']} {line['tokens_per_second']:.1f}" for line in rounds[-1][place]["lines"])
                for place in ("in memory", "on disk")
            )
            print(f"round {number} (load {load:.1f}), tokens/s: {shown}", flush=True)
        expected = [arguments.aurore, "inspect", "--json", str(arguments.model), "--expert-memory",
                    str(int(rounds[0]["on disk"]["lines"][0]["experts"]["memory_bytes"]))]
        expected = run(expected)["lines"][0]["experts"]
    finally:
        group.close()

    figures = {place: summary(rounds, place) for place in ("in memory", "on disk")}
    same = all(figures["in memory"][kind]["logits"] == figures["on disk"][kind]["logits"] for kind in ("prefill", "decode"))
    now = datetime.datetime.now(datetime.timezone.utc)
    receipt = {
        "what": f"{arguments.model.name}: experts on disk, memory limited to {arguments.share:g} of the file",
        "date": now.strftime("%Y-%m-%dT%H%M%SZ"),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "command": ["python", "bench/experts.py", arguments.model.name, "--share", str(arguments.share),
                    "--prompt", str(arguments.prompt), "--generate", str(arguments.generate), "--rounds", str(arguments.rounds)],
        "aurore_command": ["aurore", *options, "--model", arguments.model.name],
        "machine": machine(),
        "file_bytes": size,
        "limit_bytes": limit,
        "same_output": same,
        "expected": expected,
        "tokens_per_second": figures,
        "known_gaps": arguments.gap,
        "rounds": rounds,
    }
    for r in rounds:
        for place in ("in memory", "on disk"):
            for line in r[place]["lines"]:
                line["model"] = arguments.model.name
    path = arguments.out / f"experts-{receipt['date']}.json"
    path.write_text(json.dumps(receipt, indent=1) + "\n")
    print(f"same output: {same}; {path}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
