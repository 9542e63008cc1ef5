"""A tool's settings for one measurement, and what came of it."""

from dataclasses import dataclass, field

# Tokens that are decoded for one figure.
GENERATE = 64


@dataclass(frozen=True)
class Variant:
    """Weight format and further options of one contestant."""

    quant: str
    options: tuple = ()
    note: str = ""
    # Another number of threads than the run's.
    threads: int | None = None

    def __str__(self):
        return " ".join(filter(None, [self.quant, self.note, f"{self.threads} thread" if self.threads else ""]))


@dataclass
class Measured:
    """Figures in the cell's unit, the command that gave them, and how long all of it took."""

    values: list
    command: list
    seconds: float
    raw: list = field(default_factory=list)
    # The memory-bandwidth limit in the cell's unit, where it is known.
    limit: float | None = None
    # Cores that anything else kept busy meanwhile.
    others: float | None = None
