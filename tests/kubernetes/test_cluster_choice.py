"""Several clusters and this machine side by side: which one is taken and why, and what one that is away costs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusterjobs import IMAGE, NAMESPACE, held
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.choosing import choose
from mlk_jupyter.backends.many import Backends
from mlk_jupyter.bundle import build
from mlk_jupyter.errors import BadInput
from mlk_jupyter.model import ClusterOptions, JobSpec, JobSummary, Phase
from mlk_jupyter.model.api import WatchState

Maker = Callable[..., dict[str, Any]]


@pytest.fixture
def two(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeCluster, FakeCluster]]:
    """Two clusters in one kubeconfig: contexts `near`, the current one, and `far`."""
    for name in ("MLK_BACKEND", "MLK_CONTEXT", "MLK_NAMESPACE", "MLK_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLK_USER", "ada")
    with FakeCluster() as near, FakeCluster() as far:
        merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "near"}
        for key in ("clusters", "users", "contexts"):
            merged[key] = []
        for name, cluster in (("near", near), ("far", far)):
            found = yaml.safe_load(cluster.kubeconfig.read_text())
            for key in ("clusters", "users", "contexts"):
                merged[key].append({**found[key][0], "name": name})
            merged["contexts"][-1]["context"] = {"cluster": name, "user": name, "namespace": NAMESPACE}
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(merged))
        path.chmod(0o600)
        monkeypatch.setenv("KUBECONFIG", str(path))
        yield near, far


def run(story: Callable[[Backends], Any], name: str | None = None) -> None:
    async def told() -> None:
        backends = choose(name)
        try:
            await asyncio.wait_for(story(backends), 60)
        finally:
            await backends.close()

    asyncio.run(told())


def a_job(make_notebook: Maker, name: str) -> tuple[JobSpec, Any]:
    spec = JobSpec(name=name, notebook="a.ipynb", mlflow=False, cluster=ClusterOptions(image=IMAGE))
    return spec, build(make_notebook("print('ran')"), spec, None, byte_code=False)


def succeeded(job: JobSummary) -> bool:
    return job.phase is Phase.SUCCEEDED


async def watched(backends: Backends, wanted: Callable[[dict[str, JobSummary]], bool]) -> dict[str, JobSummary]:
    """The jobs of all backends, once somebody who follows them was told what is wanted."""
    heard = asyncio.Event()

    def listener(job_ids: Set[str]) -> None:
        heard.set()

    every = backends.watches.values()
    for watch in every:
        watch.listen(listener)
    try:
        while True:
            await asyncio.wait_for(heard.wait(), 60)
            heard.clear()
            jobs = {job_id: job for watch in every for job_id, job in (watch.jobs or {}).items()}
            if wanted(jobs):
                return jobs
    finally:
        for watch in every:
            watch.leave(listener)


def test_jobs_of_all_contexts_and_of_this_machine_are_one_list(
    two: tuple[FakeCluster, FakeCluster], make_notebook: Maker
) -> None:
    near, far = two

    async def story(backends: Backends) -> None:
        wanted = {}
        for name in ("kubernetes", "kubernetes:far", "local"):
            spec, bundle = a_job(make_notebook, name.replace(":", "-"))
            status = await (await backends.at(name)).submit(spec, bundle, request_id=os.urandom(16).hex())
            wanted[status.id] = name
        seen = await watched(backends, lambda jobs: len(jobs) == 3 and all(map(succeeded, jobs.values())))
        assert {job.id: job.backend for job in await backends.jobs()} == wanted
        assert {job: one.backend for job, one in seen.items()} == wanted
        for job in wanted:
            assert (await backends.job(job)).phase is Phase.SUCCEEDED
            await backends.delete(job)
        assert await backends.jobs() == [] and held(near) == held(far) == []

    run(story)


def test_a_job_in_a_cluster_that_nobody_chose_since_is_stopped_and_deleted_there(
    two: tuple[FakeCluster, FakeCluster], make_notebook: Maker
) -> None:
    spec, bundle = a_job(make_notebook, "far")
    ids: list[str] = []

    async def submit(backends: Backends) -> None:
        far = await backends.at("kubernetes:far")
        ids.append((await far.submit(spec, bundle, request_id=os.urandom(16).hex())).id)

    async def delete(backends: Backends) -> None:
        await backends.stop(ids[0])
        await backends.delete(ids[0])

    run(submit)
    assert held(two[1], names.JOBS)
    run(delete)
    assert held(two[1]) == []


def test_a_cluster_that_is_away_leaves_the_others_usable(
    two: tuple[FakeCluster, FakeCluster], make_notebook: Maker
) -> None:
    far = two[1]
    spec, bundle = a_job(make_notebook, "kept")

    async def story(backends: Backends) -> None:
        distant = await backends.at("kubernetes:far")
        job = (await distant.submit(spec, bundle, request_id=os.urandom(16).hex())).id
        await watched(backends, lambda jobs: job in jobs and succeeded(jobs[job]))
        with far.refusing():
            infos = {info.name: info for info in await backends.infos()}
            while infos["kubernetes:far"].watch is WatchState.LIVE:  # until it is noticed
                infos = {info.name: info for info in await backends.infos()}
            assert infos["kubernetes:far"].watch_why or infos["kubernetes:far"].gpus_why
            assert infos["kubernetes"].rights
            assert [one.id for one in await backends.jobs()] == [job], "what was recorded of its jobs is still shown"
            assert (await backends.job(job)).phase is Phase.SUCCEEDED
            status = await (await backends.at("local")).submit(*a_job(make_notebook, "here"), request_id="r" * 32)
            async for changes in (await backends.at("local")).watch():
                if any(one.id == status.id and one.phase is Phase.SUCCEEDED for one in changes.changed):
                    break

    run(story)


def test_a_cluster_that_answers_is_taken_by_default(two: tuple[FakeCluster, FakeCluster]) -> None:
    async def story(backends: Backends) -> None:
        choice = await backends.choice()
        assert (choice.backend.name, choice.why) == ("kubernetes", "near answers.")
        infos = await backends.infos()
        assert [info.name for info in infos] == ["kubernetes", "kubernetes:far", "local"]
        assert infos[0].why == "near answers."
        with pytest.raises(BadInput, match="Did you mean 'kubernetes:far'"):
            await backends.at("kubernetes:fa")

    run(story)
    assert two[1].requests == [], "a context that nobody chose is not connected to"


def test_this_machine_is_taken_while_the_cluster_is_away(two: tuple[FakeCluster, FakeCluster]) -> None:
    async def story(backends: Backends) -> None:
        with two[0].refusing():
            choice = await backends.choice()
        assert choice.backend.name == "local"
        assert choice.why.startswith("near does not answer") and choice.why.endswith("so jobs run on this machine.")

    run(story)


def test_this_machine_is_taken_where_the_cluster_refuses_rights(
    two: tuple[FakeCluster, FakeCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    two[0].add_user("eve", namespace=NAMESPACE)
    monkeypatch.setenv("KUBECONFIG", str(two[0].write_kubeconfig("eve")))

    async def story(backends: Backends) -> None:
        choice = await backends.choice()
        assert choice.backend.name == "local"
        assert "does not let ada submit jobs in default" in choice.why and "create jobs" in choice.why, choice.why

    run(story)


def test_a_backend_that_is_named_is_taken_whatever_answers(two: tuple[FakeCluster, FakeCluster]) -> None:
    async def story(backends: Backends) -> None:
        choice = await backends.choice()
        assert (choice.backend.name, choice.why) == ("local", "The command says so.")

    run(story, "local")
    assert two[0].requests == []


def test_nothing_of_kubernetes_is_imported_without_a_cluster(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from mlk_jupyter.backends.choosing import choose\n"
        "async def story():\n"
        "    backends = choose()\n"
        "    await backends.resume()\n"
        "    assert await backends.jobs() == []\n"
        "    await backends.infos()\n"
        "    await backends.close()\n"
        "asyncio.run(story())\n"
        "light = ('', '.api', '.api.targets', '.api.kubeconfig', '.api.redaction')  # whether there is a cluster\n"
        "allowed = {'mlk_jupyter.backends.kubernetes' + name for name in light}\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('kubernetes', 'aiohttp')\n"
        "             or (name.startswith('mlk_jupyter.backends.kubernetes') and name not in allowed)))\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MLK_", "KUBE"))}
    env |= {"HOME": str(tmp_path), "MLK_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
