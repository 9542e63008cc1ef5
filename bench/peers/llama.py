"""`llama-bench` and `llama-batched-bench` of llama.cpp and of ik_llama.cpp, on GGUF files SHAPE-FORMAT.gguf."""

import json
import pathlib
import re

from process import Beside, NotRun, run
from variant import GENERATE, Measured, Variant

# About the same number of bits; of several, the fastest counts.
QUANTS = {"q8": ["Q8_0"], "q4": ["Q4_0", "Q4_K_M"], "bf16": ["BF16"]}
IK_QUANTS = QUANTS | {"q4": ["Q4_0", "Q4_K_M", "IQ4_XS", "IQ4_KS"]}
# Both ways: a repacked copy of the weights is faster or slower, by format and machine.
PACKING = (("", ("--repack", "1")), ("as stored", ("--repack", "0")))
IK_PACKING = (("repacked", ("-rtr", "1")), ("", ("-rtr", "0")))
# A table of llama-batched-bench: PP, TG, B, N_KV, T_PP, S_PP, T_TG, S_TG, T, S.
ROW = re.compile(r"^\|" + r"\s*([\d.]+)\s*\|" * 10 + r"\s*$", re.MULTILINE)


def same_bits(models, cell, quants, packing):
    """The formats that are there, in both ways of packing."""
    return [Variant(quant, options, note) for quant in quants[cell.quant]
            if (models / f"{cell.shape}-{quant}.gguf").is_file() for note, options in packing]


class Llama:
    def __init__(self, name, program, batched, models, threads, limit=1800):
        self.name, self.program, self.batched, self.threads = name, program, batched, threads
        self.models, self.limit = pathlib.Path(models), limit
        self.ik = name.startswith("ik")

    def version(self):
        model = next(iter(sorted(self.models.glob("0.8B-*.gguf"))), None)
        if not model:
            raise NotRun("no model in the folder of --models")
        command = [self.program, "-m", str(model), "-p", "1", "-n", "0", "-r", "1", "-o", "json"]
        line = json.loads(run(command, 300).out)[0]
        return f"{line.get('build_commit', '?')} ({line.get('build_number', '?')})"

    def variants(self, cell):
        if cell.what == "image":
            return None
        found = same_bits(self.models, cell, IK_QUANTS if self.ik else QUANTS, IK_PACKING if self.ik else PACKING)
        if cell.beside and self.threads > 1:
            # Its own best answer to company may be to leave a core to it.
            found += [Variant(one.quant, one.options, one.note, self.threads - cell.beside) for one in found]
        return found

    def measure(self, cell, variant):
        model = ["-m", str(self.models / f"{cell.shape}-{variant.quant}.gguf"),
                 "-t", str(variant.threads or self.threads)]
        if cell.what == "batch":
            return self.together(cell, variant, model)
        command = [self.program, *model, "-fa", "1", "-o", "json", *variant.options]
        filled_again = self.ik and cell.depth
        command += ["-r", "1" if filled_again else str(cell.inside)]
        if cell.what == "start":
            # No server, no tokeniser, no warming up: the least that a first token can take.
            command += ["-p", "16", "-n", "0", *(["-w", "0"] if self.ik else ["--no-warmup"])]
        elif cell.what == "memory":
            command += ["-p", str(cell.tokens), "-n", "0", *(["-w", "0"] if self.ik else ["--no-warmup"])]
        elif cell.what == "prefill":
            command += ["-p", str(cell.tokens), "-n", "0"]
        elif cell.depth and self.ik:
            command += ["-p", "0", "-n", "0", "-gp", f"{cell.depth},{GENERATE}"]
        else:
            command += ["-p", "0", "-n", str(GENERATE)] + (["-d", str(cell.depth)] if cell.depth else [])
        with Beside(cell.beside):
            done = run(command, self.limit)
        line = json.loads(done.out)[-1]
        if cell.what == "start":
            values = [done.seconds]
        elif cell.what == "memory":
            values = [done.peak_bytes / 1e6]
        else:
            values = line["samples_ts"]
        kept = ("build_commit", "model_type", "n_threads", "flash_attn", "n_prompt", "n_gen", "avg_ts", "samples_ts")
        others = None if done.others is None else max(0.0, done.others - cell.beside)
        return Measured(values, command, done.seconds, [{key: line[key] for key in kept if key in line}],
                        others=others)

    def together(self, cell, variant, model):
        """Sequences decoded together; the figure is of all of them."""
        if not self.batched:
            raise NotRun("llama-batched-bench was not given")
        options = list(variant.options)
        if self.ik:
            options = ["-rtr"] if options == ["-rtr", "1"] else []
        else:
            options = [] if options == ["--repack", "1"] else ["--no-repack"]
        command = [self.batched, *model, *options, "-c", "4096", "-npp", "1", "-ntg", str(GENERATE),
                   "-npl", str(cell.batch), "-fa", "on"]
        done = run(command, self.limit)
        # One prints it as its output, the other among its messages.
        rows = [row for row in ROW.findall(done.out + done.errors) if int(row[2]) == cell.batch]
        if not rows:
            raise NotRun("its table was not found in what it printed")
        return Measured([float(rows[-1][7])], command, done.seconds, rows[-1:], others=done.others)
