"""A followed job as text: one line that is drawn again on a terminal, one line a step elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from .. import text
from ..figures import duration
from ..model import JobSummary, Phase

_BAR = 16
_QUIET_S = 5.0  # elsewhere than on a terminal, figures and words that change all the time are not worth a line each


def line(job: JobSummary, now: float) -> str:
    """A job in one line: `Running  digits  0:12  ████░░░░  25%  cell 1 of 4  loss 0.3`.

    Args: now: seconds since the epoch, for jobs that are not over.
    """
    progress = job.progress
    waits = job.reason.text if job.reason and job.phase not in (Phase.RUNNING, Phase.SUCCEEDED) else ""
    done = f"{text.bar(progress.fraction, _BAR)} {text.percent(progress.fraction).strip()}".rstrip()
    parts = [
        job.phase.value,
        job.name,
        duration(text.elapsed(job, now)),
        done if progress.fraction is not None else "",
        text.cells(progress),
        progress.text or "",
        f"about {duration(progress.eta_s)} to go" if progress.eta_s and not job.phase.final else "",
        text.metrics(job.metrics),
        waits,
    ]
    return text.plain("  ".join(part for part in parts if part))


class ProgressLine:
    """Shows one job on a stream for as long as it is told about it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._step: tuple[object, ...] = ()
        self._shown: str | None = None
        self._shown_at = float("-inf")

    def show(self, job: JobSummary) -> None:
        """The job as it is now."""
        words = line(job, time.time())
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{text.clip(words, width)}")
        else:
            step = (job.phase, job.reason.text if job.reason else None, job.progress.cell)
            quiet = time.monotonic() - self._shown_at < _QUIET_S
            if words == self._shown or (step == self._step and quiet):
                return
            self._step, self._shown_at = step, time.monotonic()
            self._stream.write(f"{words}\n")
        self._shown = words
        self._stream.flush()

    def close(self) -> None:
        """Leaves what was shown last where it stands."""
        if self._terminal and self._shown is not None:
            self._stream.write("\n")
            self._stream.flush()
            self._shown = None
