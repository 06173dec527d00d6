"""How a job ended, in words. Pure."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass

from ...model import Phase, Reason
from ...record.failure import Failure
from ...worker.deaths import name_of

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


def succeeded(world_size: int, seconds: float) -> Ending:
    who = "The only rank" if world_size == 1 else f"All {world_size} ranks"
    return Ending(Phase.SUCCEEDED, Reason(code="succeeded", text=f"{who} finished in {in_words(seconds)}."))


def stopped(by: str | None) -> Ending:
    who = f"{by} stopped it" if by else "It was stopped on request"
    return Ending(Phase.STOPPED, Reason(code="stopped", text=f"{who}."))


def supervisor_signalled(name: str) -> Ending:
    text = f"The job's supervisor was asked to end ({name}), as when the machine shuts down."
    return Ending(Phase.STOPPED, Reason(code="supervisor_signalled", text=text, hint="Run the job again."))


def over_time(limit_s: int) -> Ending:
    text = f"It ran longer than its time limit of {in_words(limit_s)}."
    hint = "Raise the time limit, or save checkpoints and go on from the last one."
    return Ending(Phase.FAILED, Reason(code="time_limit", text=text, hint=hint))


def record_failed(error: OSError, folder: str) -> Ending:
    """The job folder can no longer be written: a job nobody can see is ended."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = "The disk is full" if error.errno == errno.ENOSPC else "The disk quota is used up"
        text = f"{full}: the job's record in {folder} could not be written, so the job was ended."
        return Ending(Phase.FAILED, Reason(code="disk_full", text=text, hint="Make room, for example delete old jobs."))
    text = f"The job's record in {folder} could not be written ({error.strerror or error}), so the job was ended."
    return Ending(
        Phase.FAILED, Reason(code="folder_unwritable", text=text, hint="Check the folder and its permissions.")
    )


def could_not_start(error: OSError, python: str, directory: str) -> Ending:
    text = f"{python} could not be started in {directory}: {error.strerror or error}."
    return Ending(Phase.FAILED, Reason(code="could_not_start", text=text, hint="Check that both exist."))


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
    if isinstance(first, Failure) and first.ename:
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
