"""Figures and lists as text. Pure: nothing here prints, reads a clock or knows a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence

from .figures import number
from .model import JobSummary, Metric, Progress


def elapsed(job: JobSummary, now: float) -> float:
    """Seconds that a job has run, or ran; that it has waited while it never ran."""
    began = job.created_at if job.started_at is None else job.started_at
    return max(0.0, (now if job.finished_at is None else job.finished_at) - began)


def age(seconds: float) -> str:
    """How long ago, in the largest unit that fits: `5 s`, `3 min`, `2 h`, `4 d`."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def bar(fraction: float | None, width: int, *, ascii_only: bool = False) -> str:
    """A progress bar `width` characters wide; an empty one when the fraction is not known."""
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    done = int(min(1.0, max(0.0, fraction or 0.0)) * width)
    return full * done + empty * (width - done)


def metrics(latest: Sequence[Metric], limit: int = 4) -> str:
    """The latest value of the first metrics, in their order: `loss 0.21  accuracy 0.94`."""
    return "  ".join(f"{metric.name} {number(metric.value)}" for metric in latest[:limit])


def cells(progress: Progress) -> str:
    """Where the notebook is: `cell 3 of 9`, `9 of 9 cells`, or nothing when that is not known."""
    if progress.cells_total is None:
        return ""
    if progress.cell is not None:
        return f"cell {progress.cell} of {progress.cells_total}"
    return f"{progress.cells_done} of {progress.cells_total} cells"


def percent(fraction: float | None) -> str:
    """A share as a percentage that keeps its width, or blanks when it is not known."""
    return "    " if fraction is None else f"{int(fraction * 100):3d}%"


def place(backend: str) -> str:
    """Where jobs run, as a person calls it: `this machine`, or the name of the cluster."""
    return "this machine" if backend == "local" else backend


def changed(job: JobSummary) -> str:
    """What was set for a job: `lr=0.05, epochs=3`; empty where nothing was."""
    return ", ".join(f"{name}={value}" for name, value in job.changed.items())


def shape(job: JobSummary) -> str:
    """How large a job is: `2 GPUs`, `4 × 2 GPUs`, `2 workers`, `1 worker, 4 processes`."""
    if job.gpus:
        gpus = f"{job.gpus} GPU{'s' if job.gpus > 1 else ''}"
        return gpus if job.workers == 1 else f"{job.workers} × {gpus}"
    words = f"{job.workers} worker{'s' if job.workers > 1 else ''}"
    return words if job.world_size == job.workers else f"{words}, {job.world_size} processes"


def plain(words: str) -> str:
    """Words on one line, without characters that move a terminal's cursor or turn the direction of reading."""
    if words.isprintable():  # as nearly all are
        return words
    return "".join(char if char.isprintable() else " " for char in words)


def plain_lines(words: str) -> str:
    """The same for words on several lines."""
    return "\n".join(plain(line) for line in words.split("\n"))


def escaped(document: str, escape: Callable[[str], str] = lambda char: json.dumps(char)[1:-1]) -> str:
    """A document with escapes for the characters that `plain_lines` leaves out, so that it still says the same.

    Args: escape: how the document's language writes a character within quotes; such characters stand nowhere else.
    """
    return "".join(char if char.isprintable() or char == "\n" else escape(char) for char in document)


def sentences(*parts: str | None) -> str:
    """What was said one after the other, each closed by a full stop where it has no end of its own."""
    said = [part.strip() for part in parts if part and part.strip()]
    return " ".join(part if part[-1] in ".!?…:" else f"{part}." for part in said)


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: "1 worker", "3 workers"."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """ "a", "a and b", "a, b and c"; of many the first ones and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def clip(line: str, width: int) -> str:
    """As much of a line as fits in `width` columns, with a `…` at the end when something was cut."""
    if _columns(line) <= width:
        return line
    while line and _columns(line) > width - 1:
        line = line[:-1]
    return f"{line}…"


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns aligned; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
