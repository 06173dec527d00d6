"""A job that its queue takes out of the cluster and lets in again, on the tests' cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clusterjobs import FOREVER, NAMESPACE, Desk, pods_of, wait_for
from kube import names
from kube.cluster import JOB_SET_CRDS, KUEUE_CRDS, FakeCluster

from mlk_jupyter.model import Phase

RUNS = """import os, time
print('run', RUN := len(os.listdir({runs!r})), flush=True)
open(os.path.join({runs!r}, str(RUN)), 'w').close()
while not os.path.exists({door!r}):
    time.sleep(0.02)
print('through')"""


@pytest.fixture
def kube_cluster() -> Iterator[FakeCluster]:
    """One with Kueue and a queue that has room."""
    with FakeCluster(crds=(*JOB_SET_CRDS, *KUEUE_CRDS)) as cluster:
        queue = {"metadata": {"name": "team"}, "spec": {"clusterQueue": "elsewhere"}}
        cluster.create(names.LOCAL_QUEUES, queue, NAMESPACE)
        yield cluster
        assert cluster.controllers is not None
        assert [*cluster.controllers.failures, *cluster.rest.failures] == []


@pytest.mark.parametrize("kind", ["job", "jobset"])
def test_a_job_that_is_queued_again_begins_its_record_anew(
    desk: Desk, kube_cluster: FakeCluster, tmp_path: Path, kind: str
) -> None:
    runs, door = tmp_path / "runs", tmp_path / "door"
    runs.mkdir()
    cells = ["1", RUNS.format(runs=str(runs), door=str(door))]
    job = desk.submit(*cells, options={"kind": kind, "queue": "team", "grace_period_s": 1})
    desk.until_running(job, cell=2)
    levers = kube_cluster.levers
    levers.hold_queues()
    (workload,) = kube_cluster.store.list(names.WORKLOADS, NAMESPACE)
    levers.evict_workload(NAMESPACE, workload["metadata"]["name"])
    wait_for(lambda: pods_of(kube_cluster, job) == [])
    waiting = desk.until(job, lambda status: status.phase is Phase.QUEUED and status.progress.cells_done == 0)
    assert waiting.progress.cell is None and waiting.ranks == []
    levers.hold_queues(False)
    wait_for(lambda: len(list(runs.iterdir())) == 2)
    door.touch()
    status = desk.until_over(job)
    assert status.phase is Phase.SUCCEEDED, status
    phases = [step.phase for step in status.timeline]
    assert phases.count(Phase.RUNNING) == 2, phases
    assert desk.outputs(job)[1] == "run 1\nthrough\n"
    log = desk.folder(job).log(0).read_text()
    assert "run 0" in log and "its ranks begin again" in log and "run 1" in log


@pytest.mark.parametrize("admitted", [True, False], ids=["running", "waiting"])
def test_a_job_of_a_queue_that_is_stopped_is_not_started_again(
    desk: Desk, kube_cluster: FakeCluster, admitted: bool
) -> None:
    kube_cluster.levers.hold_queues(not admitted)
    job = desk.submit(FOREVER, options={"kind": "job", "queue": "team", "grace_period_s": 1})
    if admitted:
        desk.until_running(job)
    else:
        desk.until(job, lambda status: status.reason is not None and status.reason.code == "queue_stopped")
    desk.stop(job)
    assert desk.until_over(job).phase is Phase.STOPPED
    kube_cluster.levers.hold_queues(False)
    wait_for(lambda: pods_of(kube_cluster, job) == [])
    (workload,) = kube_cluster.store.list(names.WORKLOADS, NAMESPACE)
    finished = {one["type"]: one["status"] for one in workload["status"]["conditions"]}.get("Finished")
    assert (finished == "True") is admitted and workload["spec"]["active"] is admitted
