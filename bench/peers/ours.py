"""Aurore as one of the tools."""

import json
import os
import pathlib

from process import Beside, NotRun, run
from table import MOE
from variant import GENERATE, Measured, Variant

# What random weights of a shape are called where no packed file of it is given.
SHAPES = {MOE: ("35B-A3B", 8)}


class Aurore:
    name = "aurore"

    def __init__(self, program, models, threads, isa=None, limit=1800):
        self.program, self.threads, self.isa, self.limit = program, threads, isa, limit
        self.models = models

    def version(self):
        return run([self.program, "--version"], 30).out.strip().removeprefix("aurore ")

    def variants(self, cell):
        return [Variant(cell.quant)]

    def packed(self, cell):
        path = self.models and pathlib.Path(self.models) / f"{cell.shape}-{cell.quant}.aurore"
        return path if path and path.is_file() else None

    def model(self, cell):
        """A packed file where there is one: the same speed, and loaded in a second."""
        packed = self.packed(cell)
        if packed:
            return ["--model", str(packed)]
        if cell.what in ("start", "memory"):
            raise NotRun(f"needs the packed file {cell.shape}-{cell.quant}.aurore in the folder of --models")
        shape, layers = SHAPES.get(cell.shape, (cell.shape, None))
        return ["--model", shape, "--random-weights"] + (["--first-layers", str(layers)] if layers else [])

    def measure(self, cell, variant):
        command = [self.program, "bench", "--json", "--quant", variant.quant, "--threads", str(self.threads),
                   "--repeat", str(cell.inside), *self.model(cell)]
        if self.isa:
            command += ["--isa", self.isa]
        if cell.what == "start":
            command += ["--start"]
        elif cell.what == "image":
            command += ["--image", "1920x1080"]
        elif cell.what == "prefill":
            command += ["--prompt", str(cell.tokens), "--generate", "0"]
        elif cell.what == "memory":
            command += ["--prompt", str(cell.tokens), "--generate", "1"]
        else:
            command += ["--prompt", "1", "--generate", str(GENERATE), "--depth", str(cell.depth),
                        "--batch", str(cell.batch)]
        with Beside(cell.beside):
            done = run(command, self.limit)
        others = None if done.others is None else max(0.0, done.others - cell.beside)
        lines = [json.loads(line) for line in done.out.splitlines()]
        for line in lines:
            # Where files lie on this machine says nothing to others.
            if "model" in line:
                line["model"] = os.path.basename(line["model"])
        if cell.what == "start":
            # From outside, the process's own start and end included.
            return Measured([done.seconds], command, done.seconds, lines, others=others)
        if cell.what == "memory":
            return Measured([done.peak_bytes / 1e6], command, done.seconds, lines, others=others)
        kind = cell.what if cell.what in ("prefill", "image") else "decode"
        line = next((line for line in lines if line["kind"] == kind), None)
        if line is None or line.get("batch", 1) != cell.batch:
            raise NotRun(f"said nothing about {kind} of {cell.batch}")
        if kind == "image":
            return Measured([line["seconds"]], command, done.seconds, lines, others=others)
        limit = None
        if kind == "decode" and line.get("bandwidth_share") and not cell.beside:
            # Tokens a second if memory were read at its measured rate all the time.
            limit = line["tokens_per_second"] / line["bandwidth_share"]
        return Measured([line["tokens_per_second"]], command, done.seconds, lines, limit, others)
