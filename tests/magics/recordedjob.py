"""A job that is nothing but its record, and what a notebook gets to see of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from IPython.core.displaypub import CapturingDisplayPublisher

from mlk_jupyter.errors import MlkError
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RunRef, RunState
from mlk_jupyter.record.folder import JobFolder

JOB = "application/vnd.mlk-jupyter.job+json"
FACES = {JOB, "text/html", "text/plain"}
_LIMIT_S = 30.0


def until(holds: Callable[[], object]) -> None:
    """Waits for a condition."""
    end = time.monotonic() + _LIMIT_S
    while not holds():
        assert time.monotonic() < end, "It never came to be."
        time.sleep(0.01)


class Recorded:
    """A job that is nothing but its record."""

    def __init__(self, path: Path) -> None:
        self.folder = JobFolder(path)
        (path / "logs").mkdir(parents=True)
        self.error: MlkError | None = None
        self.asked = 0
        self.write(phase=Phase.RUNNING)

    @property
    def id(self) -> str:
        return self.folder.id

    def status(self) -> JobStatus:
        self.asked += 1
        if self.error is not None:
            raise self.error
        status = self.folder.read_status()
        assert status is not None
        return status

    async def changes(self) -> AsyncIterator[JobStatus]:
        yield self.status()

    def write(self, **fields: Any) -> None:
        name = self.folder.id
        known = {"id": name, "name": "digits", "notebook": "digits.ipynb", "backend": "local", "created_at": 1000.0}
        spec = JobSpec(name="digits", notebook="digits.ipynb")
        self.folder.write_status(JobStatus(**{**known, "spec": spec, "folder": str(self.folder.path), **fields}))

    def end(self, phase: Phase = Phase.SUCCEEDED) -> None:
        self.folder.executed.write_text("{}")
        self.write(phase=phase, finished_at=1007.0, run=RunRef(state=RunState.RECORDED, run_name="apt-ox"))

    def frame(self, **fields: Any) -> None:
        with self.folder.frames.open("a") as file:
            file.write(json.dumps({"rank": 0, "seq": 0, "time": 1.0, **fields}, separators=(",", ":")) + "\n")


class Notebook:
    """What a front end would have got."""

    def __init__(self, publisher: CapturingDisplayPublisher) -> None:
        self._publisher = publisher

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return list(self._publisher.outputs)

    @property
    def saved(self) -> dict[str, Any]:
        """The bundle of the newest display as it would be in the file."""
        return dict(self.outputs[-1]["data"])


def threads(job: Recorded) -> list[str]:
    """The names of the threads that follow it."""
    return [thread.name for thread in threading.enumerate() if job.id in thread.name]
