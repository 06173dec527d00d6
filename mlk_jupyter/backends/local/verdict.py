"""How a job on this machine ended, in words. Pure."""

from __future__ import annotations

import errno

from ...figures import duration, took
from ...model import Phase, Reason
from ...record.verdict import Ending


def succeeded(world_size: int, seconds: float) -> Ending:
    who = "The only process" if world_size == 1 else f"All {world_size} processes"
    return Ending(Phase.SUCCEEDED, Reason(code="succeeded", text=f"{who} finished in {took(seconds)}."))


def stopped(by: str | None) -> Ending:
    who = f"{by} stopped it" if by else "It was stopped on request"
    return Ending(Phase.STOPPED, Reason(code="stopped", text=f"{who}."))


def supervisor_signalled(name: str) -> Ending:
    text = f"The process that runs the job was asked to end ({name}), as when the machine shuts down."
    return Ending(Phase.STOPPED, Reason(code="supervisor_signalled", text=text, hint="Run the job again."))


def over_time(limit_s: int) -> Ending:
    text = f"It ran longer than its time limit of {duration(limit_s)}."
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
