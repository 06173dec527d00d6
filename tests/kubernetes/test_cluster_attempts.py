"""All ranks start again together after what was nobody's fault, on the tests' cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from clusterjobs import FOREVER, NAMESPACE, Desk, held, pods_of, wait_for
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.model import JobStatus, Phase

Sit = Callable[..., Desk]
RESUMES = (
    "import os, pathlib, time, mlk_jupyter\n"
    "step = pathlib.Path(mlk_jupyter.checkpoint_dir()) / f'step-{os.environ[\"RANK\"]}'\n"
    "if step.exists():\n"
    "    print('resumed after', step.read_text())\n"
    "else:\n"
    "    step.write_text('7')\n"
    "    print('fresh', flush=True)\n"
    "    time.sleep(600)"
)


def claim(cluster: FakeCluster) -> str:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "v"}
    cluster.create(names.CLAIMS, {"metadata": {"name": "kept"}, "spec": spec}, NAMESPACE)
    return "kept"


def interrupted(desk: Desk, cluster: FakeCluster, disturb: Callable[[dict[str, Any]], None], **spec: Any) -> JobStatus:
    """How a job ends that is disturbed once both ranks have begun."""
    job = desk.submit(RESUMES, workers=2, options={"retries": 1, "checkpoints": claim(cluster), **spec})
    desk.until_running(job)
    desk.look_at(job, 1)
    wait_for(lambda: desk.folder(job).read_log(1, 0, 100)[0].startswith(b"fresh"))
    disturb(pods_of(cluster, job)[1])
    return desk.until_over(job)


@pytest.mark.parametrize(
    ("how", "code"),
    [("preempted", "preempted"), ("drained", "drained"), ("evicted", "evicted_disk"), ("lost", "node_gone")],
)
def test_after_a_loss_the_next_attempt_goes_on_from_the_checkpoints(
    sit: Sit, plain_cluster: FakeCluster, how: str, code: str
) -> None:
    levers = plain_cluster.levers
    disturb = {
        "preempted": levers.preempt,
        "drained": levers.evict,
        "evicted": lambda pod: levers.evict(pod, "TerminationByKubelet"),
        "lost": lambda pod: levers.lose_node(pod["spec"]["nodeName"], gone=True),
    }[how]
    desk = sit()
    status = interrupted(desk, plain_cluster, disturb)
    assert status.phase is Phase.SUCCEEDED, (status.reason, status.attempts, status.ranks)
    assert status.attempt == 2 and [one.number for one in status.attempts] == [1]
    assert status.attempts[0].reason.code == code, status.attempts
    assert desk.outputs(status.id) == ["resumed after 7\n"]
    made = {one["metadata"]["name"] for one in held(plain_cluster, names.JOBS)}
    assert made == {status.id, f"{status.id}-r2"}
    assert desk.seen[status.id].attempt == 2
    phases = [step.phase for step in status.timeline]
    assert phases.count(Phase.SUCCEEDED) == 1 and phases[-1] is Phase.SUCCEEDED
    assert phases.count(Phase.RUNNING) == 2, phases
    desk.delete(status.id)
    assert held(plain_cluster) == []


def test_an_attempt_is_not_repeated_after_the_notebooks_own_exception(sit: Sit, plain_cluster: FakeCluster) -> None:
    desk = sit()
    job = desk.submit("1 / 0", workers=2, options={"retries": 3})
    status = desk.until_over(job)
    assert status.phase is Phase.FAILED and status.attempt == 1 and status.attempts == []
    assert "ZeroDivisionError" in (status.error or "")
    assert len(held(plain_cluster, names.JOBS)) == 1


def test_retries_that_are_used_up_end_the_job_with_the_last_reason(sit: Sit, plain_cluster: FakeCluster) -> None:
    desk = sit()
    job = desk.submit(FOREVER, options={"retries": 1})
    for attempt in (1, 2):
        desk.until(job, lambda status, number=attempt: status.attempt == number and status.phase is Phase.RUNNING)
        (pod,) = pods_of(plain_cluster, job, attempt)
        plain_cluster.levers.preempt(pod)
    status = desk.until_over(job)
    assert status.phase is Phase.FAILED and status.attempt == 2
    assert status.reason is not None and status.reason.code == "preempted"


def test_a_job_stopped_between_two_attempts_gets_no_other(sit: Sit, plain_cluster: FakeCluster) -> None:
    desk = sit()
    job = desk.submit(FOREVER, options={"retries": 1})
    desk.until_running(job)
    with plain_cluster.fault("throttle", seconds=1, methods=("POST",), path=r"/jobs\?(?!.*dryRun)") as fault:
        plain_cluster.levers.preempt(pods_of(plain_cluster, job)[0])
        waiting = desk.until_reason(job, "restarting")
        assert waiting.phase is Phase.QUEUED and waiting.attempt == 2
        wait_for(lambda: fault.met)
        desk.stop(job)
        status = desk.until_over(job)
    assert status.phase is Phase.STOPPED and status.reason is not None
    assert status.reason.text.startswith("ada stopped it.")
    wait_for(lambda: not [name for name in desk.tasks() if "attempt" in name], desk.tasks)
    wait_for(lambda: len(held(plain_cluster, names.JOBS)) == 1)
    assert desk.status(job).phase is Phase.STOPPED


def test_a_job_set_starts_its_ranks_again_by_itself(desk: Desk, kube_cluster: FakeCluster) -> None:
    status = interrupted(desk, kube_cluster, kube_cluster.levers.preempt)
    assert status.phase is Phase.SUCCEEDED and status.attempt == 2, status
    assert desk.outputs(status.id) == ["resumed after 7\n"]
    assert [one["metadata"]["name"] for one in held(kube_cluster, names.JOB_SETS)] == [status.id]
    assert [one.number for one in status.attempts] == [1]
    desk.delete(status.id)
    assert held(kube_cluster) == []
