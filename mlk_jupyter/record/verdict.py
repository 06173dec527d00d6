"""How a rank's failure ended a job, in words: the same on every backend. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from ..model import Phase, Reason
from ..worker.deaths import ENDED_ITSELF, name_of
from .failure import Failure

_SIGNALS = {
    "SIGKILL": ("was killed (SIGKILL)", "Often the machine ran out of memory: use smaller batches or fewer workers."),
    "SIGSEGV": ("crashed (SIGSEGV)", "A native library touched memory that is not its own; see the log's last lines."),
    "SIGBUS": ("crashed (SIGBUS)", "Shared memory is probably full: use fewer data loader workers."),
    "SIGABRT": ("gave up (SIGABRT)", "A native library ended the process; see the log's last lines."),
    "SIGFPE": ("crashed (SIGFPE)", "A native library divided by zero; see the log's last lines."),
    "SIGILL": ("crashed (SIGILL)", "A native library was built for another processor."),
    "SIGTERM": ("was asked to end (SIGTERM)", "Something outside the job ended it."),
}

_NAMES = frozenset(number.name for number in signal.Signals)
_LONGEST = 500


@dataclass(frozen=True)
class Ending:
    """The phase a job ends in, and why."""

    phase: Phase
    reason: Reason


@dataclass(frozen=True)
class RankEnd:
    """A rank whose process ended badly, as the supervisor saw it."""

    rank: int
    at: float
    exit_code: int | None
    signal: str | None

    @property
    def died(self) -> bool:
        """It did: had it told of an exception, that would be known as a Failure."""
        return True


def failed(first: Failure | RankEnd, *, signal_name: str | None, exit_code: int | None, out_of_memory: bool) -> Ending:
    """Words for the failure that ended the job.

    Args:
        signal_name, exit_code: how the process of that rank ended, as far as known.
        out_of_memory: the system killed a process for memory while the job ran.
    """
    where = f"Rank {first.rank}"
    if isinstance(first, Failure) and first.number is not None:
        where += f", cell {first.number}"
    if isinstance(first, Failure) and first.ename in _NAMES:  # the rank's keeper saw it, and says what it knows
        code = "out_of_memory" if "memory ran out" in first.evalue and out_of_memory else "rank_killed"
        hint = f"The notebook up to then and the log of rank {first.rank} are kept."
        return _failure(code, f"{where}: {first.evalue}"[:_LONGEST], hint)
    if isinstance(first, Failure) and first.ename and not first.evalue.startswith(ENDED_ITSELF):
        line = next((line.strip() for line in first.evalue.splitlines() if line.strip()), "")
        text = f"{where}: {first.ename}{': ' if line else ''}{line}"[:_LONGEST]
        return _failure("cell_failed", text, f"The traceback is in the notebook and in the log of rank {first.rank}.")
    signal_name = signal_name or _signal_of(exit_code)
    if signal_name == "SIGKILL" and out_of_memory:
        text = f"{where} was killed because the machine ran out of memory."
        return _failure("out_of_memory", text, "Use smaller batches, load less at once, or run fewer workers.")
    if signal_name is not None:
        how, hint = _SIGNALS.get(signal_name, (f"was ended by {signal_name}", "See the log's last lines."))
        return _failure("rank_killed", f"{where} {how}.", hint)
    if isinstance(first, Failure) and first.evalue:
        return _failure("rank_failed", f"{where}: {first.evalue}"[:_LONGEST], f"See the log of rank {first.rank}.")
    return _failure("rank_failed", f"{where} ended with exit code {exit_code}.", f"See the log of rank {first.rank}.")


def in_words(seconds: float) -> str:
    """A duration as people read it: "0.4 s", "42 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    large, small, units = (whole // 60, whole % 60, ("min", "s"))
    if large >= 60:
        large, small, units = whole // 3600, whole % 3600 // 60, ("h", "min")
    return f"{large} {units[0]} {small} {units[1]}" if small else f"{large} {units[0]}"


def _failure(code: str, text: str, hint: str) -> Ending:
    return Ending(Phase.FAILED, Reason(code=code, text=text, hint=hint))


def _signal_of(exit_code: int | None) -> str | None:
    """A shell's or wrapper's way to say that a signal ended the process: 128 and the signal's number."""
    if exit_code is None or not 128 < exit_code < 128 + 65:
        return None
    name = name_of(exit_code - 128)
    return name if name in _SIGNALS else None
