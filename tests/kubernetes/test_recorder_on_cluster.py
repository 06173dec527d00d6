"""A job that runs in the tests' cluster, recorded while the cluster is cut off again and again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.api.targets import targets
from mlk_jupyter.backends.kubernetes.kinds.registry import kinds
from mlk_jupyter.backends.kubernetes.lifecycle.creation import create
from mlk_jupyter.backends.kubernetes.manifests.render_context import RenderContext
from mlk_jupyter.backends.kubernetes.recording.recorder import Recorder
from mlk_jupyter.backends.kubernetes.resources import JOBS
from mlk_jupyter.backends.kubernetes.status.read import read
from mlk_jupyter.backends.kubernetes.status.submitted import submitted
from mlk_jupyter.backends.kubernetes.watch.informer import Informer
from mlk_jupyter.bundle import build
from mlk_jupyter.model import ClusterOptions, JobSpec, JobStatus, Phase
from mlk_jupyter.record.folder import JobFolder

NAMESPACE = "team"
NONCE = "0123456789abcdef"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[FakeCluster]:
    with FakeCluster(speed=20) as found:
        found.namespace(NAMESPACE)
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        monkeypatch.setenv("MLK_NAMESPACE", NAMESPACE)
        yield found


async def submit(connection: Connection, spec: JobSpec, notebook: dict[str, Any], job_id: str) -> None:
    bundle = build(notebook, spec, None, byte_code=False)
    asked = RenderContext(
        job_id, spec, bundle.data, NAMESPACE, "ada", f"request-{job_id}", NONCE, spec.cluster.image or ""
    )
    await create(connection, kinds()["job"].manifests(asked), NAMESPACE)


async def record(connection: Connection, job_id: str, folder: JobFolder) -> JobStatus:
    """Writes one job down from what an informer sees, to its end."""
    async with Informer(connection, user=None, kinds=[JOBS], workloads=None) as informer:
        await informer.ready()
        about = submitted(informer.objects(job_id).owners[0])
        assert about is not None
        async with Recorder(folder, about, connection) as recorder:

            def update(changed: set[str]) -> None:
                if job_id in changed:
                    objects = informer.objects(job_id)
                    recorder.update(objects, read(objects, about.spec))

            end = informer.subscribe(update)
            update({job_id})
            try:
                return await asyncio.wait_for(recorder.finished(), 60)
            finally:
                end()


@contextlib.contextmanager
def cut_again_and_again(cluster: FakeCluster, every_s: float) -> Iterator[Callable[[], int]]:
    """All connections are cut, and streams end early besides. Gives how often so far."""
    done, count = threading.Event(), itertools.count()
    cuts = 0

    def cutting() -> None:
        nonlocal cuts
        while not done.wait(every_s):
            cluster.cut()
            cuts = next(count) + 1

    thread = threading.Thread(target=cutting, name="cutter")
    thread.start()
    try:
        yield lambda: cuts
    finally:
        done.set()
        thread.join()


def record_of(folder: JobFolder) -> tuple[dict[str, bytes], list[bytes]]:
    """The notebook and the logs, and the frames, whose order among ranks is that of the reading."""
    files = [folder.executed, *sorted((folder.path / "logs").glob("*"))]
    return {file.name: file.read_bytes() for file in files}, sorted(folder.frames.read_bytes().splitlines())


def a_job(name: str, workers: int) -> JobSpec:
    options = ClusterOptions(image="local/torch:1")
    return JobSpec(name=name, notebook=f"{name}.ipynb", workers=workers, mlflow=False, cluster=options)


def test_the_executed_notebook_of_a_follower_cut_again_and_again_is_the_undisturbed_ones(
    cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    cells = [
        f"import time\nfor n in range(15):\n    print('cell {cell}', n)\n    time.sleep(0.02)" for cell in range(12)
    ]
    spec = JobSpec(
        name="cut", notebook="cut.ipynb", workers=2, mlflow=False, cluster=ClusterOptions(image="local/torch:1")
    )
    job_id = "cut-0123456789"
    cut, calm = JobFolder(tmp_path / "cut" / job_id), JobFolder(tmp_path / "calm" / job_id)

    async def run() -> None:
        async with Connection(targets()[0]) as connection:
            await submit(connection, spec, make_notebook(*cells), job_id)
            with cut_again_and_again(cluster, 0.4) as cuts:
                status = await record(connection, job_id, cut)
            assert status.phase is Phase.SUCCEEDED and cuts() >= 3, status
            assert status.notices == []
            assert (await record(connection, job_id, calm)).phase is Phase.SUCCEEDED

    asyncio.run(run())
    assert len(json.loads(cut.executed.read_bytes())["cells"]) == 12
    assert record_of(cut) == record_of(calm)


def test_a_failing_cell_of_a_second_worker_is_told_with_its_rank(
    cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    fails = "import os, time\nif os.environ['RANK'] == '1':\n    {}['train']\ntime.sleep(30)"
    spec = a_job("f", 2)
    job_id = "f-0123456789"
    folder = JobFolder(tmp_path / "jobs" / job_id)

    async def run() -> JobStatus:
        async with Connection(targets()[0]) as connection:
            await submit(connection, spec, make_notebook("print('fine')", fails), job_id)
            return await record(connection, job_id, folder)

    status = asyncio.run(run())
    assert status.phase is Phase.FAILED and status.reason is not None
    assert status.reason.text == "Rank 1, cell 2: KeyError: 'train'"
    assert status.notices == []
    assert "Rank 1 failed first" in folder.executed.read_text()
