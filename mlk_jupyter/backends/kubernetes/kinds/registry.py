"""The Kubernetes shapes of a job: what is asked, as objects to create. Pure; the same input gives the same bytes."""

from __future__ import annotations

import base64
import copy
from typing import Literal, TypeAlias

from .. import labels
from ..manifests.network import host_to_resolve, network_policy, notices
from ..manifests.render_context import AnnotationsTooLarge, RenderContext, manifest
from ..manifests.yaml_dump import as_yaml
from ..resources import CONFIG_MAPS, Manifest
from . import indexed_job, job_set

__all__ = [
    "AnnotationsTooLarge",
    "Kind",
    "RenderContext",
    "as_yaml",
    "host_to_resolve",
    "notices",
    "owned_by",
    "render",
]

Kind: TypeAlias = Literal["Job", "JobSet"]


def render(context: RenderContext, kind: Kind) -> list[Manifest]:
    """The objects of one attempt in the order to create them. The first owns the others (see `owned_by`).

    Raises: AnnotationsTooLarge.
    """
    if kind == "JobSet":
        found = [job_set.job_set(context), _bundle(context)]
    else:
        found = [indexed_job.job(context), _bundle(context), indexed_job.service(context)]
    if context.spec.cluster.network is not None:
        found.append(network_policy(context))
    return found


def owned_by(item: Manifest, owner: Manifest) -> Manifest:
    """The same object, to be removed by the cluster when `owner`, as the cluster has created it, is gone.

    `blockOwnerDeletion` is left out: with it, some clusters (OpenShift) ask for a right that nobody needs otherwise.
    """
    found = copy.deepcopy(item)
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    found["metadata"]["ownerReferences"] = [reference]
    return found


def _bundle(context: RenderContext) -> Manifest:
    found = manifest(CONFIG_MAPS, labels.bundle_name(context.owner), context)
    found["immutable"] = True
    found["binaryData"] = {"bundle.pyz": base64.b64encode(context.bundle).decode("ascii")}
    return found
