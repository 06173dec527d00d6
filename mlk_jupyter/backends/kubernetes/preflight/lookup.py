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

_LIVING = "status.phase!=Succeeded,status.phase!=Failed"
_T = TypeVar("_T")


async def look_up(
    connection: Connection, served: Served, access: Access, spec: JobSpec, namespace: str, *, limit_s: float = 5.0
) -> ClusterFacts:
    """What is known of the cluster, in a few parallel calls of at most `limit_s` each. A refusal is no error here."""
    options, reads = spec.cluster, _Reads(connection, access, namespace, limit_s)
    kueue, classes = served.local_queues, served.workload_priority_classes
    priority, queued = options.priority, options.queue is not None
    wanted: dict[str, Awaitable[Any]] = {
        "quotas": reads.listed("quotas", QUOTAS),
        "limit_ranges": reads.listed("limit_ranges", LIMIT_RANGES),
        "nodes": reads.listed("nodes", NODES, keep=_node),
        "pods": reads.listed("pods", PODS, fields=_LIVING, keep=_pod),
        "all_pods": reads.everywhere("all_pods", PODS, fields=_LIVING, keep=_pod),
        "config_maps": _config_maps(reads, spec),
        "service_account": reads.found("service_account", SERVICE_ACCOUNTS, options.service_account or "default"),
        "namespace_labels": reads.found("namespace_labels", NAMESPACES, namespace),
    }
    if any(volume.claim for volume in options.volumes) or options.checkpoints is not None:
        wanted["claims"] = reads.listed("claims", CLAIMS)
    if queued and kueue is not None:
        wanted["queues"] = reads.listed("queues", kueue)
    if priority is not None:
        wanted["priority_class"] = reads.exists("priority_class", PRIORITY_CLASSES, priority)
        if queued and classes is not None:
            wanted["workload_priority"] = reads.exists("workload_priority", classes, priority)
    found = dict(zip(wanted, await asyncio.gather(*wanted.values()), strict=True))
    account, own = found["service_account"], found["namespace_labels"]
    found["service_account"] = _exists(account)
    found["account_pull_secrets"] = [str(one.get("name")) for one in (account or {}).get("imagePullSecrets") or []]
    found["namespace_labels"] = ((own.get("metadata") or {}).get("labels") or {}) if own else None
    return ClusterFacts(namespace=namespace, served=served, access=access, unknown=reads.unknown, **found)


class _Reads:
    """Reads that end in an answer or in a reason why there is none."""

    def __init__(self, connection: Connection, access: Access, namespace: str, limit_s: float) -> None:
        self.connection, self.access, self.namespace, self.limit_s = connection, access, namespace, limit_s
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

    async def found(self, fact: str, resource: Resource, name: str) -> Manifest | None:
        """One object; empty when there is none, None when not known."""
        if self.access.may("get", resource) is False:
            self._without_right(fact, "get", resource)
            return None
        return await self.answered(fact, resource, "get", self._object(resource.path(self.namespace, name)))

    async def exists(self, fact: str, resource: Resource, name: str) -> bool | None:
        """Whether there is such an object; None when not known."""
        return _exists(await self.found(fact, resource, name))

    async def answered(self, fact: str, resource: Resource, verb: str, call: Awaitable[_T]) -> _T | None:
        try:
            return await within(self.limit_s, call)
        except Forbidden:
            self._without_right(fact, verb, resource)
            return None
        except asyncio.TimeoutError:
            self.unknown[fact] = f"the cluster took longer than {self.limit_s:.0f} s to answer"
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

    async def _object(self, path: str) -> Manifest:
        try:
            return await self.connection.get(path)
        except NotFoundInCluster:
            return {}

    def _without_right(self, fact: str, verb: str, resource: Resource) -> None:
        self.unknown[fact] = f"there is no right to {verb} {resource.plural}"


async def _config_maps(reads: _Reads, spec: JobSpec) -> dict[str, bool | None]:
    names = list(dict.fromkeys(entry.config_map for entry in spec.cluster.env_from if entry.config_map))
    found = await asyncio.gather(*(reads.exists("config_maps", CONFIG_MAPS, name) for name in names))
    return dict(zip(names, found, strict=True))


def _exists(found: Manifest | None) -> bool | None:
    return None if found is None else bool(found)


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
