"""The kind that restarts all ranks by itself: a JobSet of one Indexed Job. Pure."""

from __future__ import annotations

from ....worker.member import LOST_PEER
from .. import labels
from ..manifests.pod import pod_template
from ..manifests.render_context import RenderContext, owner_manifest
from ..resources import JOB_SETS, Manifest
from .indexed_job import job_spec


def job_set(context: RenderContext) -> Manifest:
    """The JobSet. It makes its own headless Service. Raises: AnnotationsTooLarge."""
    options = context.spec.cluster
    found = owner_manifest(JOB_SETS, context)
    found["spec"] = {
        **({"suspend": True} if options.queue is not None else {}),  # until Kueue admits it
        "ttlSecondsAfterFinished": options.keep_s,
        "network": {"enableDNSHostnames": True, "subdomain": context.owner, "publishNotReadyAddresses": True},
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
                    "metadata": {"labels": context.labels},
                    "spec": {
                        **job_spec(context),
                        "podFailurePolicy": {"rules": _RULES},
                        "template": pod_template(context, master=_master(context), subdomain=None),
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


def _master(context: RenderContext) -> str:
    return f"{context.owner}-{labels.REPLICATED_JOB}-0-0.{context.owner}"
