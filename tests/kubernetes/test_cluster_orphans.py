"""Pods whose job was deleted without them (`kubectl delete --cascade=orphan`), on the tests' cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusterjobs import FOREVER, NAMESPACE, Desk, held, pods_of, wait_for
from clusterobjects import objects, running, spec
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.lifecycle import removal
from mlk_jupyter.backends.kubernetes.lifecycle.removal import NotGone
from mlk_jupyter.backends.kubernetes.status.read import read
from mlk_jupyter.model import Phase

Sit = Callable[..., Desk]
KINDS = {"job": names.JOBS, "jobset": names.JOB_SETS}


def orphan(desk: Desk, cluster: FakeCluster, kind: str, *cells: str) -> str:
    """A job of two pods that run on without it."""
    job = desk.submit(*cells, workers=2, options={"kind": kind})
    desk.until_running(job)
    cluster.store.delete(KINDS[kind], NAMESPACE, job, propagation="Orphan")
    wait_for(lambda: cluster.store.find(KINDS[kind], NAMESPACE, job) is None)
    return job


def running_pods(cluster: FakeCluster, job: str) -> list[Any]:
    return [pod for pod in pods_of(cluster, job) if pod["status"].get("phase") == "Running"]


@pytest.mark.parametrize("kind", KINDS)
def test_pods_that_run_on_without_their_job_are_shown_and_stopped(
    desk: Desk, kube_cluster: FakeCluster, kind: str
) -> None:
    job = orphan(desk, kube_cluster, kind, FOREVER)
    status = desk.until_reason(job, "orphaned")
    assert status.phase is Phase.RUNNING
    left = {(one.kind, one.job) for one in desk.do(desk.backend.orphans())}
    assert left == {("Pod" if kind == "job" else "Job", job)}
    desk.stop(job)
    assert desk.until_over(job).phase is Phase.STOPPED
    assert running_pods(kube_cluster, job) == []


@pytest.mark.parametrize("kind", KINDS)
def test_pods_that_run_on_without_their_job_are_deleted_with_it(
    desk: Desk, kube_cluster: FakeCluster, kind: str
) -> None:
    job = orphan(desk, kube_cluster, kind, FOREVER)
    desk.delete(job)
    assert held(kube_cluster) == []


def test_pods_that_lose_their_job_while_it_is_deleted_are_deleted_too(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = desk.submit(FOREVER, workers=2, options={"kind": "job"})
    desk.until_running(job)
    cluster = desk.backend._cluster
    before = desk.do(cluster.snapshot())[job]
    kube_cluster.store.delete(names.JOBS, NAMESPACE, job, propagation="Orphan")
    wait_for(lambda: not any(pod["metadata"].get("ownerReferences") for pod in pods_of(kube_cluster, job)))
    desk.do(removal.delete(cluster.connection, before, NAMESPACE))
    assert pods_of(kube_cluster, job) == []


def test_orphans_are_removed_together_with_their_pods(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = orphan(desk, kube_cluster, "job", FOREVER)
    desk.until_reason(job, "orphaned")
    removed = desk.do(desk.backend.remove_orphans())
    assert [one.kind for one in removed] == ["Pod", "Pod"]
    assert desk.until_over(job).phase is Phase.STOPPED
    assert running_pods(kube_cluster, job) == []


def test_what_orphans_write_is_recorded_by_a_process_that_comes_later(
    sit: Sit, kube_cluster: FakeCluster, tmp_path: Path
) -> None:
    door = tmp_path / "door"
    first = sit()
    wait = f"import os, time\nwhile not os.path.exists({str(door)!r}):\n    time.sleep(0.02)\nprint('through')"
    job = orphan(first, kube_cluster, "job", "print('begun')", wait)
    first.close()
    second = sit()
    assert second.until_reason(job, "orphaned").phase is Phase.RUNNING
    door.touch()
    status = second.until_over(job)
    assert status.phase is Phase.STOPPED and status.reason is not None and status.reason.code == "deleted"
    assert second.outputs(job) == ["begun\n", "through\n"]


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("finalizer", "{pod} is held by example.com/audit: whoever set that has to let it go."),
        ("node", "The node {node} of {pod} does not answer: an administrator can delete the pod by force."),
    ],
    ids=["finalizer", "node"],
)
def test_a_job_that_stays_is_said_to_be_held_by_what_holds_it(
    desk: Desk, kube_cluster: FakeCluster, why: str, said: str
) -> None:
    job = desk.submit(FOREVER, options={"grace_period_s": 1, "kind": "job"})
    desk.until_running(job)
    (pod,) = pods_of(kube_cluster, job)
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    if why == "node":
        kube_cluster.levers.lose_node(node)
    else:
        held_by = {"finalizers": [*pod["metadata"]["finalizers"], "example.com/audit"]}
        kube_cluster.store.change(names.PODS, NAMESPACE, name, lambda found: found["metadata"].update(held_by))
    cluster = desk.backend._cluster
    with pytest.raises(NotGone) as refused:
        desk.do(removal.delete(cluster.connection, desk.do(cluster.snapshot())[job], NAMESPACE, limit_s=0.5))
    assert refused.value.detail == f"The cluster still holds {name} of {job}. " + said.format(pod=name, node=node)


def test_a_node_is_said_not_to_answer_where_the_cluster_says_so() -> None:
    lost = running(deleted=30)
    stuck = read(objects(pods=[lost], now=330), spec()).reason
    assert stuck is not None and stuck.code == "stuck_pod" and "answer" not in stuck.text
    silent = {**lost, "status": {**lost["status"], "phase": "Unknown"}}
    said = read(objects(pods=[silent], now=330), spec()).reason
    assert said is not None and "has not answered" in said.text
