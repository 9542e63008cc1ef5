"""The official implementation, in a process of its own per measurement."""

import json
import os
import pathlib

from process import Beside, NotRun, run
from variant import GENERATE, Measured, Variant

# What its libraries call an instruction set that they are not to go beyond.
VARIABLES = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY")
LIMITS = {
    "avx512bf16": ("AVX512_CORE_BF16", "AVX512", "avx512"),
    "avx512vnni": ("AVX512_CORE_VNNI", "AVX512", "avx512"),
    "avx512": ("AVX512_CORE", "AVX512", "avx512"),
    "avxvnni": ("AVX2_VNNI", "AVX2", "avx2"),
    "avx2": ("AVX2", "AVX2", "avx2"),
}


class Transformers:
    name = "transformers"

    def __init__(self, python, models, threads, isa=None, limit=1800):
        self.python, self.threads, self.limit = python, threads, limit
        self.models = models
        self.environment = os.environ | dict(zip(VARIABLES, LIMITS.get(isa, ()), strict=False))

    def version(self):
        code = "import torch, transformers as t; print(t.__version__, 'torch', torch.__version__)"
        return run([self.python, "-c", code], 120).out.strip()

    def folder(self, shape):
        folder = self.models and pathlib.Path(self.models) / f"{shape}-hf"
        return folder if folder and folder.is_dir() else None

    def variants(self, cell):
        if cell.shape != "0.8B" or cell.depth or cell.what not in ("prefill", "decode", "image"):
            return []
        return [Variant("bf16"), Variant("f32")] if cell.quant == "bf16" or cell.what == "image" else []

    def measure(self, cell, variant):
        if cell.what == "image" and not self.folder(cell.shape):
            raise NotRun(f"needs the folder {cell.shape}-hf in that of --models")
        # Each token takes long: half as many give as good a figure.
        line, command, done = self.ask(cell.what, variant, cell.tokens or GENERATE // 2, cell.shape, cell.beside)
        figure = line["seconds"] if cell.what == "image" else line["tokens_per_second"]
        return Measured([figure], command, done.seconds, [line], others=done.others)

    def ask(self, what, variant, tokens, shape, beside=0):
        script = pathlib.Path(__file__).resolve().with_name("in_transformers.py")
        command = [self.python, str(script), "--dtype", variant.quant, "--what", what, "--threads",
                   str(self.threads), "--tokens", str(tokens)]
        if folder := self.folder(shape):
            command += ["--folder", str(folder)]
        with Beside(beside):
            done = run(command, self.limit, env=self.environment)
        return json.loads(done.out.splitlines()[-1]), command, done
