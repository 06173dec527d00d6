"""What a cluster's controller decides while jobs come and go under it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any, cast

from clusterobjects import spec

from mlk_jupyter.backends.kubernetes.api.targets import Target
from mlk_jupyter.backends.kubernetes.cluster import Cluster
from mlk_jupyter.backends.kubernetes.controller import Controller
from mlk_jupyter.backends.kubernetes.hardware import Hardware, LargestNode
from mlk_jupyter.backends.kubernetes.job_list import JobList
from mlk_jupyter.backends.kubernetes.other_processes import OtherProcesses
from mlk_jupyter.backends.kubernetes.recording.records import Record, Records
from mlk_jupyter.backends.kubernetes.resources import Objects
from mlk_jupyter.model import JobStatus, Phase, Reason

JOB = "a-job-1"
TARGET = Target(None, "default", "https://cluster.invalid", False, "A test's.")


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        asyncio.run(test(*args, **fixtures))

    return run


def status(phase: Phase = Phase.SUCCEEDED, job: str = JOB, code: str | None = None) -> JobStatus:
    reason = Reason(code=code, text="So it is.") if code else None
    return JobStatus(
        id=job, name="a job", notebook="a.ipynb", backend="kubernetes", phase=phase, reason=reason, created_at=1.0,
        spec=spec(),
    )  # fmt: skip


class Interrupted(Records):
    """Records; while they are read, something else happens on the event loop."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, root: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(TARGET, root)
        self._loop = loop

    def read(self, job_ids: Collection[str]) -> dict[str, Record]:
        found = super().read(job_ids)

        async def happen() -> None:
            self.meanwhile()

        asyncio.run_coroutine_threadsafe(happen(), self._loop).result(10)
        return found

    def write(self, written: JobStatus) -> None:
        self.folder(written.id).path.mkdir(parents=True)
        self.folder(written.id).write_status(written)


class Empty:
    """The watch of a cluster that holds nothing."""

    def exists(self, job_id: str) -> bool:
        return False

    def objects(self, job_id: str) -> Objects:
        return Objects(job_id)


@in_a_loop
async def test_a_job_that_is_dropped_while_others_records_are_read_is_not_shown_again(tmp_path: Path) -> None:
    records, shown = Interrupted(tmp_path, asyncio.get_running_loop()), []
    records.write(status())
    others = OtherProcesses(records, shown.append)
    others.record(JOB, for_s=0.0)
    records.meanwhile = lambda: others.drop(JOB)
    assert await others.written() == set() and shown == []
    others.record(JOB, for_s=0.0)
    records.meanwhile = lambda: others.record(JOB, for_s=60.0)
    assert await others.written() == set() and JOB in others, "it was submitted anew"
    others.record(JOB, for_s=0.0)
    records.meanwhile = lambda: None
    assert await others.written() == {JOB} and [one.id for one in shown] == [JOB]


@in_a_loop
async def test_a_job_that_is_deleted_while_its_record_is_read_does_not_come_back(tmp_path: Path) -> None:
    records = Interrupted(tmp_path, asyncio.get_running_loop())
    records.write(status())
    controller = Controller(cast("Cluster", object()), records, "kubernetes")
    controller.reconciler.informer = cast("Any", Empty())
    controller.reconciler.heard({JOB})
    await controller.reconciler.take_all()
    assert JOB in controller.jobs()

    def delete() -> None:
        records.meanwhile = lambda: None
        controller.reconciler._leaving[JOB] = True
        records.remove(JOB)
        controller.reconciler.forget(JOB)

    records.meanwhile = delete
    controller.reconciler.heard({JOB})
    await controller.reconciler.take_all()
    assert controller.jobs() == {} and controller.reconciler._leaving == {}


def test_jobs_that_come_and_go_while_the_records_are_read_are_as_they_then_are() -> None:
    jobs = JobList()
    for job in ("stays", "goes", "changes"):
        jobs.show(status(Phase.RUNNING, job))
    before = dict(jobs.jobs)
    jobs.drop("goes")
    jobs.show(status(Phase.FAILED, "changes"))
    jobs.show(status(Phase.QUEUED, "comes"))
    jobs.replace({job: status(Phase.SUCCEEDED, job).summary() for job in before}, before)
    assert {job: one.phase for job, one in jobs.jobs.items()} == {
        "stays": Phase.SUCCEEDED, "changes": Phase.FAILED, "comes": Phase.QUEUED,
    }  # fmt: skip


def test_rows_share_what_is_the_same_in_them() -> None:
    jobs = JobList()
    for job in ("a", "b"):
        jobs.show(status(Phase.FAILED, job, code="evicted"))
    one, other = jobs.jobs.values()
    assert one.reason is other.reason and one == status(Phase.FAILED, "a", code="evicted").summary()


def test_what_was_written_before_the_cluster_spoke_changes_no_row() -> None:
    jobs = JobList()
    jobs.show(status(Phase.RUNNING))
    jobs.show(status(Phase.QUEUED, code="submitted"))
    assert jobs.jobs[JOB].phase is Phase.RUNNING


@in_a_loop
async def test_viewers_are_told_of_what_changes_together_at_once() -> None:
    jobs = JobList()

    async def first_two() -> list[set[str]]:
        found = []
        async for changes in jobs.follow():
            found.append({job.id for job in changes.changed})
            if len(found) == 2:
                break
        return found

    viewer = asyncio.ensure_future(first_two())
    await asyncio.sleep(0)
    with jobs.together():
        for job in ("a", "b"):
            jobs.show(status(job=job))
            await asyncio.sleep(0)
    assert await viewer == [set(), {"a", "b"}]


@in_a_loop
async def test_the_largest_node_is_asked_for_again_only_while_a_job_waits() -> None:
    asked: list[str] = []
    changed = asyncio.Event()

    async def ask(fresh_s: float) -> Hardware:
        asked.append("hardware")
        return Hardware(largest={"cpu": str(len(asked))})

    largest = LargestNode(ask, changed.set, fresh_s=0.0)
    await largest.learn()
    assert largest.background.largest == {"cpu": "1"}
    changed.clear()
    largest.mind(lambda: set())
    await asyncio.sleep(0)
    assert len(asked) == 1 and not changed.is_set()
    largest.mind(lambda: {JOB})
    await changed.wait()
    assert largest.background.largest == {"cpu": "2"}
    unhurried = LargestNode(ask, changed.set, fresh_s=60.0)
    await unhurried.learn()
    unhurried.mind(lambda: {JOB})
    await asyncio.sleep(0)
    assert len(asked) == 3, "it is not a minute old"
    changed.clear()
    for _ in range(2):
        unhurried.mind(lambda: {JOB}, lambda: {JOB})  # the nodes repel it: by which taint, they may say only now
        await changed.wait()
    assert len(asked) == 4
    await asyncio.gather(largest.close(), unhurried.close())
