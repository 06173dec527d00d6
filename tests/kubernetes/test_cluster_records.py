"""What is written down of jobs on the tests' cluster when nobody was there, somebody else was, or nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clusterjobs import FOREVER, IMAGE, NAMESPACE, Desk, full, held, pods_of, wait_for
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.kinds.indexed_job import IndexedJob
from mlk_jupyter.backends.kubernetes.timing import Timing
from mlk_jupyter.model import Phase
from mlk_jupyter.model.api import WatchState

Sit = Callable[..., Desk]
QUIET_S = 2.0


def until_ended(cluster: FakeCluster, job: str) -> None:
    """Waits until the cluster is done with a job, whoever looks."""
    wait_for(lambda: IndexedJob().is_over(cluster.store.get(names.JOBS, NAMESPACE, job)))


def grow_old(cluster: FakeCluster, resource: str, name: str) -> None:
    def age() -> None:
        found = cluster.store.peek(resource, NAMESPACE, name)  # no request can change this
        assert found is not None
        found["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"

    cluster.do(age)


def unattended(sit: Sit, cluster: FakeCluster, *cells: str, **spec: Any) -> str:
    """A job that was submitted and ran to its end while no process of ours lived."""
    away = sit(watching=False)

    async def never() -> None:
        """It is gone before it looks at what it submitted."""

    away.backend._controller.start = never  # type: ignore[method-assign]
    job = away.submit(*cells, **spec)
    away.close()
    until_ended(cluster, job)
    return job


# Nobody was there


def test_a_job_that_ran_while_nobody_was_there_is_caught_up_with_at_start(sit: Sit, kube_cluster: FakeCluster) -> None:
    job = unattended(sit, kube_cluster, "print('alone')", "print('done')", workers=2)
    server = sit(watching=False)
    assert not server.folder(job).executed.exists()
    server.do(server.backend.resume())
    wait_for(lambda: server.folder(job).executed.exists())
    status = server.until_over(job)
    assert status.phase is Phase.SUCCEEDED and status.notices == []
    assert server.outputs(job) == ["alone\n", "done\n"]
    assert server.folder(job).read_log(1, 0, 100)[0] == b"alone\ndone\n"
    wait_for(lambda: server.tasks() == [], server.tasks)


def test_what_cannot_be_read_any_more_is_said(sit: Sit, kube_cluster: FakeCluster) -> None:
    job = unattended(sit, kube_cluster, "print('alone')")
    for pod in pods_of(kube_cluster, job):
        name = pod["metadata"]["name"]
        kube_cluster.do(lambda name=name: kube_cluster.store.delete(names.PODS, NAMESPACE, name, grace_s=0))
    server = sit()
    # The cluster says that it is over before the record does, and only the record knows what it lacks.
    wait_for(lambda: (found := server.folder(job).read_status()) is not None and found.phase.final)
    status = server.status(job)
    assert status.phase is Phase.SUCCEEDED
    assert any("rank 0's log could be read" in notice for notice in status.notices), status.notices


def test_a_job_that_was_removed_while_nobody_was_there_gets_an_end(sit: Sit, kube_cluster: FakeCluster) -> None:
    job = unattended(sit, kube_cluster, "1")
    kube_cluster.do(lambda: kube_cluster.store.delete(names.JOBS, NAMESPACE, job))
    wait_for(lambda: held(kube_cluster) == [], lambda: held(kube_cluster))
    server = sit()
    status = server.until_over(job)
    assert status.phase is Phase.STOPPED and status.reason is not None and status.reason.code == "removed"


def test_a_job_without_a_record_here_is_listed_and_recorded(sit: Sit, tmp_path: Path) -> None:
    one = sit(watching=False)
    job = one.submit("print('elsewhere')")
    other = sit(root=tmp_path / "other machine")
    assert other.until_over(job).phase is Phase.SUCCEEDED
    assert other.outputs(job) == ["elsewhere\n"]


def test_jobs_of_another_user_are_not_seen(sit: Sit, tmp_path: Path) -> None:
    job = sit().submit("1")
    other = sit(root=tmp_path / "grace", user="grace")
    assert job not in other.seen


def test_a_server_that_starts_while_the_cluster_is_away_catches_up_when_it_is_back(
    sit: Sit, kube_cluster: FakeCluster
) -> None:
    job = unattended(sit, kube_cluster, "print('alone')")
    server = sit(watching=False)
    with kube_cluster.refusing():
        server.do(server.backend.resume())
        wait_for(lambda: server.backend._controller.state[0].value == "reconnecting")
    wait_for(lambda: server.folder(job).executed.exists())
    assert server.outputs(job) == ["alone\n"]


def test_a_job_that_waits_is_listed_and_recorded_once_it_begins(
    sit: Sit, kube_cluster: FakeCluster, tmp_path: Path
) -> None:
    one, other = sit(watching=False), sit(root=tmp_path / "other machine")
    with full(kube_cluster):
        job = one.submit("print('at last')", gpus=1)
        wait_for(lambda: job in other.seen and other.seen[job].reason, lambda: other.seen)
        assert other.seen[job].phase is Phase.QUEUED and not other.folder_exists(job)
        other.look_away()  # it is recorded all the same
    wait_for(lambda: other.folder_exists(job) and other.folder(job).executed.exists())
    assert other.outputs(job) == ["at last\n"]


# Somebody else


def test_two_processes_show_one_job_and_one_of_them_writes_it(sit: Sit) -> None:
    one, other = sit(), sit()
    job = one.submit("print('a')", "print('b')", workers=2)
    assert one.until_over(job).phase is Phase.SUCCEEDED
    wait_for(lambda: job in other.seen and other.seen[job].phase is Phase.SUCCEEDED, lambda: other.seen)
    assert one.outputs(job) == ["a\n", "b\n"]


def test_a_recording_process_that_is_killed_is_followed_by_another(
    sit: Sit, tmp_path: Path, make_notebook: Callable[..., Any]
) -> None:
    door = tmp_path / "door"
    waits = (
        f"import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({str(door)!r}):\n    time.sleep(0.02)"
    )
    (tmp_path / "two.ipynb").write_text(json.dumps(make_notebook(waits, "print('ended')")))
    command = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())", "run"]
    command += [str(tmp_path / "two.ipynb"), "--backend", "kubernetes", "--image", IMAGE, "--no-mlflow"]
    process = subprocess.Popen(command, env={**os.environ, "MLK_USER": "ada"}, stdin=subprocess.DEVNULL)
    desk = sit(watching=False)
    try:
        wait_for(lambda: any(path.read_bytes() for path in desk.records().glob("*/frames.jsonl")))
        desk.view()
        ((job, shown),) = desk.seen.items()
        assert shown.phase is Phase.RUNNING
        assert desk.backend._controller.reconciler.status(job) is None, "the other process writes"
    finally:
        process.kill()
        process.wait(30)
    wait_for(lambda: desk.backend._controller.reconciler.status(job) is not None)
    door.touch()
    status = desk.until_over(job)
    assert status.phase is Phase.SUCCEEDED and status.notices == []
    assert desk.outputs(job) == ["begun\n", "ended\n"]


# Nothing is left


def test_what_a_job_left_behind_is_found_and_removed(desk: Desk, kube_cluster: FakeCluster) -> None:
    kept, job = desk.submit("1"), desk.submit("1")
    for each in (kept, job):
        desk.until_over(each)
    kube_cluster.do(lambda: kube_cluster.store.delete(names.JOBS, NAMESPACE, job, propagation="Orphan"))
    wait_for(lambda: len(held(kube_cluster, names.JOBS)) == 1)
    for pod in pods_of(kube_cluster, job):
        name = pod["metadata"]["name"]
        kube_cluster.do(lambda name=name: kube_cluster.store.delete(names.PODS, NAMESPACE, name, grace_s=0))
    foreign = {"metadata": {"name": "foreign", "labels": {"mlk-jupyter.io/job": job}}, "data": {}}
    kube_cluster.create(names.CONFIG_MAPS, foreign, NAMESPACE)
    # The watch hears a little later that the pods are gone; the rest is young: its job may be about to be created.
    wait_for(lambda: desk.do(desk.backend.orphans()) == [])
    for one in (kept, job):
        grow_old(kube_cluster, names.CONFIG_MAPS, f"{one}-bundle")
        grow_old(kube_cluster, names.SERVICES, one)
    grow_old(kube_cluster, names.CONFIG_MAPS, "foreign")
    found = desk.do(desk.backend.orphans())
    assert [(one.kind, one.name) for one in found] == [("ConfigMap", f"{job}-bundle"), ("Service", job)]
    assert desk.do(desk.backend.remove_orphans()) == found
    assert desk.do(desk.backend.orphans()) == []
    assert kube_cluster.store.find(names.CONFIG_MAPS, NAMESPACE, "foreign") is not None
    assert kube_cluster.store.find(names.CONFIG_MAPS, NAMESPACE, f"{kept}-bundle") is not None


# Nobody looks


def test_nothing_runs_and_nothing_is_asked_without_a_viewer_or_a_running_job(
    desk: Desk, kube_cluster: FakeCluster
) -> None:
    job = desk.submit("1")
    desk.until_over(job)
    desk.look_at(job, 0)
    desk.look_away()
    wait_for(lambda: desk.tasks() == [], desk.tasks)
    before = len(kube_cluster.requests)
    time.sleep(QUIET_S)  # the time in which nothing happens is what is tested
    assert len(kube_cluster.requests) == before
    assert desk.backend._controller.state == (WatchState.IDLE, None)
    desk.view()
    assert desk.seen[job].phase is Phase.SUCCEEDED
    desk.close()
    wait_for(lambda: kube_cluster.connections == 0)


def test_what_comes_while_a_watch_lingers_that_nobody_needs_is_shown_at_once(sit: Sit, tmp_path: Path) -> None:
    desk, other = sit(timing=Timing(linger_s=3600.0)), sit(root=tmp_path / "other machine")
    desk.look_away()

    def ended() -> int:
        return sum(job.phase.final for job in desk.do(desk.backend.jobs()))

    other.until_over(other.submit("1"))
    wait_for(lambda: ended() == 1)  # from now on nobody needs the watch
    other.until_over(other.submit("1"))
    wait_for(lambda: ended() == 2)


def test_a_running_job_is_recorded_though_nobody_looks(desk: Desk) -> None:
    job = desk.submit(FOREVER)
    desk.until_running(job)
    desk.look_away()
    desk.stop(job)
    assert desk.until_over(job).phase is Phase.STOPPED
    assert desk.folder(job).executed.exists()
    wait_for(lambda: desk.tasks() == [], desk.tasks)


def test_a_job_that_ended_long_ago_is_recorded_when_somebody_looks_at_it(
    sit: Sit, kube_cluster: FakeCluster, tmp_path: Path
) -> None:
    job = unattended(sit, kube_cluster, "print('old')")
    desk = sit(root=tmp_path / "other machine", timing=Timing(catch_up_s=-1.0))
    assert desk.seen[job].phase is Phase.SUCCEEDED
    assert not desk.folder_exists(job)
    desk.look_at(job, 0)
    wait_for(lambda: desk.folder(job).executed.exists())
    assert desk.outputs(job) == ["old\n"]
    desk.look_at(job, 0)
    desk.look_away()
    wait_for(lambda: desk.tasks() == [], desk.tasks)
