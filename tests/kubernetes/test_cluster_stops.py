"""Jobs that were stopped, on the tests' cluster: how they end, and that they are kept no longer than others."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from clusterjobs import FOREVER, NAMESPACE, Desk, held, pods_of, wait_for
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.model import Phase

Sit = Callable[..., Desk]
Object = dict[str, Any]


def stopped(desk: Desk, kind: str) -> str:
    job = desk.submit(FOREVER, options={"kind": kind, "keep_s": 60})
    desk.until_running(job)
    desk.stop(job)
    status = desk.until_over(job)
    assert status.phase is Phase.STOPPED and status.reason is not None and status.reason.text == "ada stopped it."
    return job


def test_a_job_that_was_stopped_is_over_for_the_cluster_which_removes_it_when_its_time_is_up(
    desk: Desk, kube_cluster: FakeCluster
) -> None:
    job = stopped(desk, "job")
    desk.close()

    def age(found: Object) -> None:
        failed = next(one for one in found["status"]["conditions"] if one["type"] == "Failed")
        assert failed["reason"] == "DeadlineExceeded" and not found["spec"].get("suspend")
        failed["lastTransitionTime"] = "2020-01-01T00:00:00Z"

    wait_for(lambda: (kube_cluster.store.get(names.JOBS, NAMESPACE, job).get("status") or {}).get("conditions"))
    kube_cluster.store.change(names.JOBS, NAMESPACE, job, age)
    wait_for(lambda: held(kube_cluster) == [])


def test_a_stopped_job_that_is_suspended_is_removed_by_whoever_looks_when_its_time_is_up(
    sit: Sit, kube_cluster: FakeCluster
) -> None:
    desk = sit()
    job = stopped(desk, "jobset")
    young = desk.submit("1", options={"kind": "jobset", "keep_s": 60})
    desk.until_over(young)
    assert kube_cluster.store.get(names.JOB_SETS, NAMESPACE, job)["spec"]["suspend"] is True

    def age(found: Object) -> None:
        said = json.loads(found["metadata"]["annotations"][labels.STOPPED])
        said["at"] = datetime.now(timezone.utc).timestamp() - 61
        found["metadata"]["annotations"][labels.STOPPED] = json.dumps(said)

    kube_cluster.store.change(names.JOB_SETS, NAMESPACE, job, age)
    wait_for(lambda: [one["metadata"]["name"] for one in held(kube_cluster, names.JOB_SETS)] == [young])
    wait_for(lambda: pods_of(kube_cluster, job) == [])
    assert desk.status(job).phase is Phase.STOPPED, "its record stays"
