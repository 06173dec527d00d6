"""Text that came from a cluster, made fit to be shown. Pure."""

from __future__ import annotations

from ...api.redaction import LIMIT, redacted


def clean(text: object, longest: int = LIMIT) -> str:
    """One line of at most `longest` characters, without control characters, objects and secrets; "" for None."""
    return "" if text is None else redacted(str(text), longest)


def who(worker: int, ranks_in_worker: int) -> str:
    """What a worker is called: by its rank where it is one."""
    return f"Rank {worker}" if ranks_in_worker == 1 else f"Worker {worker}"


def ordinal(number: int) -> str:
    """ "first", "second", "third", then "4th"; for small numbers as they occur here."""
    named = ("first", "second", "third")
    return named[number - 1] if 0 < number <= len(named) else f"{number}th"
