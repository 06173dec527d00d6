"""The kind that every cluster has: one Indexed Job, a headless Service that names its pods. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....model import JobSpec
from ..manifests.environment import PORT
from ..manifests.pod import pod_template
from ..manifests.render_context import RenderContext, manifest, owner_manifest
from ..resources import JOBS, SERVICES, Manifest
from .base import JobKind


class IndexedJob(JobKind):
    """A Job whose pods are the workers."""

    resource = JOBS
    creates = (SERVICES,)
    deadline = ("spec", "activeDeadlineSeconds")

    def preference(self, spec: JobSpec) -> int:
        return 1

    def render(self, context: RenderContext) -> list[Manifest]:
        options = context.spec.cluster
        job = owner_manifest(JOBS, context)
        job["spec"] = {
            **({"suspend": True} if options.queue is not None else {}),  # until Kueue admits it
            **job_spec(context),
            "ttlSecondsAfterFinished": options.keep_s,
            "template": pod_template(context, master=f"{context.owner}-0.{context.owner}", subdomain=context.owner),
        }
        return [job, _service(context)]

    def pod_template(self, owner: Manifest) -> Manifest:
        template: Manifest = owner["spec"]["template"]
        return template

    def job_of(self, owner: Manifest | None, children: Sequence[Manifest]) -> Manifest | None:
        return owner


def job_spec(context: RenderContext) -> dict[str, Any]:
    """What a Job of ours has wherever it stands, its pods left out."""
    spec = context.spec
    return {
        "completionMode": "Indexed",  # the pod's index is the worker's number
        "completions": spec.workers,
        "parallelism": spec.workers,
        "backoffLimit": 0,  # a replaced rank cannot rejoin its process group: the job starts again whole
        "podReplacementPolicy": "Failed",  # never two pods of one index
        **({} if spec.time_limit_s is None else {"activeDeadlineSeconds": spec.time_limit_s}),
    }


def _service(context: RenderContext) -> Manifest:
    found = manifest(SERVICES, context.owner, context)
    found["spec"] = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # ranks look for the first one before any of them is ready
        "selector": {**_pods_of(context), "batch.kubernetes.io/job-name": context.owner},
        "ports": [{"name": "master", "port": PORT, "protocol": "TCP"}],
    }
    return found


def _pods_of(context: RenderContext) -> dict[str, str]:
    ours = context.labels
    return {key: ours[key] for key in sorted(ours) if key.endswith(("/managed-by", "/job"))}
