"""The kind that every cluster has: one Indexed Job, a headless Service that names its pods. Pure."""

from __future__ import annotations

from typing import Any

from ..manifests.environment import PORT
from ..manifests.pod import pod_template
from ..manifests.render_context import RenderContext, manifest, owner_manifest
from ..resources import JOBS, SERVICES, Manifest


def job(context: RenderContext) -> Manifest:
    """The Job. Raises: AnnotationsTooLarge."""
    options = context.spec.cluster
    found = owner_manifest(JOBS, context)
    found["spec"] = {
        **({"suspend": True} if options.queue is not None else {}),  # until Kueue admits it
        **job_spec(context),
        "ttlSecondsAfterFinished": options.keep_s,
        "template": pod_template(context, master=f"{context.owner}-0.{context.owner}", subdomain=context.owner),
    }
    return found


def job_spec(context: RenderContext) -> dict[str, Any]:
    """What the Job has in every kind, its pods left out."""
    spec = context.spec
    return {
        "completionMode": "Indexed",  # the pod's index is the worker's number
        "completions": spec.workers,
        "parallelism": spec.workers,
        "backoffLimit": 0,  # a replaced rank cannot rejoin its process group: the job starts again whole
        "podReplacementPolicy": "Failed",  # never two pods of one index
        **({} if spec.time_limit_s is None else {"activeDeadlineSeconds": spec.time_limit_s}),
    }


def service(context: RenderContext) -> Manifest:
    """The headless Service."""
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
