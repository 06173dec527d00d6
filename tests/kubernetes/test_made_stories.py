"""Stories that no recording has, made of what Kubernetes' documentation says of them: each step, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
from clusterobjects import at, condition, ended, event, failed_job, job, objects, pod, running, spec
from signals import words

from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.backends.kubernetes.status.read import Reading, read
from mlk_jupyter.model import Phase

R, F = Phase.RUNNING, Phase.FAILED

# tasks/administer-cluster/node-pressure-eviction: the pod fails with reason Evicted, with no grace period where the
# threshold is hard, and says what it used.
LOW = (
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi. Container worker was using "
    "12Gi, request is 2Gi, has larger consumption of memory. "
)
UNDER = {
    "reason": "Evicted",
    "message": LOW,
    "conditions": [condition("DisruptionTarget", "TerminationByKubelet", LOW, when=40)],
}
KILLED = {"state": {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": at(5), "finishedAt": at(40)}}}
PRESSURE = [
    (objects(job(2), pods=[running(0), running(1)]), R, None),
    (
        objects(failed_job(2), pods=[ended(0, 143, deleted=70), pod(1, phase="Failed", **KILLED, **UNDER)]),
        F,
        "Rank 1 was evicted because its node node1 ran low on memory: it used 12 GiB and had asked for 2 GiB.",
    ),
]

# concepts/architecture/nodes and workloads/pods/disruptions: the pod stays Terminating, as nobody on the node confirms
# that it ended, until somebody deletes the node.
SILENT = condition("Ready", status="False", when=100)
TAINTED = condition("DisruptionTarget", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute", when=400)
COLLECTED = condition("DisruptionTarget", "DeletionByPodGC", "PodGC: node no longer exists", when=900)


def lost(now: float, *conditions: Manifest, whole: Manifest | None = None, **more: Any) -> Objects:
    one = running(conditions=[SILENT, *conditions], **more)
    unheard = event(one, "NodeNotReady", "Node is not ready", when=100)
    return objects(whole or job(), pods=[one], events=[unheard], now=now)


LOST = [
    (objects(job(), pods=[running()]), R, None),
    (lost(145), R, "has not answered"),
    (lost(420, TAINTED, deleted=430), R, "Rank 0 was removed because its node stopped taking it"),
    (lost(600, TAINTED, deleted=430), R, "The pod of rank 0 should have ended 2 min 50 s ago."),
    (lost(910, COLLECTED, deleted=430, whole=failed_job()), F, "Rank 0 was removed because its node is gone"),
]

# concepts/extend-kubernetes/compute-storage-net/device-plugins: a container's status holds the health of its devices.
FELL_OFF = "CUDA error: GPU has fallen off the bus"
GPUS = [
    {
        "name": "nvidia.com/gpu",
        "resources": [
            {"resourceID": "GPU-1f0c", "health": "Healthy"},
            {"resourceID": "GPU-77a2", "health": "Unhealthy"},
        ],
    }
]


def with_gpus(one: Manifest) -> Manifest:
    one["status"]["containerStatuses"][0]["allocatedResourcesStatus"] = GPUS
    return one


XID = [
    (objects(job(), pods=[running()]), R, None),
    (
        objects(job(), pods=[with_gpus(running())]),
        R,
        "The cluster reports 1 device of rank 0 as unhealthy: nvidia.com/gpu GPU-77a2 on node node1.",
    ),
    (
        objects(failed_job(), pods=[with_gpus(ended(0, 1, message=words(ename="AcceleratorError", evalue=FELL_OFF)))]),
        F,
        f"Rank 0, cell 4: AcceleratorError: {FELL_OFF}",
    ),
]


def beside(one: Manifest, exit_code: int = 137, reason: str = "OOMKilled") -> Manifest:
    """The pod with another container in it, which was killed by its own memory limit."""
    one["spec"]["containers"].append({"name": "log-agent", "resources": {"limits": {"memory": "64Mi"}}})
    dead = {"exitCode": exit_code, "reason": reason, "startedAt": at(5), "finishedAt": at(20)}
    one["status"]["containerStatuses"].append({"name": "log-agent", "state": {"terminated": dead}})
    return one


def done_beside() -> Manifest:
    one = beside(ended(0, 0))
    one["status"]["phase"] = "Failed"  # workloads/pods/pod-lifecycle: at least one container ended in failure
    return one


KILLED_BESIDE = (
    "The container log-agent beside rank 0 was killed because it used more memory than its own limit of 64 MiB"
)
OTHER = [
    (objects(job(), pods=[running()]), R, None),
    (objects(job(), pods=[beside(running())]), R, f"{KILLED_BESIDE} (OOMKilled). Rank 0 goes on;"),
    (objects(failed_job(), pods=[done_beside()]), F, f"{KILLED_BESIDE} (OOMKilled). Rank 0 itself ended well;"),
]
OWN = [
    (
        objects(
            failed_job(), pods=[beside(ended(0, 137, reason="OOMKilled", limits={"memory": "2Gi"}), 0, "Completed")]
        ),
        F,
        "Rank 0 was killed because it used more memory than its limit of 2 GiB",
    ),
]

STORIES = {
    "evicted by a node under pressure": PRESSURE,
    "node lost for good": LOST,
    "XID error": XID,
    "another container killed by its own limit": OTHER,
    "our container killed by its own limit among others": OWN,
}


@pytest.mark.parametrize("story", STORIES)
def test_each_step_of_a_made_story_is_told_as_it_is(story: str) -> None:
    before: Reading | None = None
    workers = STORIES[story][0][0].owners[0]["spec"]["completions"]
    for given, phase, said in STORIES[story]:
        before = read(given, spec(workers), before=before)
        assert before.phase is phase, before.reason
        told = before.reason.text if before.reason is not None else None
        assert told == said if said is None else (told is not None and told.startswith(said)) or said in str(told), told


def test_the_peer_of_an_evicted_rank_says_whose_fault_it_was() -> None:
    whys = read(PRESSURE[-1][0], spec(2)).ranks_by_worker
    assert whys[0].why is not None and whys[0].why.startswith("Rank 0 was ended because of rank 1. Rank 1 was evicted")


def test_a_broken_gpu_is_told_beside_the_exception_that_it_made() -> None:
    reading = read(XID[-1][0], spec())
    assert reading.notices == [
        "The cluster reports 1 device of rank 0 as unhealthy: nvidia.com/gpu GPU-77a2 on node node1."
    ]
    assert reading.reason is not None and (reading.reason.hint or "").startswith("The GPU itself is at fault")


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        (
            "The node had condition: [DiskPressure]. ",
            "node_refused",
            "was refused by its node, which is under DiskPressure",
        ),
        ("The node was low on resource: pids. ", "evicted", "ran low on process numbers"),
        (
            "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 9Mi. Container "
            "log-agent was using 20Gi, request is 0, has larger consumption of ephemeral-storage. ",
            "evicted_disk",
            "ran low on disk: its container log-agent used 20 GiB and had asked for none.",
        ),
    ],
)
def test_what_a_node_ran_low_on_is_told_with_who_used_it(message: str, code: str, said: str) -> None:
    reason = read(objects(failed_job(), pods=[pod(phase="Failed", reason="Evicted", message=message)]), spec()).reason
    assert reason is not None and reason.code == code and said in reason.text, reason
