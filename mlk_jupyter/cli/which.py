"""Which of several jobs or kernels of one name is meant: asked on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import TypeVar

from ..errors import MlkError
from .printing import say

_Named = TypeVar("_Named")


def which(several: MlkError, named: Sequence[_Named]) -> _Named:
    """The one that a person chooses.

    Args:   several: whose words have a head, then a line for each of `named`.
    Raises: `several` where nobody can be asked, or nobody chooses.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise several
    head, *rows = several.detail.split("\n")
    numbers = [f"{number:>4}" for number in range(1, len(named) + 1)]
    say("\n".join([head, *(f"{number}{row}" for number, row in zip_longest(numbers, rows, fillvalue="    "))]))
    say("Which one? Its number, or Enter for none of them.")
    try:
        return named[_chosen(sys.stdin.readline(), len(named))]
    except ValueError:
        raise several from None


def _chosen(typed: str, count: int) -> int:
    """Raises: ValueError for what is none of the numbers."""
    number = int(typed)
    if not 1 <= number <= count:
        raise ValueError(typed)
    return number - 1
