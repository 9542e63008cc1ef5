"""What the masks of grammars cost over a vocabulary of the family's size (248,077 tokens), token by token.

    cargo build --release -p aurore-engine --example masks
    python bench/masks.py --program target/release/examples/masks --ranks qwen.tiktoken

The family's own vocabulary is part of its checkpoints. Where none is at hand, `qwen.tiktoken` of an earlier generation
(151,643 tokens, in the Python package qwen-agent, which `cargo xtask setup` installs) is filled up with pairs of its
frequent tokens: long ones, which cost most. A receipt goes to bench/receipts/.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE / "peers"))

from process import without_places
from receipt import git, machine, now, write

SIZE = 248_077


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the optimised example `masks`")
    parser.add_argument("--ranks", required=True, type=pathlib.Path, help="a vocabulary as tiktoken writes it")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "receipts")
    arguments = parser.parse_args()
    receipt = {
        "what": "masks of grammars over a large vocabulary, on one thread",
        "date": now(),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "command": ["python", "bench/masks.py", *without_places(sys.argv[1:])],
        "ranks_sha256": hashlib.sha256(arguments.ranks.read_bytes()).hexdigest(),
        "machine": machine(),
        "load_before": os.getloadavg(),
        "known_gaps": ["tokens beyond the file's are pairs of its own: not the family's vocabulary",
                       "answers are cut into the longest tokens, which networks do mostly, not always"],
        "rounds": [],
    }
    for _ in range(arguments.rounds):
        done = subprocess.run([os.path.abspath(arguments.program), str(arguments.ranks), str(arguments.size)],
                              capture_output=True, text=True, check=True)
        receipt["rounds"].append([json.loads(line) for line in done.stdout.splitlines()])
    receipt["load_after"] = os.getloadavg()
    path = arguments.out / f"masks-{receipt['date']}.json"
    write(path, receipt)
    print(path)


if __name__ == "__main__":
    main()
