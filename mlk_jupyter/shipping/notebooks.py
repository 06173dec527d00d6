"""The notebooks of jobs that are a cell or a function: ordinary ones, which can be read and run as they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .needed import Missing, Needed

NotebookDict = dict[str, Any]


@dataclass(frozen=True)
class Parcel:
    """What a job is made of: `jobs.source_of(parcel.notebook, …)`, `jobs.prepare(…, extra=parcel.extra)`."""

    notebook: NotebookDict = field(repr=False)
    """nbformat 4.5."""
    extra: dict[str, bytes] = field(repr=False)
    """Entries of the bundle: the values that go along, the job's key, what the kernel has."""
    code_cell: int
    """Index of the cell that holds the person's own code."""
    missing: list[Missing] = field(default_factory=list)
    """What the code uses and does not go along."""
    notices: list[str] = field(default_factory=list)


def notebook_of_cell(
    code: str,
    needed: Needed,
    pushed: Mapping[str, Any],
    pull: Sequence[str] = (),
    *,
    pickle: bool = False,
    key: bytes | None = None,
) -> Parcel:
    """The job of a cell: what it needs, the values, the cell unchanged, and what comes back.

    Args:
        pushed: the values to send along, by name.
        pull:   names whose values come back (`value` frames) when the cell is done.
        pickle: whether values may be pickled; then `key` (32 random bytes of this job) goes along and signs them.

    Raises: ValueProblem for a value that cannot travel, or too many bytes of them.
    """
    raise NotImplementedError


def notebook_of_function(
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    history: Sequence[str] = (),
    directory: Path | None = None,
    pickle: bool = False,
    key: bytes | None = None,
) -> Parcel:
    """The job of one call of a function, whose value comes back as the `value` frame `values.RETURNED`.

    Raises: ValueProblem for an argument or a closure's value that cannot travel; Unshippable for the callable.
    """
    raise NotImplementedError


class Unshippable(Exception):
    """A callable that cannot go along. Attributes: what: it in words. why: a sentence. hint: the way out."""

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(f"{what}: {why} {hint}")
        self.what, self.why, self.hint = what, why, hint
