"""Real jobs for tests, from synchronous code."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlk_jupyter.backends.local import LocalBackend
from mlk_jupyter.bundle import build
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RunState
from mlk_jupyter.record.folder import JobFolder

_LIMIT_S = 90.0  # far beyond what a slow machine needs: it ends a test that would hang

FOREVER = "import time\nwhile True:\n    time.sleep(0.05)"


class Jobs:
    """Submits notebooks to a backend of this test's own and waits for what they do."""

    def __init__(self, data_dir: Path, work: Path, make_notebook: Callable[..., dict[str, Any]]) -> None:
        self.backend = LocalBackend(data_dir)
        self._work = work
        self._make = make_notebook

    def bundle(self, *cells: str, **spec: Any) -> tuple[JobSpec, Any]:
        asked = JobSpec(**{"name": "a job", "notebook": "work/a.ipynb", "mlflow": False, **spec})
        return asked, build(self._make(*cells), asked, self._work, carries=self.backend.carriage.files)

    def submit(self, *cells: str, request_id: str | None = None, **spec: Any) -> str:
        """Submits a notebook of these cells. Returns the job's id."""
        asked, bundle = self.bundle(*cells, **spec)
        made = self.backend.submit(asked, bundle, request_id=request_id or uuid.uuid4().hex)
        return asyncio.run(made).id

    def status(self, job: str) -> JobStatus:
        return asyncio.run(self.backend.job(job))

    def folder(self, job: str) -> JobFolder:
        return self.backend.folder(job)

    def stop(self, job: str) -> None:
        asyncio.run(self.backend.stop(job))

    def until(self, job: str, fits: Callable[[JobStatus], bool]) -> JobStatus:
        """The first status that fits."""

        def look() -> JobStatus | None:
            status = self.status(job)
            if fits(status):
                return status
            assert not status.phase.final, f"The job ended before: {status}"
            return None

        return wait_for(look, lambda: self.status(job))

    def until_over(self, job: str) -> JobStatus:
        return self.until(job, lambda status: status.phase.final)

    def until_settled(self, job: str) -> JobStatus:
        """The status of a job that is over, once its MLflow run is complete, which comes after."""
        self.until_over(job)
        return wait_for(lambda: self._settled(job), lambda: self.status(job))

    def _settled(self, job: str) -> JobStatus | None:
        status = self.status(job)
        return None if status.run is None or status.run.state is RunState.PENDING else status

    def until_running(self, job: str, cell: int = 1) -> JobStatus:
        """Waits until rank 0 runs a code cell, and all ranks have started."""
        return self.until(
            job,
            lambda status: (
                status.phase is Phase.RUNNING
                and (status.progress.cell or 0) >= cell
                and "have started" not in (status.reason.text if status.reason else "")
            ),
        )

    def notebook_text(self, job: str) -> str:
        return self.folder(job).executed.read_text()


def wait_for(condition: Callable[[], Any], explain: Callable[[], Any] | None = None) -> Any:
    """The first truthy value of `condition`."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"It did not happen within {_LIMIT_S:.0f} s. {explain() if explain else ''}")
