"""Jobs that were stopped, on the tests' cluster: how they end, and that they are kept no longer than others."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from clusterjobs import FOREVER, NAMESPACE, Desk, full, held, pods_of, wait_for
from clusterobjects import ID, NOW, objects, pod, running, spec
from clusterobjects import job as cluster_job
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.recording import merging
from mlk_jupyter.backends.kubernetes.recording.followers import Followers
from mlk_jupyter.backends.kubernetes.recording.positions import Positions
from mlk_jupyter.backends.kubernetes.status.read import read
from mlk_jupyter.backends.kubernetes.status.submitted import SubmittedJob
from mlk_jupyter.model import Phase
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.replay import Replay

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


def test_a_job_that_is_stopped_before_it_started_is_not_said_to_lack_its_log(tmp_path: Path) -> None:
    unknown = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
    never = pod(0, phase="Failed", state={"terminated": unknown}, deleted=50)
    annotations = {labels.STOPPED: json.dumps({"by": "ada", "at": NOW + 20})}
    first = running(1, deleted=50)
    held_back = objects(cluster_job(2, suspend=True, annotations=annotations), pods=[never, first])
    said: list[str] = []
    followers = Followers(cast(Any, None), NAMESPACE, Positions(JobFolder(tmp_path)), lambda *_: None, said.append)
    assert not followers.sync(objects(*held_back.owners, pods=[never]), 1, over=True)
    reading = read(held_back, spec(2))
    about = SubmittedJob(id=ID, namespace=NAMESPACE, spec=spec(2), nonce="0")
    status = merging.first_status(about, "kubernetes", JobFolder(tmp_path)).model_copy(update={"started_at": NOW + 5})
    assert said == merging.what_is_missing({}, Replay({"cells": []}, job_id=ID), status, reading) == []


def test_code_that_somebody_removed_before_it_was_mounted_is_made_again(desk: Desk, kube_cluster: FakeCluster) -> None:
    with full(kube_cluster):
        job = desk.submit("print('here')", gpus=1)
        desk.until(job, lambda status: status.phase is Phase.QUEUED and bool(pods_of(kube_cluster, job)))
        kube_cluster.store.delete(names.CONFIG_MAPS, NAMESPACE, f"{job}-bundle")
    assert desk.until_over(job).phase is Phase.SUCCEEDED
    assert desk.outputs(job) == ["here\n"]
