"""A followed job on a terminal, redrawn in place, or as plain lines where nobody can redraw (a file, a pipe, CI)."""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import Protocol, TextIO

from .. import text
from ..figures import duration
from ..model import JobSummary, Phase, Step

_BAR = 24
_DETAIL_EVERY_S = 5.0  # plain lines: words and figures that change with every step are not worth a line each
_ALL_IS_WELL = (Step.RUNNING, Step.READING_LOGS)
_FIGURES = re.compile(r"(?:\d+ (?:s|min|h)\b ?)+")
_COLOURS = {Phase.SUCCEEDED: "32", Phase.FAILED: "31", Phase.STOPPED: "33", Phase.RUNNING: "36"}


class Screen(Protocol):
    """Where a followed job is shown."""

    def show(self, job: JobSummary, code: str | None) -> None:
        """The job as it is now; `code` is the first line of the running cell."""
        ...

    def stay(self) -> None:
        """What is shown now is the last of this job: it is not drawn over."""
        ...

    def say(self, sentence: str) -> None:
        """A sentence that stays."""
        ...


def screen_for(stream: TextIO) -> Screen:
    """The screen that fits a stream: a live one on a terminal that can move its cursor, else plain lines."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Terminal(stream, colour="NO_COLOR" not in os.environ)
    return Lines(stream)


class Terminal:
    """Three lines that are drawn again and again at the same place."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._colour = colour
        self._ascii = not _carries(stream, "█")
        self._drawn = 0
        self._clock = _Clock()

    def show(self, job: JobSummary, code: str | None) -> None:
        width = shutil.get_terminal_size().columns - 1
        lines = [text.clip(text.plain(line), width) for line in self._lines(job, code)]
        if self._colour and job.phase in _COLOURS:
            lines[0] = lines[0].replace(job.phase.value, f"\x1b[{_COLOURS[job.phase]}m{job.phase.value}\x1b[0m", 1)
        self._stream.write(self._erase() + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def stay(self) -> None:
        self._drawn = 0

    def say(self, sentence: str) -> None:
        self._stream.write(f"{self._erase()}{text.plain(sentence)}\n")
        self._stream.flush()
        self._drawn = 0

    def _erase(self) -> str:
        return f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""

    def _lines(self, job: JobSummary, code: str | None) -> list[str]:
        progress = job.progress
        why = f"  {_why(job)}"
        bar = text.bar(progress.fraction, _BAR, ascii_only=self._ascii)
        doing = "  ".join(part for part in (text.cells(progress), progress.text or code or "") if part)
        lines = [
            f"{job.phase.value}  {job.name}  {duration(self._clock.of(job))}{why}".rstrip(),
            f"{bar} {text.percent(progress.fraction)}  {doing}",
        ]
        return [*lines, text.metrics(job.metrics)] if job.metrics else lines


class Lines:
    """One line for each step: a new phase, another cell. What changes all the time, words and figures, now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._step: tuple[object, ...] = ()
        self._detail: tuple[object, ...] = ()
        self._shown_at = 0.0
        self._clock = _Clock()

    def show(self, job: JobSummary, code: str | None) -> None:
        progress, figures = job.progress, text.metrics(job.metrics)
        # A reason in which only a figure changes, as of how long it lasts, is no other step.
        step, detail = (job.phase, _FIGURES.sub("", _why(job)), progress.cell), (progress.text, figures)
        due = time.monotonic() - self._shown_at >= _DETAIL_EVERY_S
        if step == self._step and (detail == self._detail or not due):
            return
        self._step, self._detail, self._shown_at = step, detail, time.monotonic()
        bar = text.bar(progress.fraction, _BAR // 2, ascii_only=True)
        words = [text.cells(progress), progress.text or code or "", figures, _why(job)]
        shown = "  ".join(word for word in words if word)
        line = f"{duration(self._clock.of(job)):>10}  {job.phase.value:9}  [{bar}]  {shown}"
        self._stream.write(f"{text.plain(line).rstrip()}\n")
        self._stream.flush()

    def stay(self) -> None:
        """A line that was written stays anyway."""

    def say(self, sentence: str) -> None:
        self._stream.write(f"{text.plain(sentence)}\n")
        self._stream.flush()


def _why(job: JobSummary) -> str:
    """What a job waits for, or what is amiss with it. What it ended with is said once it is over, whole."""
    if job.reason is None or job.phase.final or (job.phase is Phase.RUNNING and job.reason.code in _ALL_IS_WELL):
        return ""
    return job.reason.text


class _Clock:
    """How long a job has run. Does not go back while it lives: a cluster, which tells times, has its own clock."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._started = False

    def of(self, job: JobSummary) -> float:
        seconds = text.elapsed(job, time.time())
        if job.started_at is not None and not self._started:
            self._started, self._shown = True, 0.0  # what it waited is not what it runs
        self._shown = seconds if job.phase.final else max(self._shown, seconds)
        return self._shown


def _carries(stream: TextIO, sample: str) -> bool:
    try:
        sample.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
