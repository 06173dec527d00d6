"""The server-side dry run: what the cluster says of each object of a job without creating it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....waiting import within
from ..api.api_errors import ApiError, Unreachable
from ..kinds.registry import kind_of, resource_of
from ..resources import PODS, Manifest
from ..rights.access import Access
from .cluster_facts import Outcome

if TYPE_CHECKING:
    from ..api.connection import Connection

_LIMIT_S = 10.0


async def dry_run(
    connection: Connection, manifests: Sequence[Manifest], namespace: str, access: Access
) -> list[Outcome]:
    """Validation, defaults, policies, webhooks and warnings, object by object.

    A worker's pod is tried as well where the user may create pods: what LimitRanges, Pod Security and policies say of
    pods, they say of no Job.
    """
    tried = [manifest for manifest in manifests if access.may("create", resource_of(manifest)) is not False]
    if manifests and access.may("create", PODS) is True:
        tried.append(_worker(manifests[0]))
    return list(await asyncio.gather(*(_try(connection, manifest, namespace) for manifest in tried)))


def _worker(owner: Manifest) -> Manifest:
    """One worker's pod as a controller would make it."""
    template = kind_of(owner).pod_template(owner)
    metadata = {**(template.get("metadata") or {}), "generateName": f"{owner['metadata']['name'][:50]}-0-"}
    return {"apiVersion": "v1", "kind": PODS.kind, "metadata": metadata, "spec": template["spec"]}


async def _try(connection: Connection, manifest: Manifest, namespace: str) -> Outcome:
    kind, metadata = manifest["kind"], manifest["metadata"]
    name = str(metadata.get("name") or metadata.get("generateName"))
    resource = PODS if kind == PODS.kind else resource_of(manifest)
    try:
        call = connection.create(resource.path(namespace), manifest, dry_run=True)
        answer = await within(_LIMIT_S, call)
    except asyncio.TimeoutError:
        text = f"The cluster took longer than {_LIMIT_S:.0f} s to check it."
        return Outcome(kind, name, error=Unreachable(text, hint="Try again; a webhook of the cluster may be slow."))
    except ApiError as error:
        return Outcome(kind, name, error=error)
    return Outcome(kind, name, warnings=answer.warnings, object=answer.body)
