"""Which of several jobs of one name is meant: asked on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from itertools import zip_longest

from ..library import SeveralJobs
from ..model import JobSummary
from .printing import say


def which(several: SeveralJobs) -> JobSummary:
    """The one that a person chooses.

    Raises: SeveralJobs where nobody can be asked, or nobody chooses.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise several
    head, *rows = several.detail.split("\n")
    numbers = [f"{number:>4}" for number in range(1, len(several.named) + 1)]
    say("\n".join([head, *(f"{number}{row}" for number, row in zip_longest(numbers, rows, fillvalue="    "))]))
    say("Which one? Its number, or Enter for none of them.")
    try:
        return several.named[_chosen(sys.stdin.readline(), len(several.named))]
    except ValueError:
        raise several from None


def _chosen(typed: str, count: int) -> int:
    """Raises: ValueError for what is none of the numbers."""
    number = int(typed)
    if not 1 <= number <= count:
        raise ValueError(typed)
    return number - 1
