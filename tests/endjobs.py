"""An end to whatever jobs a test left on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

from mlk_jupyter.backends.local import LocalBackend, process
from mlk_jupyter.errors import MlkError
from mlk_jupyter.record.folder import JobFolder


def end_jobs(data_dir: Path) -> None:
    """Ends every supervisor of a data directory, and with it its ranks.

    A job may have been submitted a moment ago, by a process that is gone: its supervisor says who it is only once it
    has started. A request to stop reaches it whenever it comes.
    """
    backend = LocalBackend(data_dir)
    for path in data_dir.glob("jobs/*/status.json"):
        with contextlib.suppress(MlkError):  # no room to write the request, or its folder is gone by now
            asyncio.run(backend.stop(path.parent.name))
        status = JobFolder(path.parent).read_status()
        if status is not None and status.owner is not None and process.alive(status.owner):
            process.send([int(status.owner["pid"])], signal.SIGKILL)
        process.send(processes_of(path.parent.name), signal.SIGKILL)


def processes_of(job: str) -> list[int]:
    """Living processes of a job's ranks, however far they have run from their parents."""
    return [pid for pid in process.bearing("MLK_JOB", job) if process.start_time(pid) is not None]
