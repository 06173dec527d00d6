"""What Kueue says of a job in its queue."""

from __future__ import annotations

from clusterobjects import job, objects
from signals import Told, evicted, pending, queued

from mlk_jupyter.backends.kubernetes.status.explain.background import Background

QUEUES = [
    queued(
        "no quota now",
        "queue_quota",
        "research",
        "4 more GPUs needed in a100",
        "2 ahead of it",
        facts=Background(ahead=2),
        **pending(
            "WaitingForQuota",
            "couldn't assign flavors to pod set worker: insufficient unused quota for "
            "nvidia.com/gpu in flavor a100, 4 more needed",
        ),
    ),
    queued(
        "never enough quota",
        "queue_quota_too_small",
        "asks 16, the most is 8",
        **pending(
            "ExceedsMaxQuota",
            "couldn't assign flavors to pod set worker: insufficient quota for nvidia.com/gpu in "
            "flavor a100, request > maximum capacity (16 > 8)",
        ),
    ),
    queued(
        "no flavor",
        "queue_flavor",
        "node affinity",
        **pending(
            "NoMatchingFlavor", "couldn't assign flavors to pod set worker: flavor spot doesn't match node affinity"
        ),
    ),
    queued(
        "topology",
        "queue_topology",
        "1 of 2 workers fit",
        **pending("TopologyPlacementFailed", 'topology "dc" allows to fit only 1 out of 2 pod(s)'),
    ),
    queued(
        "no such queue",
        "queue_missing",
        "LocalQueue research does not exist",
        **pending("Inadmissible", "LocalQueue research doesn't exist"),
    ),
    queued("queue stopped", "queue_stopped", **pending("Inadmissible", "ClusterQueue gpu is inactive")),
    queued(
        "inadmissible", "queue_inadmissible", "resources are wrong", **pending("Misconfigured", "resources are wrong")
    ),
    queued("making room", "queue_preempting", **pending("WaitingForPreemptedWorkloads", "")),
    queued("one by one", "queue_one_by_one", **pending("WaitingForPodsReady", "")),
    queued("its turn", "queue_waiting", "is next", facts=Background(ahead=0), **pending("Pending", "")),
    queued(
        "preempted in the queue",
        "queue_preempted",
        "higher priority",
        **evicted("Preempted", "to accommodate a workload"),
    ),
    queued("pods not ready", "queue_pods_ready_timeout", **evicted("PodsReadyTimeout")),
    queued("check failed", "queue_admission_check", **evicted("AdmissionCheck")),
    queued("queue drained", "queue_stopped", **evicted("ClusterQueueStopped")),
    queued("evicted otherwise", "queue_evicted", "Weather", **evicted("Weather")),
    queued("put on hold", "queue_deactivated", active=False),
    queued(
        "too long",
        "queue_time_limit",
        active=False,
        conditions=[
            ("DeactivationTarget", "MaximumExecutionTimeExceeded", "exceeding the maximum execution time", "True")
        ],
    ),
    queued(
        "tried too often",
        "queue_gave_up",
        active=False,
        conditions=[("Evicted", "DeactivatedDueToRequeuingLimitExceeded", "", "True")],
    ),
    queued(
        "check pending",
        "queue_admission_check",
        "new-nodes is pending",
        checks=[{"name": "new-nodes", "state": "Pending"}],
        conditions=[("QuotaReserved", "QuotaReserved", "", "True")],
    ),
    queued("admitted", "queue_admitted", conditions=[("QuotaReserved", "QuotaReserved", "", "True")]),
    Told("Kueue silent", objects(job(suspend=True, queue="research")), "queue_unseen", ["research"]),
]
