"""What a conversation's next request costs, for Aurore and for a rival: tokens read again beside the ideal, and the time
to the first token.

    python bench/agent_loop --aurore target/release/aurore --model FILE.aurore --rival "llama-server -m FILE.gguf -c 16384"
    python bench/agent_loop --render bench/receipts/agent-loop-DATE.json

The rival is a command, which is started and ended, or the address of a llama-server that runs (`--rival-address`; then
nothing is measured after a restart). Both must have the same tokeniser and chat template. A receipt goes to
bench/receipts/; `--add-to RECEIPT` adds another server to one.
"""

import argparse
import json
import os
import pathlib
import shlex
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent / "peers"))

import receipt  # noqa: E402
from cells import Cell, cells, talk  # noqa: E402
from report import render  # noqa: E402
from servers import Server, described, folder_bytes  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(prog="python bench/agent_loop", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--aurore", help="the optimised program")
    add("--model", default="nano", help="its model")
    add("--rival", help="a command that starts a llama-server, without address and port")
    add("--rival-address", help="http://HOST:PORT of one that runs")
    add("--again", type=int, default=0, help="cells that the rival is asked after a restart, beside the unchanged prompt")
    add("--name", default="llama.cpp", help="what the rival is called")
    add("--tokens-from", metavar="ADDRESS", help="a server with this tokeniser and template, for those without /tokenize")
    add("--add-to", type=pathlib.Path, metavar="RECEIPT")
    add("--gap", action="append", default=[], help="a known gap to write into the receipt")
    add("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    add("--render", type=pathlib.Path, metavar="RECEIPT", help="print a receipt's tables, and end")
    return parser.parse_args()


def shared(one, other):
    return next((at for at, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))


def measure(server, cell, ids):
    """The cell's last request, after the others."""
    after = ids(cell.after)
    ideal = max(1, len(after) - max(shared(ids(before), after) for before in cell.before))
    prompt, read, seconds = server.send(cell.after)
    if prompt != len(after):
        raise SystemExit(f"{server.name} counts {prompt} tokens, its tokeniser {len(after)}")
    found = {"tokens": prompt, "ideal": ideal, "read": read, "seconds": round(seconds, 3),
             "within_bar": read <= ideal + cell.slack}
    print(f"{server.name:>10}  {cell.key:<9} {read:>5} of {prompt}, ideal {ideal}, {seconds:.3f} s", flush=True)
    return found


def run(server, again):
    """All cells; then, with a restart between before and after, the unchanged prompt and the first `again` cells."""
    load = os.getloadavg()
    server.start()
    known = {}

    def ids(messages):
        key = json.dumps(messages)
        if key not in known:
            known[key] = server.ids(messages)
        return known[key]

    try:
        # Tokens per word of this tokeniser; nothing is read for that.
        probe = talk(77, 600)
        scale = 600 / len(ids(probe))
        # Reads the weights once, so that the first cell does not.
        server.send([{"role": "user", "content": "Hello."}])
        found, cold = {}, None
        for cell in cells(1_000_000, scale):
            for before in cell.before:
                prompt, _, seconds = server.send(before)
                cold = cold or {"tokens": prompt, "seconds": round(seconds, 3)}
            found[cell.key] = measure(server, cell, ids)
        later = {}
        if server.command:
            others = list(cells(2_000_000, scale))[:max(again, 1)]
            for cell in others:
                for before in cell.before:
                    server.send(before)
                # As tokenised before the restart.
                for messages in [*cell.before, cell.after]:
                    ids(messages)
            server.restart()
            server.send([{"role": "user", "content": "Hello."}])
            # The unchanged prompt first: nothing of it is in memory.
            first = others[0]
            later["resend"] = measure(server, Cell("resend", "unchanged", 64, first.before, first.before[0]), ids)
            for cell in others[:again]:
                later[cell.key] = measure(server, cell, ids)
    finally:
        server.stop()
    return {"version": server.version(), "command": described(server.command), "cold": cold, "cells": found,
            "after_restart": later, "load_before": load, "load_after": os.getloadavg()}


def main():
    arguments = parse()
    if arguments.render:
        print(render(json.loads(arguments.render.read_text())))
        return
    if arguments.add_to:
        path, found = arguments.add_to, json.loads(arguments.add_to.read_text())
        found["known_gaps"] += arguments.gap
    else:
        found = {
            "what": "tokens read again when a conversation goes on, and the time to the first token",
            "date": receipt.now(), "commit": receipt.git("rev-parse", "HEAD"),
            "uncommitted_changes": bool(receipt.git("status", "--porcelain", "--untracked-files=no")),
            "machine": receipt.machine(), "servers": {},
            "known_gaps": ["random weights: speed only", "one round", "the time is that of a whole answer of one token",
                           *arguments.gap],
        }
        arguments.out.mkdir(parents=True, exist_ok=True)
        path = arguments.out / f"agent-loop-{found['date']}.json"
    if arguments.aurore:
        with tempfile.TemporaryDirectory() as folder:
            command = [arguments.aurore, "serve", "--model", arguments.model, "--no-auth", "--cache-folder", folder,
                       "--responses", str(pathlib.Path(folder, "responses.sqlite"))]
            result = run(Server("Aurore", command, tokens=arguments.tokens_from), 99)
            result["disk_bytes"] = folder_bytes(pathlib.Path(folder, "prefix"))
        found["servers"]["Aurore"] = result
    if arguments.rival or arguments.rival_address:
        command = shlex.split(arguments.rival) if arguments.rival else None
        rival = Server(arguments.name, command, arguments.rival_address, arguments.tokens_from)
        found["servers"][arguments.name] = run(rival, arguments.again)
    receipt.write(path, found)
    print(path)


main()
