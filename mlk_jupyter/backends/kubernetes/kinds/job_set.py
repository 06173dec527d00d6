"""The kind that restarts all ranks by itself: a JobSet of one Indexed Job. Pure."""

from __future__ import annotations

from typing import ClassVar

from ....model import JobSpec, Reason
from ....text import counted
from ....worker.member import LOST_PEER
from .. import labels
from ..manifests.pod import pod_template
from ..manifests.render_context import RenderContext, owner_manifest
from ..resources import Manifest, Resource
from .base import JobKind
from .fields import annotation, holds, label, number, status
from .indexed_job import job_spec

_RESTART = "jobset.sigs.k8s.io/restart-attempt"
_WORKER = "worker"  # name of the only replicatedJob
# The first rule that fits decides. A pod that was preempted, evicted or lost with its node fails with whatever exit
# code its ranks found in time, so it is known by its condition. Ranks of other pods that lost their connection to it
# say so by a code of their own; which of the pods fails first is chance.
_RULES = [
    {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "Count", "onExitCodes": {"containerName": labels.CONTAINER, "operator": "In", "values": [LOST_PEER]}},
    {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [LOST_PEER]}},
]


class JobSet(JobKind):
    """A JobSet, which makes a Job and a headless Service."""

    noun = "a job that restarts whole"
    restarts_itself = True
    condition_types: ClassVar = {"Completed": "Complete"}
    refusals = ("FailedCreate", "JobCreationFailed")
    resource = Resource("jobset.x-k8s.io", "v1alpha2", "jobsets", "JobSet")

    def preference(self, spec: JobSpec) -> int:
        return 2 if spec.cluster.retries else 0

    def render(self, context: RenderContext) -> list[Manifest]:
        options = context.spec.cluster
        master = f"{context.owner}-{_WORKER}-0-0.{context.owner}"
        job = {
            **job_spec(context),
            "podFailurePolicy": {"rules": _RULES},
            "template": pod_template(context, master=master, subdomain=None),
        }
        job_set = owner_manifest(self.resource, context)
        job_set["spec"] = {
            **({"suspend": True} if options.queue is not None else {}),  # until Kueue admits it
            "ttlSecondsAfterFinished": options.keep_s,
            "network": {"enableDNSHostnames": True, "subdomain": context.owner, "publishNotReadyAddresses": True},
            "failurePolicy": {
                "maxRestarts": options.retries,
                "restartStrategy": "BlockingRecreate",  # no rank of the next attempt meets one of the last
                # Any other reason restarts all ranks: the one rule of the Job that counts a pod is that of disruption.
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
                    "name": _WORKER,
                    "replicas": 1,
                    "template": {"metadata": {"labels": context.labels}, "spec": job},
                }
            ],
        }
        return [job_set]

    def pod_template(self, owner: Manifest) -> Manifest:
        template: Manifest = owner["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
        return template

    def number_of(self, owner: Manifest) -> int:
        return _restarts(owner) + 1

    def attempt_of(self, item: Manifest) -> int:
        restart = number(label(item, _RESTART) or annotation(item, _RESTART))
        return super().attempt_of(item) if restart is None else restart + 1

    def explain_failure(self, owner: Manifest) -> Reason | None:
        failed = holds(owner, "Failed")
        if failed is None or failed.get("reason") != "ReachedMaxRestarts":
            return None
        text = f"All ranks were started again {counted(_restarts(owner), 'time')}, as often as allowed."
        return Reason(code="restarts_used_up", text=text, hint="See the log of the attempts.")


def _restarts(owner: Manifest) -> int:
    return number(status(owner).get("restarts")) or 0
