"""The Kubernetes shapes of a job: what is asked, as objects to create. Pure; the same input gives the same bytes."""

from __future__ import annotations

import base64
import copy
from typing import Literal, TypeAlias

from ... import labels
from ...objects import Manifest
from ...resources import CONFIG_MAPS
from ...written import as_yaml
from . import indexed_job, job_set
from .asked import AnnotationsTooLarge, Asked, manifest
from .network import host_to_resolve, network_policy, notices

__all__ = [
    "AnnotationsTooLarge",
    "Asked",
    "Kind",
    "as_yaml",
    "host_to_resolve",
    "notices",
    "owned_by",
    "render",
]

Kind: TypeAlias = Literal["Job", "JobSet"]


def render(asked: Asked, kind: Kind) -> list[Manifest]:
    """The objects of one attempt in the order to create them. The first owns the others (see `owned_by`).

    Raises: AnnotationsTooLarge.
    """
    if kind == "JobSet":
        found = [job_set.job_set(asked), _bundle(asked)]
    else:
        found = [indexed_job.job(asked), _bundle(asked), indexed_job.service(asked)]
    if asked.spec.cluster.network is not None:
        found.append(network_policy(asked))
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


def _bundle(asked: Asked) -> Manifest:
    found = manifest(CONFIG_MAPS, labels.bundle_name(asked.owner), asked)
    found["immutable"] = True
    found["binaryData"] = {"bundle.pyz": base64.b64encode(asked.bundle).decode("ascii")}
    return found
