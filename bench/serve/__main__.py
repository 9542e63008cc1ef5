"""The server under load: Aurore's, and llama.cpp's where it is given, in turns.

    python bench/serve --aurore target/release/aurore --model 0.8B-q4.aurore \\
        [--llama-server PATH --gguf 0.8B-Q4_0.gguf] [--rounds 5]
    python bench/serve --render bench/receipts/serve-DATE.json

- throughput: 1, 4, 16 and 32 streams that begin at once, each with a prompt of its own
- arrival: a prompt of 6,000 tokens comes while 15 streams run
- overhead: one stream beside `aurore bench` of the same length
- idle: 500 connections on which nothing happens

Every server is started anew for a round, so that no round finds what another left.
"""

import argparse
import asyncio
import json
import os
import pathlib
import shlex
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "peers"))

import measure
import render
import stream
from process import NotRun, run, without_places
from receipt import git, machine, now, write
from server import Server

CELLS = ("throughput", "arrival", "overhead", "idle")


def parse():
    parser = argparse.ArgumentParser(prog="python bench/serve", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", help="the optimised program")
    parser.add_argument("--model", help="a packed checkpoint or a folder")
    parser.add_argument("--memory", type=float, default=2.0, help="gigabytes for conversations (aurore serve --memory)")
    parser.add_argument("--piece", type=int, help="aurore serve --piece, if not its own")
    parser.add_argument("--llama-server", type=shlex.split, help="the rival's program")
    parser.add_argument("--gguf", help="the same weights for it")
    parser.add_argument("--llama-options", type=shlex.split, default=["-fa", "on"], help="more options for it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--streams", default="1,4,16,32")
    parser.add_argument("--prompt", type=int, default=128, help="tokens of each stream's prompt, about")
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--running", type=int, default=15, help="streams that run when the long prompt comes")
    parser.add_argument("--long", type=int, default=6000, help="its tokens, about")
    parser.add_argument("--idle", type=int, default=500, help="connections on which nothing happens")
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=1800, help="seconds that a start may take")
    parser.add_argument("--gap", action="append", default=[], help="a known gap to write into the receipt")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    parser.add_argument("--render", type=pathlib.Path, metavar="RECEIPT", help="print a receipt's tables")
    return parser, parser.parse_args()


def commands(arguments, streams):
    """The servers by name."""
    most = max(max(streams), arguments.running + 1)
    ours = [arguments.aurore, "serve", "--no-auth", "--model", arguments.model, "--threads", str(arguments.threads),
            "--memory", str(arguments.memory), "--batch", str(most), "--cache-disk", "0"]
    if arguments.piece:
        ours += ["--piece", str(arguments.piece)]
    found = {"aurore": ours}
    if arguments.llama_server:
        # A context for each of its slots that holds what the slot is asked for.
        context = arguments.long + 512 + most * (arguments.prompt + 4096)
        found["llama-server"] = [*arguments.llama_server, "-m", arguments.gguf, "-t", str(arguments.threads), "-np",
                                 str(most), "-c", str(context), "--kv-unified", *arguments.llama_options]
    return found


async def at(server, arguments, name, cells, streams, seed):
    """One round at one server."""
    results = {}
    words = await stream.words_for(server.port, arguments.prompt)
    # The first answer pays for what is made at first use.
    await stream.answer(server.port, stream.body(words, seed, 8))
    if "throughput" in cells:
        for number, count in enumerate(streams):
            results[f"throughput {count}"] = await measure.together(
                server.port, count, words, arguments.generate, seed + 1000 * (number + 1))
    if "arrival" in cells:
        long = await stream.words_for(server.port, arguments.long)
        results["arrival"] = await measure.arrival(server.port, arguments.running, words, long, seed + 10_000)
    if "overhead" in cells and name == "aurore":
        results["overhead"] = await overhead(server, arguments, words, seed + 20_000)
    if "idle" in cells and name == "aurore":
        results["idle"] = await measure.idle(server, arguments.idle, words, arguments.generate, seed + 30_000)
    return results


async def overhead(server, arguments, words, seed):
    """One stream beside the bench of as many tokens at the same depth; the bench before and after it."""

    def bench(depth):
        done = run([arguments.aurore, "bench", "--json", "--model", arguments.model, "--threads",
                    str(arguments.threads), "--prompt", "0", "--depth", str(depth), "--generate",
                    str(arguments.generate), "--repeat", "1"], arguments.limit)
        lines = [json.loads(line) for line in done.out.splitlines()]
        return next(line["tokens_per_second"] for line in lines if line["kind"] == "decode")

    before = bench(arguments.prompt)
    served = await stream.answer(server.port, stream.body(words, seed, arguments.generate))
    after = bench(arguments.prompt)
    return {"served": served.rate, "bench": statistics.mean([before, after]), "depth": served.prompt}


def main():
    parser, arguments = parse()
    if arguments.render:
        print(render.tables(json.loads(arguments.render.read_text())))
        return
    if not arguments.aurore or not arguments.model or bool(arguments.llama_server) != bool(arguments.gguf):
        parser.error("name --aurore and --model, and --llama-server and --gguf together")
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        # There the threads that compute keep those that send, and this client, from running at all.
        parser.error("not in a real-time scheduling class: what is timed would be its waiting")
    streams = [int(count) for count in arguments.streams.split(",")]
    cells = arguments.cells.split(",")
    servers = commands(arguments, streams)
    receipt = {
        "what": "the server under load",
        "date": now(),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "command": ["python", "bench/serve", *without_places(sys.argv[1:])],
        "servers": {name: without_places(command) for name, command in servers.items()},
        "versions": {name: run([*version_of(command), "--version"], 60) for name, command in servers.items()},
        "threads": arguments.threads,
        "machine": machine(),
        "load_before": os.getloadavg(),
        "known_gaps": [
            "the client runs on the same processors as the server",
            "a piece of text may hold several tokens where a character takes several: gaps are then longer than "
            "between tokens, for both",
            "formats of rivals have about the same bits, not the same",
            *arguments.gap,
        ],
        "rounds": [],
    }
    receipt["versions"] = {name: (done.out + done.errors).strip().splitlines()[0]
                           for name, done in receipt["versions"].items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"serve-{receipt['date']}.json"
    for number in range(arguments.rounds):
        results = {"load": os.getloadavg()}
        # Whoever was first is second in the next round.
        for name in sorted(servers, reverse=number % 2 == 1):
            print(f"round {number + 1}: {name}", file=sys.stderr)
            try:
                with Server(list(servers[name]), arguments.limit) as server:
                    results[name] = asyncio.run(at(server, arguments, name, cells, streams, 100_000 * (number + 1)))
            except (NotRun, stream.Refused) as reason:
                results[name] = {"not_run": str(reason)}
                print(f"{name}: {reason}", file=sys.stderr)
        receipt["rounds"].append(results)
        receipt["load_after"] = os.getloadavg()
        write(path, receipt)
    print(render.tables(receipt))
    print(path, file=sys.stderr)


def version_of(command):
    """The program itself, without what it is told."""
    end = next((place for place, word in enumerate(command) if word in ("serve", "-m")), 1)
    return command[:end]


if __name__ == "__main__":
    main()
