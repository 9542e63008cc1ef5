"""What a step of the agent costs besides the model, part by part, on a 1280x800 page.

    python bench/agent_step.py --aurore target/release/aurore [--rounds 5] [--steps 60]

Each round starts a browser of its own and runs `aurore bench agent`. The journal is written to the system's temporary
folder, or to --journal. Prints a table of medians over all rounds and writes a receipt to bench/receipts/.
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

BAR_MS = 150
"""The most that a step may cost at the median, settling aside."""


def words(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--journal", help="a folder on the disk that journals are kept on")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "receipts")
    options = parser.parse_args()

    command = [options.aurore, "bench", "agent", "--json", "--steps", str(options.steps)]
    if options.journal:
        command += ["--journal", options.journal]
    began, load = datetime.datetime.now(datetime.timezone.utc), os.getloadavg()
    rounds = []
    for _ in range(options.rounds):
        out = subprocess.run(command, capture_output=True, text=True)
        if out.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with {out.returncode}: {out.stderr}")
        rounds.append({line["part"]: line for line in map(json.loads, out.stdout.splitlines())})

    parts = {}
    print(f"{'part':<10} {'median':>8} {'lowest':>8} {'highest':>8} {'90 %':>8}   ms, medians of {options.rounds} rounds")
    for part in rounds[0]:
        medians = [each[part]["median_ms"] for each in rounds]
        tails = [each[part]["p90_ms"] for each in rounds]
        parts[part] = {
            "median_ms": statistics.median(medians),
            "lowest_median_ms": min(medians),
            "highest_median_ms": max(medians),
            "p90_ms": statistics.median(tails),
        }
        found = parts[part]
        print(f"{part:<10} {found['median_ms']:>8.1f} {min(medians):>8.1f} {max(medians):>8.1f} {found['p90_ms']:>8.1f}")
    over = parts["overhead"]["median_ms"] >= BAR_MS
    receipt = {
        "bench": "agent_step",
        "utc": began.isoformat(timespec="seconds"),
        "commit": words(["git", "-C", str(pathlib.Path(__file__).parent), "rev-parse", "HEAD"]),
        "command": command,
        "rounds": options.rounds,
        "steps_a_round": options.steps,
        "viewport": rounds[0]["overhead"]["viewport"],
        "machine": {
            "processor": processor(),
            "processors": os.cpu_count(),
            "load_before": load,
            "system": platform.platform(),
            "browser": words(["chromium", "--version"]) or words(["google-chrome", "--version"]),
        },
        "bar_ms": BAR_MS,
        "within_bar": not over,
        "parts": parts,
        "each_round": rounds,
        "known_gaps": [
            "One page, headless, without a graphics processor: the browser draws and encodes on the processor.",
            "The journal's time is that of the disk below the temporary folder, or of --journal.",
            "'settle' waits for the page and adapts to it; it is measured and not part of 'overhead'.",
        ],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"agent-step-{began.strftime('%Y-%m-%dT%H%M%SZ')}.json"
    file.write_text(json.dumps(receipt, indent=1) + "\n")
    print(file)
    return over


if __name__ == "__main__":
    sys.exit(main())
