"""The kind that restarts all ranks by itself: a JobSet of one Indexed Job. Pure."""

from __future__ import annotations

from .....worker.member import LOST_PEER
from ... import labels
from ...objects import Manifest
from ...resources import JOB_SETS
from .asked import Asked, owner_manifest
from .indexed_job import job_spec
from .pod import pod_template


def job_set(asked: Asked) -> Manifest:
    """The JobSet. It makes its own headless Service. Raises: AnnotationsTooLarge."""
    options = asked.spec.cluster
    found = owner_manifest(JOB_SETS, asked)
    found["spec"] = {
        **({"suspend": True} if options.queue is not None else {}),  # until Kueue admits it
        "ttlSecondsAfterFinished": options.keep_s,
        "network": {"enableDNSHostnames": True, "subdomain": asked.owner, "publishNotReadyAddresses": True},
        "failurePolicy": {
            "maxRestarts": options.retries,
            "restartStrategy": "BlockingRecreate",  # no rank of the next attempt meets one of the last
            # Any other reason restarts all ranks: the one rule of the Job that counts a pod is the one for disruption.
            "rules": [
                {
                    "name": "ownFailure",
                    "action": "FailJobSet",
                    "onJobFailureReasons": ["PodFailurePolicy", "DeadlineExceeded"],
                }
            ],
        },
        "replicatedJobs": [
            {
                "name": labels.REPLICATED_JOB,
                "replicas": 1,
                "template": {
                    "metadata": {"labels": asked.labels},
                    "spec": {
                        **job_spec(asked),
                        "podFailurePolicy": {"rules": _RULES},
                        "template": pod_template(asked, master=_master(asked), subdomain=None),
                    },
                },
            }
        ],
    }
    return found


# The first rule that fits decides. A pod that was preempted, evicted or lost with its node fails with whatever exit
# code its ranks found in time, so it is known by its condition. Ranks of other pods that lost their connection to it
# say so by a code of their own; which of the pods fails first is chance.
_RULES = [
    {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "Count", "onExitCodes": {"containerName": labels.CONTAINER, "operator": "In", "values": [LOST_PEER]}},
    {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [LOST_PEER]}},
]


def _master(asked: Asked) -> str:
    return f"{asked.owner}-{labels.REPLICATED_JOB}-0-0.{asked.owner}"
