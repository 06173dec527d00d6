"""The kind that every cluster has: one Indexed Job, a headless Service that names its pods. Pure."""

from __future__ import annotations

from typing import Any

from ...objects import Manifest
from ...resources import JOBS, SERVICES
from .asked import Asked, manifest, owner_manifest
from .environment import PORT
from .pod import pod_template


def job(asked: Asked) -> Manifest:
    """The Job. Raises: AnnotationsTooLarge."""
    options = asked.spec.cluster
    found = owner_manifest(JOBS, asked)
    found["spec"] = {
        **({"suspend": True} if options.queue is not None else {}),  # until Kueue admits it
        **job_spec(asked),
        "ttlSecondsAfterFinished": options.keep_s,
        "template": pod_template(asked, master=f"{asked.owner}-0.{asked.owner}", subdomain=asked.owner),
    }
    return found


def job_spec(asked: Asked) -> dict[str, Any]:
    """What the Job has in every kind, its pods left out."""
    spec = asked.spec
    return {
        "completionMode": "Indexed",  # the pod's index is the worker's number
        "completions": spec.workers,
        "parallelism": spec.workers,
        "backoffLimit": 0,  # a replaced rank cannot rejoin its process group: the job starts again whole
        "podReplacementPolicy": "Failed",  # never two pods of one index
        **({} if spec.time_limit_s is None else {"activeDeadlineSeconds": spec.time_limit_s}),
    }


def service(asked: Asked) -> Manifest:
    """The headless Service."""
    found = manifest(SERVICES, asked.owner, asked)
    found["spec"] = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # ranks look for the first one before any of them is ready
        "selector": {**_pods_of(asked), "batch.kubernetes.io/job-name": asked.owner},
        "ports": [{"name": "master", "port": PORT, "protocol": "TCP"}],
    }
    return found


def _pods_of(asked: Asked) -> dict[str, str]:
    ours = asked.labels
    return {key: ours[key] for key in sorted(ours) if key.endswith(("/managed-by", "/job"))}
