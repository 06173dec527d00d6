"""Logs that are cut, rotate or vanish, and recorders that are killed: what was there is written down, once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faultjobs import (
    NAMESPACE,
    Gates,
    at_work,
    backend_at,
    calm_record,
    ended,
    files_of,
    frames_of,
    spec_of,
    submit,
    team,
    told,
    until,
)
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.model import JobSpec, Phase
from mlk_jupyter.record.folder import JobFolder

Notebook = Callable[..., dict[str, Any]]
TALK = """
import os, sys, time
for n in range(60):
    print('rank', os.environ['RANK'], 'line', n, flush=True)
    if n % 7 == 0: print('half of', end=' ', flush=True)
    if n % 11 == 0: os.write(2, b'from below\\n')
    time.sleep(0.01)
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[FakeCluster]:
    with team(monkeypatch, nodes=[{"name": "node-a", "gpus": 4}]) as found:
        yield found


@asynccontextmanager
async def cutting(cluster: FakeCluster, every_s: float) -> AsyncIterator[Callable[[], int]]:
    """All connections are cut again and again. Gives how often so far."""
    cuts = 0

    async def cut() -> None:
        nonlocal cuts
        while True:
            await asyncio.sleep(every_s)
            cluster.cut()
            cuts += 1

    task = asyncio.create_task(cut(), name="cutter")
    try:
        yield lambda: cuts
    finally:
        task.cancel()
        await asyncio.wait({task})


def log_text(folder: JobFolder, rank: int = 0) -> str:
    return b"".join(path.read_bytes() for path in sorted((folder.path / "logs").glob(f"*{rank}*"))).decode()


@pytest.mark.parametrize(
    "spec", [spec_of(), spec_of(workers=2), spec_of(ranks_per_worker=2)], ids=["one", "two pods", "two in a pod"]
)
def test_the_record_of_a_follower_that_is_cut_again_and_again_is_the_undisturbed_ones(
    spec: JobSpec, cluster: FakeCluster, tmp_path: Path, make_notebook: Notebook
) -> None:
    notebook = make_notebook("1 + 1", TALK, "from IPython.display import HTML\nHTML('<b>x</b>' * 20_000)", TALK)

    async def story() -> None:
        backend = backend_at(tmp_path / "here")
        async with at_work(backend):
            job_id = (await submit(backend, notebook, spec)).id
            for rank in range(spec.world_size):
                backend.look(job_id, rank)
            async with cutting(cluster, 0.2) as cuts:  # a tenth of two seconds
                status = await ended(backend, job_id)
            assert cuts() >= 5
            calm, calm_folder = await calm_record(job_id, tmp_path / "calm")
            assert status.phase is Phase.SUCCEEDED and told(status) == told(calm)
            assert files_of(backend.folder(job_id)) == files_of(calm_folder)
            assert frames_of(backend.folder(job_id)) == frames_of(calm_folder)
            assert log_text(calm_folder).count("rank 0 line 59") >= 1

    asyncio.run(story())


def test_what_rotated_away_while_nobody_could_read_is_said_and_marked(
    cluster: FakeCluster, tmp_path: Path, make_notebook: Notebook
) -> None:
    gates = Gates(tmp_path)
    flood = "import os\nfor n in range(600): print('flood', n, os.urandom(100).hex())"  # which cannot be compressed
    cells = "print('begin')", gates.code("flood"), flood, "print('behind')", gates.code("after"), "print('the end')"
    notebook = make_notebook(*cells)

    async def story() -> None:
        assert cluster.controllers is not None
        backend = backend_at(tmp_path / "here")
        async with at_work(backend):
            job_id = (await submit(backend, notebook, spec_of())).id
            await gates.reached("flood")
            folder = backend.folder(job_id)
            await until(lambda: folder.frames.exists() and b"begin" in folder.frames.read_bytes(), "the first output")
            cluster.controllers.logs.max_bytes = 20_000
            with cluster.fault("reset", path="/log[?]"):
                cluster.cut()
                gates.open("flood")
                await gates.reached("after")
                # What a cell printed may reach the log after the next one has begun.
                logs = cluster.controllers.logs
                await until(lambda: b"behind" in logs.kept(), "the flood")
            gates.open("after")
            status = await ended(backend, job_id)
            assert status.phase is Phase.SUCCEEDED
            assert any("not whole" in text for text in status.notices), status.notices
            assert any("could not be read" in text for text in status.notices), status.notices
            assert "the log is not whole here" in log_text(folder)
            executed = folder.executed.read_text()
            assert "begin" in executed and "the end" in executed

    asyncio.run(story())


@pytest.mark.parametrize("unread", [False, True], ids=["that was read", "while its log could not be read"])
def test_a_pod_that_vanishes_leaves_what_it_had_said(
    unread: bool, cluster: FakeCluster, tmp_path: Path, make_notebook: Notebook
) -> None:
    gates = Gates(tmp_path)
    notebook = make_notebook("print('said before')", gates.code("more"), "print('never read')", gates.code("never"))

    async def story() -> None:
        backend = backend_at(tmp_path / "here")
        async with at_work(backend):
            job_id = (await submit(backend, notebook, spec_of())).id
            await gates.reached("more")
            folder = backend.folder(job_id)
            await until(lambda: folder.frames.exists() and b"said before" in folder.frames.read_bytes(), "its words")
            with cluster.fault("reset", path="/log[?]", times=None if unread else 0):
                if unread:
                    cluster.cut()
                    gates.open("more")
                    await gates.reached("never")
                (pod,) = cluster.store.peek_all(names.PODS, NAMESPACE)
                cluster.do(lambda: cluster.store.delete(names.PODS, NAMESPACE, pod["metadata"]["name"], grace_s=0))
                assert cluster.controllers is not None
                await until(lambda: not cluster.controllers.logs._logs, "the end of its log")
            status = await ended(backend, job_id)
            assert status.phase is Phase.FAILED and status.reason is not None, status
            assert "said before" in folder.executed.read_text()
            assert status.reason.code == "pod_deleted"
            assert unread == any("is gone and its log with it" in text for text in status.notices), status.notices

    asyncio.run(story())


RECORD = """
import asyncio, sys
from pathlib import Path
from mlk_jupyter.backends.kubernetes.backend import KubernetesBackend
from mlk_jupyter.backends.kubernetes.api.targets import targets

async def main():
    backend = KubernetesBackend(targets()[0], root=Path(sys.argv[1]), user="ada")
    await backend.resume()
    print("at work", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_recorder_killed_in_the_midst_is_followed_by_one_that_completes_the_record(
    cluster: FakeCluster, tmp_path: Path, make_notebook: Notebook
) -> None:
    gates = Gates(tmp_path)
    kills = 3
    cells = [cell for number in range(kills) for cell in (gates.code(f"kill-{number}"), TALK)]
    notebook = make_notebook(*cells)
    here = tmp_path / "here"

    async def story() -> None:
        first = backend_at(here)
        job_id = (await submit(first, notebook, spec_of(workers=2))).id
        folder = first.folder(job_id)
        await first.close()
        sizes = []
        for number in range(kills):
            process = subprocess.Popen([sys.executable, "-c", RECORD, str(here)])  # noqa: ASYNC220
            try:
                before = folder.frames.stat().st_size if folder.frames.exists() else 0
                gates.open(f"kill-{number}")
                await until(
                    lambda before=before: folder.frames.exists() and folder.frames.stat().st_size > before + 500,
                    "more frames",
                )
            finally:
                process.kill()
                process.wait()
            sizes.append(folder.frames.stat().st_size)
        assert sizes == sorted(set(sizes)) and folder.read_status() is not None
        last = backend_at(here)
        async with at_work(last):
            status = await ended(last, job_id)
            calm, calm_folder = await calm_record(job_id, tmp_path / "calm")
            assert status.phase is Phase.SUCCEEDED and told(status) == told(calm)
            assert files_of(folder) == files_of(calm_folder)
            assert frames_of(folder) == frames_of(calm_folder)
            numbers = [(frame["rank"], frame["seq"]) for frame in map(json.loads, frames_of(folder)) if "seq" in frame]
            assert len(numbers) == len(set(numbers))

    asyncio.run(story())
