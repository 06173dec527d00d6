"""Reads what a preflight needs of a cluster: all at once, each call bounded. What may not be read is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ....errors import MlkError
from ....model import JobSpec
from ....waiting import within
from ..api.api_errors import Forbidden, NotFoundInCluster
from ..resources import (
    CLAIMS,
    CONFIG_MAPS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    SERVICE_ACCOUNTS,
    Manifest,
    Resource,
)
from ..rights.access import Access
from ..rights.discovery import Served
from .cluster_facts import ClusterFacts

if TYPE_CHECKING:
    from ..api.connection import Connection

_READ_LIMIT_S = 5.0
_LIVING = "status.phase!=Succeeded,status.phase!=Failed"
_T = TypeVar("_T")


async def look_up(
    connection: Connection, served: Served, access: Access, spec: JobSpec, namespace: str
) -> ClusterFacts:
    """What is known of the cluster, in a few parallel calls of at most 5 s each. A refusal is no error here."""
    options, reads = spec.cluster, _Reads(connection, access, namespace)
    claims = any(volume.claim for volume in options.volumes) or options.checkpoints is not None
    kueue = served.local_queues if options.queue is not None else None
    namespaced = asyncio.gather(
        reads.listed("quotas", QUOTAS),
        reads.listed("limit_ranges", LIMIT_RANGES),
        reads.listed("claims", CLAIMS) if claims else _nothing(),
        reads.listed("queues", kueue) if kueue is not None else _nothing(),
    )
    machines = asyncio.gather(
        reads.listed("nodes", NODES, keep=_node),
        reads.listed("pods", PODS, fields=_LIVING, keep=_pod),
        reads.everywhere("all_pods", PODS, fields=_LIVING, keep=_pod),
    )
    named = asyncio.gather(
        _config_maps(reads, spec),
        _service_account(reads, spec),
        _priorities(reads, spec, served),
        _namespace_labels(reads, namespace),
    )
    answers = await asyncio.gather(namespaced, machines, named)
    quotas, limit_ranges, found_claims, queues = answers[0]
    nodes, pods, all_pods = answers[1]
    config_maps, (account, pull_secrets), (priority_class, workload_priority), labels = answers[2]
    return ClusterFacts(
        namespace=namespace,
        served=served,
        access=access,
        quotas=quotas,
        limit_ranges=limit_ranges,
        claims=found_claims,
        pods=pods,
        nodes=nodes,
        all_pods=all_pods,
        queues=queues,
        config_maps=config_maps,
        service_account=account,
        account_pull_secrets=pull_secrets,
        priority_class=priority_class,
        workload_priority=workload_priority,
        namespace_labels=labels,
        unknown=reads.unknown,
    )


class _Reads:
    """Reads that end in an answer or in a reason why there is none."""

    def __init__(self, connection: Connection, access: Access, namespace: str) -> None:
        self.connection, self.access, self.namespace = connection, access, namespace
        self.unknown: dict[str, str] = {}

    async def listed(
        self,
        fact: str,
        resource: Resource,
        *,
        fields: str | None = None,
        keep: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> list[Manifest] | None:
        """All objects of a kind that the user can see; None when not known."""
        if self.access.may("list", resource) is False:
            self._without_right(fact, "list", resource)
            return None
        return await self._items(fact, resource, self.namespace, fields, keep)

    async def everywhere(
        self, fact: str, resource: Resource, *, fields: str, keep: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> list[Manifest] | None:
        """The same in all namespaces, asked for only where it is surely allowed."""
        if self.access.may_everywhere("list", resource) is not True or self.access.may("list", NODES) is False:
            self._without_right(fact, "list", resource)
            return None
        return await self._items(fact, resource, None, fields, keep)

    async def found(self, fact: str, resource: Resource, name: str) -> Manifest | bool | None:
        """One object; False when there is none, None when not known."""
        if self.access.may("get", resource) is False:
            self._without_right(fact, "get", resource)
            return None
        return await self.answered(fact, resource, "get", self._object(resource.path(self.namespace, name)))

    async def answered(self, fact: str, resource: Resource, verb: str, call: Awaitable[_T]) -> _T | None:
        try:
            return await within(_READ_LIMIT_S, call)
        except Forbidden:
            self._without_right(fact, verb, resource)
            return None
        except asyncio.TimeoutError:
            self.unknown[fact] = f"the cluster took longer than {_READ_LIMIT_S:.0f} s to answer"
        except MlkError as error:
            self.unknown[fact] = error.title[:1].lower() + error.title[1:]
        return None

    async def _items(
        self,
        fact: str,
        resource: Resource,
        namespace: str | None,
        fields: str | None,
        keep: Callable[[dict[str, Any]], dict[str, Any]] | None,
    ) -> list[Manifest] | None:
        call = self.connection.list(resource.path(namespace), fields=fields, keep=keep)
        listing = await self.answered(fact, resource, "list", call)
        return None if listing is None else listing.items

    async def _object(self, path: str) -> Manifest | bool:
        try:
            return await self.connection.get(path)
        except NotFoundInCluster:
            return False

    def _without_right(self, fact: str, verb: str, resource: Resource) -> None:
        self.unknown[fact] = f"there is no right to {verb} {resource.plural}"


async def _nothing() -> list[Manifest] | None:
    """In place of a read that this job does not need."""
    return None


async def _config_maps(reads: _Reads, spec: JobSpec) -> dict[str, bool | None]:
    names = list(dict.fromkeys(entry.config_map for entry in spec.cluster.env_from if entry.config_map))
    found = await asyncio.gather(*(reads.found("config_maps", CONFIG_MAPS, name) for name in names))
    return {name: _exists(one) for name, one in zip(names, found, strict=True)}


async def _service_account(reads: _Reads, spec: JobSpec) -> tuple[bool | None, list[str]]:
    """Whether it exists, and the pull secrets that it brings along."""
    found = await reads.found("service_account", SERVICE_ACCOUNTS, spec.cluster.service_account or "default")
    secrets = found.get("imagePullSecrets") or [] if isinstance(found, dict) else []
    return _exists(found), [str(secret.get("name")) for secret in secrets]


async def _priorities(reads: _Reads, spec: JobSpec, served: Served) -> tuple[bool | None, bool | None]:
    """Whether the PriorityClass and the WorkloadPriorityClass exist."""
    name, kueue = spec.cluster.priority, served.workload_priority_classes
    if name is None:
        return None, None
    plain = reads.found("priority_class", PRIORITY_CLASSES, name)
    if spec.cluster.queue is None or kueue is None:
        return _exists(await plain), None
    one, other = await asyncio.gather(plain, reads.found("workload_priority", kueue, name))
    return _exists(one), _exists(other)


async def _namespace_labels(reads: _Reads, namespace: str) -> dict[str, str] | None:
    found = await reads.found("namespace_labels", NAMESPACES, namespace)
    if not isinstance(found, dict):
        return None
    labels = (found.get("metadata") or {}).get("labels") or {}
    return {str(key): str(value) for key, value in labels.items()}


def _exists(found: Manifest | bool | None) -> bool | None:
    return found if isinstance(found, bool) or found is None else True


def _pod(pod: dict[str, Any]) -> dict[str, Any]:
    """What a pod takes of its node, and which claims it mounts: nothing of what runs in it."""
    metadata, spec, status = pod.get("metadata") or {}, pod.get("spec") or {}, pod.get("status") or {}
    volumes = [one for one in spec.get("volumes") or [] if one.get("persistentVolumeClaim")]
    kept = {
        part: [{key: one[key] for key in ("resources", "restartPolicy") if key in one} for one in spec.get(part) or []]
        for part in ("containers", "initContainers")
    }
    return {
        "metadata": {"name": metadata.get("name"), "namespace": metadata.get("namespace")},
        "spec": {**kept, "nodeName": spec.get("nodeName"), "overhead": spec.get("overhead"), "volumes": volumes},
        "status": {"phase": status.get("phase")},
    }


def _node(node: dict[str, Any]) -> dict[str, Any]:
    """A node without the list of its images, which is most of it."""
    metadata, spec, status = node.get("metadata") or {}, node.get("spec") or {}, node.get("status") or {}
    return {
        "metadata": {"name": metadata.get("name"), "labels": metadata.get("labels") or {}},
        "spec": {key: spec[key] for key in ("taints", "unschedulable") if key in spec},
        "status": {key: status[key] for key in ("allocatable", "capacity", "conditions") if key in status},
    }
