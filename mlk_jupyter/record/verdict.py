"""How a rank's failure ended a job, in words: the same on every backend. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..figures import duration
from ..model import Phase, RankFailure, Reason
from ..worker.deaths import Death, signal_in, signalled
from .failure import Failure

_LONGEST = 500
_LONGEST_VALUE = 2_000  # characters of an exception that stand in a job's status
# What CUDA and its libraries say of errors that no program causes; the driver logs them as XID errors.
_BROKEN_GPU = re.compile(
    r"\bxid\b|uncorrectable (?:ecc|nvlink) error|fallen off the bus|hardware stack error", re.IGNORECASE
)


@dataclass(frozen=True)
class Ending:
    """The phase a job ends in, and why."""

    phase: Phase
    reason: Reason
    failure: RankFailure | None = None
    """Of which rank, where one failed."""


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

    @property
    def interrupted(self) -> bool:
        return (self.signal or signal_in(self.exit_code)) in ("SIGINT", "SIGTERM")


def failed(first: Failure | RankEnd, *, signal_name: str | None, exit_code: int | None, out_of_memory: bool) -> Ending:
    """Words for the failure that ended the job.

    Args:
        signal_name, exit_code: how the process of that rank ended, as far as known.
        out_of_memory: the system killed a process for memory while the job ran.
    """
    ending = _in_words(first, signal_name=signal_name, exit_code=exit_code, out_of_memory=out_of_memory)
    return replace(ending, failure=rank_failure(first))


def rank_failure(first: Failure | RankEnd) -> RankFailure:
    """The failure that ended a job, as its status has it."""
    if not isinstance(first, Failure):
        return RankFailure(rank=first.rank)
    ename = None if first.died else first.ename
    evalue = first.evalue[:_LONGEST_VALUE]
    return RankFailure(rank=first.rank, ename=ename, evalue=evalue, cell=first.cell, number=first.number)


def _in_words(
    first: Failure | RankEnd, *, signal_name: str | None, exit_code: int | None, out_of_memory: bool
) -> Ending:
    where = f"Rank {first.rank}"
    log = f"See the log of rank {first.rank}."
    if isinstance(first, Failure):
        if first.number is not None:
            where += f", cell {first.number}"
        line = next((line.strip() for line in first.evalue.splitlines() if line.strip()), "")
        if first.death in (Death.SIGNAL, Death.MEMORY):  # the rank's keeper saw it, and says what it knows
            code = "out_of_memory" if first.death is Death.MEMORY else signalled(first.ename).code
            hint = f"The notebook up to then and the log of rank {first.rank} are kept."
            return _failure(code, f"{where}: {line or f'was ended by {first.ename}'}", hint)
        if first.death is None and first.ename:
            hint = f"The traceback is in the notebook and in the log of rank {first.rank}."
            if _BROKEN_GPU.search(first.evalue):
                hint = f"The GPU itself is at fault: tell who looks after it, and use another one until then. {hint}"
            return _failure("cell_failed", f"{where}: {first.ename}{': ' if line else ''}{line}", hint)
        if first.death is Death.EXITED:
            return _failure("rank_failed", f"{where}: {line}", log)
    signal_name = signal_name or signal_in(exit_code)
    if signal_name == "SIGKILL" and out_of_memory:
        text = f"{where} was killed because the machine ran out of memory."
        return _failure("out_of_memory", text, "Use smaller batches, load less at once, or run fewer workers.")
    if signal_name is not None:
        what = signalled(signal_name)
        return _failure(what.code, f"{where} {what.how}.", what.hint)
    if isinstance(first, Failure) and first.evalue:
        return _failure("rank_failed", f"{where}: {first.evalue}", log)
    return _failure("rank_failed", f"{where} ended with exit code {exit_code}.", log)


def killed(reason: Reason, which: list[str], grace_s: int) -> Reason:
    """Why the job ended, where some of it had to be killed: it did not end by itself in its grace period.

    Args: which: as people know them, e.g. "rank 0". grace_s: seconds.
    """
    if not which:
        return reason
    *others, last = which
    names = f"{', '.join(others)} and {last} were" if others else f"{last} was"
    text = f"{reason.text} {names[0].upper()}{names[1:]} killed, not having ended within {duration(grace_s)}."
    hint = f"{reason.hint or ''} A longer time to end by itself (`--grace-period`) lets a checkpoint be saved."
    return reason.model_copy(update={"text": text, "hint": hint.strip()})


def _failure(code: str, text: str, hint: str) -> Ending:
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
    return Ending(Phase.FAILED, Reason(code=code, text=shown, hint=hint))
