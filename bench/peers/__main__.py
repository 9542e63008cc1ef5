"""The whole table in one run: Aurore beside its rivals, in turns, on the same random-weight shapes.

    python bench/peers --aurore target/release/aurore --models FOLDER \\
        --llama-bench PATH --ik-llama-bench PATH --llama-server PATH --transformers PYTHON

Rivals are found on PATH where no option names them; one that is not there is "not run", with the reason.
A receipt goes to bench/receipts/, and `python bench/peers --render RECEIPT` renders the tables from it.
See bench/README.md for how the models come about.
"""

import argparse
import os
import pathlib
import shutil

import outputs
import receipt
import render
import rounds
from official import LIMITS
from server import LlamaServer
from table import LIMITED, LIMITED_BAR, cells
from tools import tools

HERE = pathlib.Path(__file__).parent
OUTPUTS = "outputs"


def parse():
    parser = argparse.ArgumentParser(prog="python bench/peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--aurore", help="the optimised program")
    add("--models", type=pathlib.Path, help="folder of 0.8B-Q8_0.gguf, 0.8B-q4.aurore, 0.8B-hf, … (bench/README.md)")
    add("--llama-bench", default=shutil.which("llama-bench"))
    add("--llama-batched-bench", default=shutil.which("llama-batched-bench"))
    add("--llama-server", default=shutil.which("llama-server"),
        help="program, or a command in quotes that takes the same options")
    add("--ik-llama-bench", default=shutil.which("ik-llama-bench"))
    add("--ik-llama-batched-bench", default=shutil.which("ik-llama-batched-bench"))
    add("--ik-llama-server", default=shutil.which("ik-llama-server"))
    add("--server-for-all", action="store_true", help="ask the servers for every cell (where there is no llama-bench)")
    add("--transformers", help="Python with torch and transformers")
    add("--isa", choices=LIMITS,
        help="instruction set that Aurore and transformers are limited to; give --llama-bench a build that is limited too. "
             "Takes only the cells of arithmetic unless --cells names others")
    add("--limited", action="append", default=[], metavar="TOOL",
        help="with --isa: this tool's build is limited too; the others are compared as they are, and the table says so")
    add("--threads", type=int, default=os.cpu_count())
    add("--rounds", type=int, default=5)
    add("--quick", action="store_true", help="one round of every setting: a look, not a receipt to quote")
    add("--best-of", type=pathlib.Path, nargs="+", metavar="RECEIPT", default=[],
        help="take only settings that earlier looks (--quick) found to be their tool's best or near it")
    add("--resume", type=pathlib.Path, metavar="RECEIPT", help="go on with this receipt: its cells are not run again")
    add("--estimate", action="store_true", help="with --best-of: say how long it will take, and end")
    add("--cells", help="only these, by key, separated by commas; `outputs` is the look at the rivals' output")
    add("--timeout", type=int, default=1800, help="seconds that one measurement may take")
    add("--gap", action="append", default=[], help="a known gap to write into the receipt")
    add("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    add("--list", action="store_true", help="print the cells' keys")
    add("--render", type=pathlib.Path, nargs="+", metavar="RECEIPT",
        help="render tables and bar chart from receipts; of the same instruction set the later ones win")
    add("--readme", type=pathlib.Path, help="with --render: put the table between this file's marks")
    add("--svg", type=pathlib.Path, help="with --render: write the bar chart here")
    return parser, parser.parse_args()


def wanted(parser, arguments):
    """The cells to run, and whether the rivals' output is looked at first."""
    known = {cell.key: cell for cell in cells()}
    keys = set(arguments.cells.split(",") if arguments.cells else LIMITED if arguments.isa else known)
    if not arguments.cells:
        keys.add(OUTPUTS)
    unknown = keys - set(known) - {OUTPUTS}
    if unknown:
        parser.error(f"no such cells: {', '.join(sorted(unknown))}; --list names them")
    return [cell for cell in cells() if cell.key in keys], OUTPUTS in keys


def estimate(chosen, there, count, earlier):
    """Minutes that the cells will take, from an earlier look; 0 where nothing is known."""
    known = [rounds.seconds(cell, there, count, earlier.get(cell.key)) for cell in chosen]
    for cell, seconds in zip(chosen, known, strict=True):
        print(f"{cell.key:18} {'unknown' if seconds is None else f'about {seconds:.0f} s'}")
    total = sum(filter(None, known)) / 60
    print(f"{'together':18} about {total:.0f} minutes\n", flush=True)


def main():
    parser, arguments = parse()
    if arguments.list:
        print("\n".join(f"{cell.key:18} {cell.title}" for cell in cells()))
        print(f"{OUTPUTS:18} a look at what the rivals compute")
        return
    if arguments.render:
        render.main(arguments.render, arguments.readme, arguments.svg)
        return
    if not arguments.aurore or not pathlib.Path(arguments.aurore).is_file():
        parser.error("--aurore must name the program: build it with `cargo build --release -p aurore`")
    chosen, looking = wanted(parser, arguments)
    # Programs run in folders of their own.
    arguments.models = arguments.models and arguments.models.resolve()
    arguments.transformers = arguments.transformers and os.path.abspath(shutil.which(arguments.transformers) or "-")
    there, absent = tools(arguments)
    count = 1 if arguments.quick else arguments.rounds
    earlier = receipt.cells_of(arguments.best_of)
    if earlier:
        estimate(chosen, there, count, earlier)
    if arguments.estimate:
        return
    path, found = receipt.begin(arguments, there, absent, count)
    if looking and OUTPUTS not in found:
        official = next((tool for tool in there if tool.name == "transformers"), None)
        found["outputs"] = outputs.look([tool for tool in there if isinstance(tool, LlamaServer)], official)
        for name, judged in found["outputs"].items():
            print(f"output of {name}: {judged}", flush=True)
        receipt.write(path, found)
    wrong = {name for name, judged in found.get("outputs", {}).items() if judged["looks"] == "wrong"}
    for cell in chosen:
        if cell.key in found["cells"]:
            continue
        # From a shorter cell of this run only the one best setting of each tool.
        look, near = earlier.get(cell.key), rounds.OF_ITS_TOOL
        if not look:
            look, near = found["cells"].get(cell.like), 1.0
        measured = rounds.measure(cell, there, count, look, near, wrong,
                                  tries=1 if arguments.quick else rounds.TRIES)
        if arguments.isa:
            measured["bar"] = LIMITED_BAR
        found["cells"][cell.key] = measured
        found["load_after"] = os.getloadavg()
        # After every cell: an interrupted run is a receipt of what it has measured, and --resume goes on with it.
        receipt.write(path, found)
    print(path)
    print(render.table([found]))


if __name__ == "__main__":
    main()
