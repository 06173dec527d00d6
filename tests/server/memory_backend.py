"""A backend that runs nothing: jobs are what a test puts in. Keeps the promises of the Backend protocol."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from mlk_jupyter.backends.base import Carriage
from mlk_jupyter.bundle import LIMIT, Bundle
from mlk_jupyter.errors import JobNotFound
from mlk_jupyter.follow.broadcast import Changes
from mlk_jupyter.gpus.stock import Stock
from mlk_jupyter.model import JobSpec, JobStatus, JobSummary, Phase
from mlk_jupyter.model.api import BackendInfo, Orphan, Preflight
from mlk_jupyter.model.ids import new_job_id
from mlk_jupyter.record.folder import JobFolder

NOTEBOOK: dict[str, Any] = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {
            "cell_type": "code",
            "id": "a",
            "metadata": {"tags": ["parameters"]},
            "source": "epochs = 3",
            "outputs": [],
            "execution_count": None,
        },
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "source": "print(epochs)",
            "outputs": [],
            "execution_count": None,
        },
    ],
}


class MemoryBackend:
    """Jobs of one test. `watching` counts who iterates `watch` just now, `watched` who ever did."""

    name = "memory"
    kind = "local"
    image = None
    carriage = Carriage(LIMIT, byte_code=True)

    def __init__(self, root: Path) -> None:
        self.root = root
        self.statuses: dict[str, JobStatus] = {}
        self.requests: dict[str, str] = {}
        self.stopped: list[str] = []
        self.looked: list[tuple[str, int | None]] = []
        self.closed = False
        self.watching = 0
        self.watched = 0
        self.failure: Exception | None = None
        self.there = Stock(self.name, "A test", 0.0)
        self.stocked = 0
        self._queues: set[asyncio.Queue[Changes]] = set()

    def put(self, job_id: str, phase: Phase = Phase.RUNNING, **fields: Any) -> JobStatus:
        """Creates or changes a job, writes its record, tells the watchers."""
        known = self.statuses.get(job_id)
        if known is None:
            name = fields.get("name", job_id)
            status = JobStatus(
                id=job_id,
                backend=self.name,
                phase=phase,
                created_at=float(len(self.statuses)),
                spec=fields.pop("spec", None) or JobSpec(name=name, notebook="work.ipynb"),
                **{"name": name, "notebook": "work.ipynb", **fields},
            )
            folder = self.folder_of(job_id)
            (folder.path / "logs").mkdir(parents=True)
            folder.write_spec(status.spec)
            with zipfile.ZipFile(folder.bundle, "w") as bundle:
                bundle.writestr("job/notebook.ipynb", json.dumps(NOTEBOOK))
        else:
            status = known.model_copy(update={"phase": phase, **fields})
        self.statuses[job_id] = status
        self.folder_of(job_id).write_status(status)
        self.tell(Changes(changed=[status.summary()]))
        return status

    def tell(self, changes: Changes) -> None:
        for queue in self._queues:
            queue.put_nowait(changes)

    def folder_of(self, job_id: str) -> JobFolder:
        return JobFolder.of(job_id, self.root)

    def write_log(self, job_id: str, data: bytes, rank: int = 0) -> None:
        with self.folder_of(job_id).log(rank).open("ab") as file:
            file.write(data)

    def write_frames(self, job_id: str, *frames: dict[str, Any]) -> None:
        with self.folder_of(job_id).frames.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(frame) + "\n" for frame in frames)

    def _check(self, job_id: str | None = None) -> None:
        if self.failure is not None:
            raise self.failure
        if job_id is not None and job_id not in self.statuses:
            raise JobNotFound(job_id)

    async def info(self) -> BackendInfo:
        self._check()
        return BackendInfo(name=self.name, title="A test", why="It was asked for.")

    async def stock(self) -> Stock:
        self._check()
        self.stocked += 1
        return self.there

    async def preflight(self, spec: JobSpec, bundle: Bundle) -> Preflight:
        self._check()
        return Preflight(ok=True, starts_now=True, files=list(bundle.files))

    async def render(self, spec: JobSpec, bundle: Bundle) -> str | None:
        return None

    def look(self, job_id: str, rank: int | None = None) -> None:
        self.looked.append((job_id, rank))

    async def orphans(self) -> list[Orphan]:
        return []

    async def remove_orphans(self) -> list[Orphan]:
        return []

    async def resume(self) -> None:
        pass

    async def close(self) -> None:
        self.closed = True

    async def submit(
        self, spec: JobSpec, bundle: Bundle, *, request_id: str, submitted_by: str | None = None
    ) -> JobStatus:
        self._check()
        if request_id in self.requests:
            return self.statuses[self.requests[request_id]]
        job_id = new_job_id(spec.name, request_id)
        self.requests[request_id] = job_id
        return self.put(
            job_id, Phase.QUEUED, name=spec.name, notebook=spec.notebook, spec=spec, submitted_by=submitted_by
        )

    async def jobs(self) -> list[JobSummary]:
        self._check()
        return [status.summary() for status in reversed(self.statuses.values())]

    async def newest(self, count: int) -> tuple[list[JobSummary], int]:
        every = await self.jobs()
        return every[:count], len(every)

    async def job(self, job_id: str) -> JobStatus:
        self._check(job_id)
        return self.statuses[job_id]

    async def watch(self) -> AsyncIterator[Changes]:
        self._check()
        queue: asyncio.Queue[Changes] = asyncio.Queue()
        self._queues.add(queue)
        self.watching += 1
        self.watched += 1
        try:
            yield Changes(changed=await self.jobs())
            while True:
                yield await queue.get()
        finally:
            self.watching -= 1
            self._queues.discard(queue)

    def folder(self, job_id: str) -> JobFolder:
        self._check(job_id)
        return self.folder_of(job_id)

    async def stop(self, job_id: str) -> None:
        self._check(job_id)
        self.stopped.append(job_id)
        self.put(job_id, Phase.STOPPING)

    async def delete(self, job_id: str) -> None:
        self._check(job_id)
        del self.statuses[job_id]
        self.tell(Changes(removed=[job_id]))
