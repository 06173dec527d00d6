"""A job of a cluster that is recorded: its logs, its folder, and what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from clusterobjects import ID, condition, failed_job, job, pod, spec
from logserver import LogServer, Refusal

from mlk_jupyter.backends.kubernetes.recording.recorder import Recorder
from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.backends.kubernetes.status.read import read
from mlk_jupyter.backends.kubernetes.status.submitted import SubmittedJob
from mlk_jupyter.backends.kubernetes.timing import RecordingTiming
from mlk_jupyter.model import JobSpec, JobStatus
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.worker.frames import Encoder

NONCE = "0123456789abcdef"
CELLS = ("print('hello')", "loss", "1 / 0")


QUICK = RecordingTiming(tick_s=0.002, unseen_s=0.002, snap_s=0.004, shortest_s=0.001, longest_s=0.01)


class Cluster:
    """Logs by pod, and ConfigMaps by path."""

    def __init__(self) -> None:
        self.logs: dict[str, LogServer] = {}
        self.objects: dict[str, Manifest] = {}
        self.gets: list[str] = []

    def server(self, worker: int = 0, attempt: int = 1) -> LogServer:
        return self.logs.setdefault(pod(worker, attempt=attempt)["metadata"]["name"], LogServer())

    async def get(self, path: str, **params: str) -> Manifest:
        self.gets.append(path)
        if path not in self.objects:
            raise Refusal(404)
        return self.objects[path]

    @contextlib.asynccontextmanager
    async def log(self, namespace: str, pod: str, container: str, **asked: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        if pod not in self.logs:
            raise Refusal(404)
        async with self.logs[pod].log(namespace, pod, container, **asked) as pieces:
            yield pieces


def bundle(make_notebook: Callable[..., dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("job/notebook.ipynb", json.dumps(make_notebook(*CELLS)))
    return file.getvalue()


class Rank:
    """What one rank writes, with a fixed clock."""

    def __init__(self, server: LogServer, rank: int = 0, *, begun: float = 0.0) -> None:
        self._server = server
        self._encoder = Encoder(NONCE, rank)
        self._at = begun

    def frame(self, kind: str, **fields: Any) -> Rank:
        self._at += 0.125
        self._server.write(
            self._at, *self._encoder.encode(kind, time=1_800_000_000 + self._at, **fields).splitlines(keepends=True)
        )
        return self

    def text(self, text: bytes) -> Rank:
        self._at += 0.125
        self._server.write(self._at, text)
        return self

    def runs(self, lines: int = 20) -> Rank:
        self.frame("rank_started", world_size=1, worker=0, pid=7, host="pod-0", python="3.11", ipython=None, cells=3)
        self.text(b"foreign text before the first cell\n")
        self.frame("cell_started", cell=0, number=1, count=1)
        for number in range(lines):
            self.frame("stream", cell=0, name="stdout", text=f"hello {number}\n")
            self.frame("log", name="stderr", text=f"detail {number}\n")
            self.frame("sample", cpu_cores=1.0, memory_bytes=10**6, gpus=[])
        self.frame("cell_finished", cell=0, status="ok", seconds=1.0)
        self.frame("cell_started", cell=1, number=2, count=2)
        image = {"output_type": "display_data", "data": {"image/png": "A" * 40_000}, "metadata": {}}
        self.frame("output", cell=1, output=image, display_id=None)
        self.text(b"foreign text again\n")
        self.frame("metric", name="loss", value=0.5, step=1)
        return self.frame("cell_finished", cell=1, status="ok", seconds=1.0)

    def ends(self, code: int = 0) -> Rank:
        if code:
            self.frame("cell_started", cell=2, number=3, count=3)
            self.frame("error", cell=2, number=3, ename="ZeroDivisionError", evalue="by zero", traceback=["Traceback"])
            self.frame("cell_finished", cell=2, status="error", seconds=0.5)
        return self.frame("rank_finished", exit_code=code, signal=None, text=None)


RUNNING = {"running": {"startedAt": "2027-01-15T08:00:05Z"}}


def ended(code: int = 0) -> Manifest:
    return {"terminated": {"exitCode": code, "startedAt": "2027-01-15T08:00:05Z", "finishedAt": "2027-01-15T08:01:00Z"}}


def running(workers: int = 1, attempt: int = 1, more: list[Manifest] | None = None) -> Objects:
    pods = [pod(number, attempt=attempt, phase="Running", state=RUNNING) for number in range(workers)]
    return Objects(
        ID, owners=[job(workers, attempt=attempt, active=workers)], pods=[*(more or []), *pods], now=1_800_000_030
    )


def succeeded(workers: int = 1) -> Objects:
    done = [condition("SuccessCriteriaMet", when=60), condition("Complete", when=60)]
    pods = [pod(number, phase="Succeeded", state=ended()) for number in range(workers)]
    return Objects(ID, owners=[job(workers, conditions=done, succeeded=workers)], pods=pods, now=1_800_000_070)


def failed(workers: int = 1, failing: int = 0) -> Objects:
    pods = [
        pod(
            number,
            phase="Failed",
            state=ended(1 if number == failing else 143),
            deleted=None if number == failing else 61,
        )
        for number in range(workers)
    ]
    return Objects(ID, owners=[failed_job(workers)], pods=pods, now=1_800_000_070)


class Scene:
    """A job, its cluster and its folder."""

    def __init__(self, tmp_path: Path, bundle: bytes, asked: JobSpec | None = None) -> None:
        self.cluster = Cluster()
        self.spec = asked or spec(mlflow=False)
        self.folder = JobFolder(tmp_path / "jobs" / ID)
        self.folder.path.mkdir(parents=True)
        self.folder.bundle.write_bytes(bundle)
        self.told: list[JobStatus] = []
        self.timing = QUICK

    def recorder(self) -> Recorder:
        about = SubmittedJob(ID, "ns", self.spec, NONCE)
        return Recorder(self.folder, about, self.cluster, on_change=self.told.append, timing=self.timing)

    def tell(self, recorder: Recorder, objects: Objects, **changes: Any) -> None:
        recorder.update(objects, dataclasses.replace(read(objects, self.spec), **changes))

    async def to_the_end(self, objects: Objects) -> JobStatus:
        async with self.recorder() as recorder:
            self.tell(recorder, objects)
            return await asyncio.wait_for(recorder.finished(), 30)

    def record(self) -> dict[str, bytes]:
        """All that a reader of the folder may see, but for the status and its moments."""
        names = ("frames.jsonl", "samples.jsonl", "executed.ipynb")
        files = [*(self.folder.path / name for name in names), *sorted((self.folder.path / "logs").glob("*"))]
        return {file.name: file.read_bytes() for file in files if file.exists()}


async def until(true: Callable[[], bool]) -> None:
    async def turn() -> None:
        while not true():  # noqa: ASYNC110  what is waited for is no object of ours
            await asyncio.sleep(0.002)

    await asyncio.wait_for(turn(), 30)


def undisturbed(scene: Callable[..., Scene], code: int = 0) -> dict[str, bytes]:
    """The record of the same job that nothing happened to."""
    calm = scene()
    Rank(calm.cluster.server()).runs().ends(code)
    calm.cluster.server().end()
    asyncio.run(calm.to_the_end(failed() if code else succeeded()))
    return calm.record()
