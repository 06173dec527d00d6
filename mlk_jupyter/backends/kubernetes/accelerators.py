"""What accelerators a cluster has, who holds them and what they do: as much of it as this person may see."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadInput, MlkError
from ...gpus.exposition import BadExposition, uses
from ...gpus.readings import Use
from ...gpus.stock import Allocation, Node, Resource, SourceState, Stock
from ...quantities import whole
from ...threads import in_thread
from ...waiting import within
from .api.api_errors import ApiError, Forbidden
from .api.connection import Connection
from .gpu_objects import allocations_of, kept_of_pod, nodes_of, vendor_of, with_devices
from .hardware import Inventory
from .resources import PODS, QUOTAS, RESOURCE_CLAIMS, RESOURCE_SLICES
from .rights.access import Access
from .rights.discovery import Served

if TYPE_CHECKING:
    from ...gpus.prometheus import Prometheus

DECLARED = "MLK_GPU_INVENTORY"
"""Names a file with the nodes of a cluster, as `kubectl get nodes -o json` writes it, where they may not be listed."""
_NODES_FRESH_S = 60.0
_LIMIT_S = 10.0
_AT_A_TIME = 8
_MOST_EXPORTERS = 200
_MOST_BYTES = 32 * 1024 * 1024
_PORT = 9400
# By whom NVIDIA's operator, its chart and Google's managed package are found: (label, values).
_EXPORTERS = (
    ("app", ("nvidia-dcgm-exporter", "dcgm-exporter")),
    ("app.kubernetes.io/name", ("dcgm-exporter", "gke-managed-dcgm-exporter")),
)
_NO_RIGHT = "An administrator applies what `mlk render rbac --gpu-holders` prints."


@dataclass(frozen=True)
class _Exporter:
    namespace: str
    pod: str
    port: int
    node: str | None


class Accelerators:
    """Of one cluster, seen from one namespace."""

    def __init__(
        self,
        connection: Connection,
        inventory: Inventory,
        namespace: str,
        prometheus: Prometheus | MlkError | None = None,
    ) -> None:
        """
        Args: prometheus: asked for figures before the exporters are; an error: why the configured one cannot be.
        """
        self._connection, self._inventory, self._namespace = connection, inventory, namespace
        self._prometheus = prometheus

    async def stock(self, backend: str, title: str, served: Served, access: Access) -> Stock:
        """What there is now: nodes some 60 s old at most, pods as they are.

        Raises: ApiError when the cluster does not answer.
        """
        (nodes, why), (allocations, exporters, seen) = await asyncio.gather(self._nodes(access), self._pods(access))
        is_whole = why is None
        if is_whole:
            nodes, claimed = await self._claims(nodes, served, access)
            allocations += claimed
        elif not nodes:
            nodes, allocations = await self._quota(access, allocations)
        found, states = await self._figures(exporters, access, {node.name for node in nodes} if is_whole else None)
        hint = None if why is None and seen is None else _NO_RIGHT
        return Stock(
            backend,
            title,
            time.time(),
            nodes,
            allocations,
            found,
            states,
            is_whole and seen is None,
            why or seen,
            hint,
        )

    async def _nodes(self, access: Access) -> tuple[Sequence[Node], str | None]:
        """The nodes, and why not all is known of them."""
        there = await self._inventory.hardware(access, _NODES_FRESH_S)
        if there.nodes is None:
            declared = os.environ.get(DECLARED)
            return (await in_thread(declared_nodes, Path(declared)) if declared else ()), there.why
        return there.nodes, None

    async def _claims(
        self, nodes: Sequence[Node], served: Served, access: Access
    ) -> tuple[Sequence[Node], list[Allocation]]:
        """The nodes with what drivers offer there, and who claims it: few clusters have either."""
        may = access.may("list", RESOURCE_SLICES), access.may_everywhere("list", RESOURCE_CLAIMS)
        if not served.dra or False in may:
            return nodes, []
        try:
            slices = await self._connection.list(RESOURCE_SLICES.path())
            claims = await self._connection.list(RESOURCE_CLAIMS.path()) if slices.items else slices
        except ApiError:  # what device plugins offer is known without
            return nodes, []
        return with_devices(nodes, slices.items, claims.items)

    async def _pods(self, access: Access) -> tuple[list[Allocation], list[_Exporter], str | None]:
        """Who holds accelerators, who tells of them, and why not all are seen."""
        everywhere = access.may_everywhere("list", PODS) is not False
        for namespace in ([None] if everywhere else []) + [self._namespace]:
            try:
                listing = await self._connection.list(PODS.path(namespace), fields=_NOT_OVER, keep=_kept)
            except Forbidden:
                if namespace is not None:
                    return [], [], "The right to list pods is missing, so who holds GPUs is not known."
                continue
            exporters = [one["exporter"] for one in listing.items if "exporter" in one]
            allocations = allocations_of(one["pod"] for one in listing.items if "pod" in one)
            only = f"Only pods of {self._namespace} may be listed, so what others hold is not known."
            return allocations, exporters, None if namespace is None else only
        raise AssertionError("one namespace was asked at least")

    async def _quota(self, access: Access, allocations: list[Allocation]) -> tuple[list[Node], list[Allocation]]:
        """What the namespace may have of accelerators, as if that were a node: all that is known where none is seen."""
        if access.may("list", QUOTAS) is False:
            return [], allocations
        try:
            listing = await self._connection.list(QUOTAS.path(self._namespace))
        except ApiError:
            return [], allocations
        least: dict[str, int] = {}
        for quota in listing.items:
            hard = (quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard") or {}
            for name, amount in hard.items():
                # `limits.nvidia.com/gpu` and the bare name are accepted, and bind nobody.
                resource = str(name).removeprefix("requests.")
                if str(name).startswith("requests.") and vendor_of(resource):
                    count = _count(amount)
                    least[resource] = min(least.get(resource, count), count)
        if not least:
            return [], allocations
        name = f"quota of {self._namespace}"
        node = Node(name, tuple(Resource(one, count, vendor=vendor_of(one)) for one, count in least.items()))
        return [node], [replace(one, node=name) for one in allocations]

    async def _figures(
        self, exporters: list[_Exporter], access: Access, nodes: Set[str] | None
    ) -> tuple[list[Use], list[SourceState]]:
        """What GPUs do, by Prometheus, else by the exporters.

        Args: nodes: those of this cluster, where all are known: a Prometheus may know several clusters.
        """
        if self._prometheus is None:
            found, state = await self._scraped(exporters, access)
            return found, [state]
        if isinstance(self._prometheus, MlkError):
            state = SourceState("Prometheus", False, self._prometheus.detail, self._prometheus.hint)
            found, other = await self._scraped(exporters, access)
            return found, [state, other]
        state = await self._prometheus.state()
        try:
            if state.answers and (found := await self._prometheus.uses()):
                return [use for use in found if nodes is None or use.node is None or use.node in nodes], [state]
        except MlkError as error:
            state = replace(state, answers=False, why=f"{error.title}: {error.detail}", hint=error.hint)
        found, other = await self._scraped(exporters, access)
        return found, [state, other]

    async def _scraped(self, exporters: list[_Exporter], access: Access) -> tuple[list[Use], SourceState]:
        """What the exporters tell, asked through the API server."""
        if not exporters:
            return [], SourceState(
                "dcgm-exporter",
                False,
                "No pod of dcgm-exporter is seen in this cluster.",
                "Install NVIDIA's GPU operator or dcgm-exporter, or set MLK_PROMETHEUS_URL.",
            )
        if access.may_everywhere("get", PODS, "proxy") is False:
            why = "The right to read dcgm-exporter through the API server is missing (get pods/proxy)."
            return [], SourceState("dcgm-exporter", False, why, f"{_NO_RIGHT} Or set MLK_PROMETHEUS_URL.")
        gate = asyncio.Semaphore(_AT_A_TIME)
        asked = exporters[:_MOST_EXPORTERS]
        answers = await asyncio.gather(*(self._scrape(one, gate) for one in asked))
        found = [use for answer in answers if isinstance(answer, list) for use in answer]
        failed = [answer for answer in answers if isinstance(answer, str)]
        if not failed:
            return found, SourceState("dcgm-exporter", True)
        why = f"{len(failed)} of {len(asked)} pods did not answer: {failed[0]}"
        return found, SourceState(
            "dcgm-exporter", bool(found), why, "Look at the exporter's pods: `kubectl get pods -A`."
        )

    async def _scrape(self, exporter: _Exporter, gate: asyncio.Semaphore) -> list[Use] | str:
        """What one tells, or why it does not."""
        path = f"/api/v1/namespaces/{exporter.namespace}/pods/{exporter.pod}:{exporter.port}/proxy/metrics"
        async with gate:
            try:
                text = await within(_LIMIT_S, self._connection.text(path))
                return await in_thread(lambda: uses(text, at=time.time(), node=exporter.node))
            except asyncio.TimeoutError:
                return f"no answer within {_LIMIT_S:.0f} s"
            except (ApiError, BadExposition) as error:
                return error.detail


_NOT_OVER = "status.phase!=Succeeded,status.phase!=Failed"


def declared_nodes(path: Path) -> list[Node]:
    """Nodes that an administrator wrote down. Blocking.

    Raises: BadInput when it is no list of nodes.
    """
    hint = f"Write it with `kubectl get nodes -o json`, or leave {DECLARED} unset."
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        content = json.loads(data) if len(data) <= _MOST_BYTES else None
    except OSError as error:
        raise BadInput(f"{DECLARED}: {path}: {error.strerror or error}.", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{DECLARED}: {path} is no JSON: {error}.", hint=hint) from error
    items = content.get("items") if isinstance(content, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadInput(f"{DECLARED}: {path} has no list `items` of nodes.", hint=hint)
    return nodes_of(items)


def _kept(pod: dict[str, Any]) -> dict[str, Any]:
    """Of a pod what it holds, or that it tells of GPUs."""
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if any(labels.get(key) in values for key, values in _EXPORTERS):
        if (pod.get("status") or {}).get("phase") != "Running":
            return {}
        node = (pod.get("spec") or {}).get("nodeName")
        return {"exporter": _Exporter(str(metadata.get("namespace")), str(metadata.get("name")), _port(pod), node)}
    kept = kept_of_pod(pod)
    return {} if kept is None else {"pod": kept}


def _port(pod: dict[str, Any]) -> int:
    ports = [
        one
        for container in (pod.get("spec") or {}).get("containers") or []
        for one in container.get("ports") or []
        if isinstance(one.get("containerPort"), int)
    ]
    named = next((one for one in ports if one.get("name") == "metrics"), None)
    chosen = named or (ports[0] if len(ports) == 1 else None)
    return int(chosen["containerPort"]) if chosen else _PORT


def _count(amount: Any) -> int:
    try:
        return whole(amount) or 0
    except ValueError:
        return 0
