"""Why a rank failed, in one line. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

_LONGEST = 300
_SIGNALS = frozenset(number.name for number in signal.Signals)  # a keeper's `ename` for a death by signal


@dataclass(frozen=True)
class Failure:
    """The end of a rank that did not end well."""

    rank: int
    at: float
    """Seconds since the epoch."""
    ename: str
    evalue: str
    traceback: list[str]
    cell: int | None
    """Index in the notebook's cells; None when it did not happen in a cell."""
    number: int | None
    """The same code cell as people count, from 1."""

    @property
    def died(self) -> bool:
        """Whether its process ended without an exception that says why: by a signal, or by ending itself."""
        return not self.ename or self.ename == "SystemExit" or self.ename in _SIGNALS

    @property
    def text(self) -> str:
        """For a row of a list: "cell 4, rank 0: KeyError: 'train'"."""
        where = f"cell {self.number}, rank {self.rank}" if self.number is not None else f"rank {self.rank}"
        first = next((line.strip() for line in self.evalue.splitlines() if line.strip()), "")
        text = f"{where}: {': '.join(part for part in (self.ename, first) if part)}"
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
