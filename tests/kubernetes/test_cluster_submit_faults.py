"""Submissions that are disturbed at each of their requests: one job comes of it, whole, or none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faultjobs import NAMESPACE, at_work, backend_at, faster, spec_of, submit, team, until, until_awaited
from kube import names
from kube.cluster import FakeCluster
from kube.faults import Fault

from mlk_jupyter.backends.kubernetes.backend import KubernetesBackend
from mlk_jupyter.errors import MlkError
from mlk_jupyter.model import JobStatus, Phase

QUICK = faster(50)
PARTS = (names.JOBS, names.CONFIG_MAPS, names.SERVICES)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[FakeCluster]:
    with team(monkeypatch, controllers=False) as found:
        yield found


@dataclass
class Nth(Fault):
    """Meets one request only: the one that comes as number `number`, from 0."""

    number: int = 0
    come: int = 0

    def matches(self, request: Any) -> bool:
        self.come += 1
        return self.come == self.number + 1


@contextlib.contextmanager
def nth(cluster: FakeCluster, fault: Nth) -> Iterator[Nth]:
    cluster.do(lambda: cluster.faults.add(fault))
    try:
        yield fault
    finally:
        cluster.do(lambda: cluster.faults.lift(fault))


def objects_of(cluster: FakeCluster, kind: str) -> list[dict[str, Any]]:
    every = cluster.store.peek_all(kind, NAMESPACE)
    return [one for one in every if one["metadata"].get("labels", {}).get("mlk-jupyter.io/job")]


def assert_whole(cluster: FakeCluster, job_id: str) -> None:
    """One of each object, all of them the Job's."""
    (job,) = objects_of(cluster, names.JOBS)
    assert job["metadata"]["name"] == job_id
    for kind in (names.CONFIG_MAPS, names.SERVICES):
        (part,) = objects_of(cluster, kind)
        assert [owner["uid"] for owner in part["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]], kind


async def persistently(backend: KubernetesBackend, notebook: dict[str, Any]) -> JobStatus:
    """Submits as a person does who presses the button again after an error."""

    async def press() -> JobStatus | None:
        with contextlib.suppress(MlkError):
            return await submit(backend, notebook, spec_of())
        return None

    return await until_awaited(press, "a submission")


async def clear(cluster: FakeCluster) -> None:
    for one in objects_of(cluster, names.JOBS):
        cluster.do(lambda one=one: cluster.store.delete(names.JOBS, NAMESPACE, one["metadata"]["name"]))
    await until(lambda: not any(objects_of(cluster, kind) for kind in PARTS), "the cluster to tidy up")


def requests_of_a_submission(cluster: FakeCluster, notebook: dict[str, Any], root: Path) -> int:
    """How many requests it takes when nothing disturbs it."""

    async def story() -> int:
        backend = backend_at(root, timing=QUICK)
        try:
            before = len(cluster.requests)
            await submit(backend, notebook, spec_of(), "calm")
            count = len(cluster.requests) - before
        finally:
            await backend.close()
        await clear(cluster)
        return count

    count = asyncio.run(story())
    assert count >= 8
    return count


@pytest.mark.parametrize("kind", ["reset", "lost_answer", "error", "html", "throttle", "restart"])
def test_a_disturbance_at_any_request_of_a_submission_leaves_one_whole_job(
    kind: Any, cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    notebook = make_notebook("1 + 1")
    count = requests_of_a_submission(cluster, notebook, tmp_path / "calm")

    async def story(number: int) -> None:
        fault = Nth("lost_answer" if kind == "restart" else kind, seconds=0, number=number)
        with nth(cluster, fault):
            backend = backend_at(tmp_path / f"{kind}-{number}", timing=QUICK)
            try:
                task = asyncio.create_task(persistently(backend, notebook))
                if kind == "restart":
                    await until(lambda: fault.met or task.done(), "the fault")
                    with cluster.refusing():
                        await asyncio.sleep(0.05)  # as long as it takes to start again
                status = await task
            finally:
                await backend.close()
        assert_whole(cluster, status.id)
        await clear(cluster)

    for number in range(count):
        asyncio.run(story(number))


@pytest.mark.parametrize("lost", [False, True], ids=["before it arrives", "after it was done"])
def test_a_process_killed_at_any_request_of_a_submission_is_followed_by_one_that_makes_it_whole(
    lost: bool, cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    notebook = make_notebook("1 + 1")
    count = requests_of_a_submission(cluster, notebook, tmp_path / "calm")

    async def story(number: int) -> None:
        root = tmp_path / f"killed-{number}"
        before = len(cluster.requests)
        with nth(cluster, Nth("lost_answer" if lost else "hang", number=number)) as fault:
            first = backend_at(root, timing=QUICK)
            task = asyncio.create_task(submit(first, notebook, spec_of()))
            await until(lambda: fault.come > number, "the request")
            if lost:
                await until(lambda: cluster.requests[before + number].status or task.done(), "its answer")
            task.cancel()  # nothing is tidied up: what a killed process leaves behind is the same
            await asyncio.wait({task})
            await first.close()
            await until(lambda: cluster.connections == 0, "the end of its connections")
        second = backend_at(root, timing=QUICK)
        async with at_work(second):
            status = await submit(second, notebook, spec_of())
            assert_whole(cluster, status.id)
            assert (await second.job(status.id)).phase is Phase.QUEUED
        await clear(cluster)

    for number in range(count):
        asyncio.run(story(number))
