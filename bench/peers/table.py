"""The cells of the table: what is measured, and what each bar asks for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One comparison. `what` says which measurement a tool has to make; higher is better for rates
    (tokens a second), lower for seconds and bytes."""

    key: str
    title: str
    what: str  # prefill, decode, image, batch, memory, start
    quant: str  # q8, q4, bf16
    shape: str = "0.8B"
    tokens: int = 0
    depth: int = 0
    batch: int = 1
    beside: int = 0
    bar: str = ""
    # The cell whose figure of the same tool this one is a share of.
    of: str = ""
    # A shorter cell whose best settings of each tool this one takes: trying them all here would take an hour.
    like: str = ""
    unit: str = "tokens/s"
    # Rounds at the most, and timings inside one process, where filling a context takes minutes.
    rounds: int = 0
    inside: int = 1

    @property
    def lower_is_better(self):
        return self.unit != "tokens/s"


MOE = "35B-A3B-8layers"
# With a limited instruction set only the arithmetic is asked about again.
LIMITED = ("prefill-512-q8", "prefill-512-q4", "decode-q8", "decode-q4", "moe-prefill-q4", "moe-decode-q4",
           "prefill-512-bf16", "decode-bf16")
LIMITED_BAR = "1.2×"


def cells():
    rows = []
    for quant in ("q8", "q4"):
        for tokens in (512, 2048):
            rows.append(Cell(f"prefill-{tokens}-{quant}", f"prefill {tokens:,}, {quant}", "prefill", quant,
                             tokens=tokens, bar="5×", like=f"prefill-512-{quant}" if tokens > 512 else ""))
    rows += [
        Cell("decode-q8", "decode, q8", "decode", "q8", bar="1.3×"),
        Cell("decode-q4", "decode, q4", "decode", "q4", bar="1.7×"),
        Cell("decode-q8-4096", "decode at 4,096, q8", "decode", "q8", depth=4096, bar="1.4×",
             like="decode-q8"),
        Cell("decode-q8-16384", "decode at 16,384, q8", "decode", "q8", depth=16384, bar="2.5×", rounds=3,
             inside=2, like="decode-q8"),
        Cell("moe-prefill-q4", "experts (35B-A3B, 8 layers): prefill 512, q4", "prefill", "q4", shape=MOE,
             tokens=512, bar="5×"),
        Cell("moe-decode-q4", "experts (35B-A3B, 8 layers): decode, q4", "decode", "q4", shape=MOE, bar="1.6×"),
        Cell("prefill-512-bf16", "prefill 512, bf16", "prefill", "bf16", tokens=512, bar="5×"),
        Cell("decode-bf16", "decode, bf16", "decode", "bf16", bar="1.3×"),
        Cell("image-q8", "1920×1080 screenshot to end of prefill, q8", "image", "q8", bar="4×", unit="seconds",
             rounds=3, like="prefill-512-q8"),
        Cell("batch-1-q4", "one sequence, q4", "batch", "q4", batch=1, like="decode-q4"),
        Cell("batch-16-q4", "16 sequences together, q4", "batch", "q4", batch=16, bar="6× one sequence",
             of="batch-1-q4", like="decode-q4"),
        Cell("busy-prefill-q8", "prefill 512 beside a busy process, q8", "prefill", "q8", tokens=512, beside=1,
             bar="55 % of quiet", of="prefill-512-q8", like="prefill-512-q8"),
        Cell("busy-decode-q8", "decode beside a busy process, q8", "decode", "q8", beside=1, bar="55 % of quiet",
             of="decode-q8", like="decode-q8"),
        # The same every time but for some kilobytes.
        Cell("memory-q4", "resident memory at its highest, q4, context 4,096", "memory", "q4", tokens=4096,
             bar="weights + 25 %", unit="MB", rounds=1),
        Cell("start-q4", "start to first token, q4", "start", "q4", bar="0.8 s", unit="seconds"),
    ]
    return rows
