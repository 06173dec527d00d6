"""What becomes of a job whose supervisor is gone: its record is completed, and what it left running is ended.

Also a process of its own (`python -m mlk_jupyter.backends.local.settle FOLDER`) for the MLflow run and a large
notebook, which may take seconds that nobody who looks at the list should wait for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from ...model import JobStatus, JobSummary, Phase, RankState, Reason, RunState, Transition
from ...record.files import open_regular
from ...record.folder import JobFolder, write_atomically
from ...record.notebook import as_file, executed
from ...record.ownership import Ownership, Taken
from . import detach, launch, process
from .recording import Recording

_MODULE = __name__
# From the creation of the folder to the first word of its supervisor; on a machine under load Python starts slowly.
_START_S = 60.0
_RETRY_S = 600.0  # between two tries to settle a run; each may start MLflow
_SMALL_BYTES = 8 * 1024 * 1024  # frames that are replayed in a fraction of a second


def unfinished(status: JobSummary) -> bool:
    """Whether its owner still has something to write: until the end, and then until the MLflow run is settled."""
    return not status.phase.final or (status.run is not None and status.run.state is RunState.PENDING)


def is_stale(status: JobStatus) -> bool:
    """Whether the record claims a job that nobody runs any more, or a run that nobody completes."""
    if not unfinished(status):
        return False
    if status.owner is None:
        return time.time() - status.created_at > _START_S
    return not process.alive(status.owner)


def ending_of(status: JobStatus, stop_requested: bool) -> tuple[Phase, Reason]:
    """What a stale record is completed with. Pure but for this machine's boot."""
    if stop_requested:
        return Phase.STOPPED, Reason(
            code="stopped", text="It was stopped on request; the process that ran it was gone already."
        )
    hint = "What it did until then is in the notebook and the logs. Run it again."
    if status.owner is None:
        text = "The process that runs it never started; the log `supervisor.log` in the job's folder may say why."
        return Phase.FAILED, Reason(code="never_started", text=text, hint="Submit it again.")
    if status.owner.get("boot") != process.boot_id():
        text = "The machine was restarted while the job ran."
        return Phase.FAILED, Reason(code="machine_restarted", text=text, hint=hint)
    text = f"The process that ran it (process {status.owner.get('pid')}) was killed, and all others of the job with it."
    return Phase.FAILED, Reason(code="supervisor_killed", text=text, hint=hint)


def ended(folder: JobFolder, status: JobStatus) -> JobStatus:
    """The completed record of a stale job, not yet written."""
    if status.phase.final:  # only its run is not settled
        return status
    phase, reason = ending_of(status, folder.stop_requested)
    at = _last_sign(folder, status)
    ranks = [
        rank.model_copy(update={"state": RankState.STOPPED})
        if rank.state in (RankState.WAITING, RankState.RUNNING)
        else rank
        for rank in status.ranks
    ]
    return status.model_copy(
        update={
            "phase": phase,
            "reason": reason,
            "error": reason.text if phase is Phase.FAILED else None,
            "finished_at": at,
            "timeline": [*status.timeline, Transition(phase=phase, at=at)],
            "progress": status.progress.as_of(phase),
            "ranks": ranks,
        }
    )


def settle(folder: JobFolder) -> JobStatus | None:
    """Completes the record of a stale job: status, executed notebook, and, soon after, its MLflow run.

    Returns: the status as it is now; None when there is none that can be read.
    Raises: OSError when the folder cannot be written.
    """
    try:
        with Ownership(folder):
            status = folder.read_status()
            if status is None or not is_stale(status):
                return status
            _end_what_is_left(folder.id)
            if not status.phase.final:
                status = ended(folder, status)
                if folder.frames_bytes() <= _SMALL_BYTES:
                    with contextlib.suppress(OSError):  # tried again below, apart
                        _write_notebook(folder)
                folder.write_status(status)
            if _tried_lately(folder):
                return status
            with contextlib.suppress(OSError):
                (folder.path / ".ballast").unlink()
    except Taken:
        status = folder.read_status()  # another viewer completes it, or its supervisor lives after all
        return ended(folder, status) if status and status.owner and is_stale(status) else status
    if status.spec.mlflow or not folder.has_notebook:
        detach.start(_MODULE, folder)
    return status


def _tried_lately(folder: JobFolder) -> bool:
    """Whether the run is being settled already: one that cannot be settled must not be tried at each look."""
    mark = folder.path / ".settling"
    with contextlib.suppress(FileNotFoundError):
        if time.time() - mark.lstat().st_mtime < _RETRY_S:
            return True
    handle = open_regular(mark, os.O_WRONLY | os.O_CREAT)
    try:
        os.utime(handle)
    finally:
        os.close(handle)
    return False


def _write_notebook(folder: JobFolder) -> None:
    notebook = executed(folder)
    if notebook is not None:
        write_atomically(folder.executed, as_file(notebook))


def _end_what_is_left(job_id: str) -> None:
    """Ranks end with their supervisor. What escaped all the same bears the job's id in its environment."""
    process.send(process.bearing("MLK_JOB", job_id), signal.SIGKILL)


def _last_sign(folder: JobFolder, status: JobStatus) -> float:
    """When the job was last known to live, in seconds since the epoch."""
    times = [status.created_at]
    for path in (folder.path / "status.json", folder.frames, folder.samples):
        with contextlib.suppress(OSError):
            times.append(path.lstat().st_mtime)
    return max(times)


def main() -> int:
    """Writes what is missing of a job that is over: its executed notebook, its MLflow run."""
    folder = JobFolder(Path(sys.argv[1]))
    try:
        # One after the other: after a restart of the machine there may be many, and each may start MLflow.
        with (folder.path.parent / ".settling").open("ab") as turn, Ownership(folder):
            fcntl.flock(turn, fcntl.LOCK_EX)
            status, how = folder.read_status(), launch.read(folder)
            if status is None or how is None or not status.phase.final:
                return 0
            if not folder.has_notebook:
                _write_notebook(folder)
            run = Recording(folder, status.spec, how).settle(status)
            if run != status.run:
                folder.write_status(status.model_copy(update={"run": run}))
    except Taken:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
