"""What the nodes of a cluster have, where one may see them, asked at most once a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ...gpus.stock import Node
from ...quantities import find
from ...waiting import within
from .api.api_errors import ApiError
from .api.connection import Connection
from .gpu_objects import kept_of_node, nodes_of
from .manifests.placement import GPU_PRODUCT
from .resources import NODES
from .rights.access import Access
from .status.explain.background import Background, largest_of

_FRESH_S = 60.0
_LIMIT_S = 5.0
# Every vendor's device plugin names its whole accelerators so; slices of one (MIG, shared) are not counted as GPUs.
_GPUS = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi", "google.com/tpu")


@dataclass(frozen=True)
class Hardware:
    """All nodes that take pods. None: not known; `why` says why."""

    cores: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    gpu_names: list[str] = field(default_factory=list)
    largest: Mapping[str, str] | None = None
    """By resource the most that one node can give, as a quantity."""
    taints: Sequence[Mapping[str, Any]] | None = None
    """Of all nodes, each as often as nodes bear it."""
    nodes: Sequence[Node] | None = None
    """One by one, those that take no pods included."""
    at: float = 0.0
    """Seconds since the epoch."""
    why: str | None = None


class Inventory:
    """The nodes of one cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: tuple[float, Hardware] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def hardware(self, access: Access, fresh_s: float = _FRESH_S) -> Hardware:
        """What there is, so many seconds old at most. Never raises what a cluster answers."""
        async with self._one_at_a_time:
            if self._known is None or time.monotonic() - self._known[0] > fresh_s:
                self._known = (time.monotonic(), await self._ask(access))
            return self._known[1]

    async def _ask(self, access: Access) -> Hardware:
        if access.may("list", NODES) is False:
            return Hardware(why="The right to list nodes is missing, so the cluster's GPUs are not known.")
        try:
            listing = await within(_LIMIT_S, self._connection.list(NODES.path(), keep=kept_of_node))
        except asyncio.TimeoutError:
            return Hardware(why=f"The cluster took longer than {_LIMIT_S:.0f} s to list its nodes.")
        except ApiError as error:
            return Hardware(why=f"The nodes cannot be listed: {error.detail}")
        there = _summed([node for node in listing.items if not node["spec"]["unschedulable"]])
        return replace(there, nodes=nodes_of(listing.items), at=time.time())


class LargestNode:
    """What the largest node can give, and what taints keep pods off, asked again while a job waits: nodes come and go.

    Args:
        ask:       gives what there is, so many seconds old at most; never raises.
        on_change: called when that became something else.
        fresh_s:   how old the answer may be while a job waits.
    """

    def __init__(
        self, ask: Callable[[float], Awaitable[Hardware]], on_change: Callable[[], None], fresh_s: float = _FRESH_S
    ) -> None:
        self._ask, self._on_change, self._fresh_s = ask, on_change, fresh_s
        self._asked_at = 0.0  # monotonic
        self._asked_for: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.background = Background()
        """What is known of it, for the reasons of jobs that wait."""

    async def learn(self, fresh_s: float | None = None) -> None:
        """Asks now."""
        self._asked_at = time.monotonic()
        there = await self._ask(self._fresh_s if fresh_s is None else fresh_s)
        known = Background(largest=there.largest, taints=there.taints)
        if known != self.background:
            self.background = known
            self._on_change()

    def mind(self, waits: Callable[[], object], repelled: Callable[[], set[str]] = set) -> None:
        """Asks if the answer is old and a job waits, or if the nodes have repelled one more. Returns at once."""
        if self._task is not None and not self._task.done():
            return
        new = repelled() - self._asked_for
        if new or (time.monotonic() - self._asked_at >= self._fresh_s and waits()):
            self._asked_for |= new
            self._task = asyncio.create_task(self.learn(0.0 if new else None), name="largest node")

    async def close(self) -> None:
        """Asks no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


def _summed(nodes: list[dict[str, Any]]) -> Hardware:
    total: dict[str, Decimal] = {}
    for node in nodes:
        for name, text in node["status"]["allocatable"].items():
            amount = find(text)
            if amount is not None:
                total[name] = total.get(name, Decimal(0)) + amount
    gpus = int(sum((total.get(name, Decimal(0)) for name in _GPUS), Decimal(0)))
    return Hardware(
        cores=int(total.get("cpu", Decimal(0))),
        memory_bytes=int(total.get("memory", Decimal(0))),
        gpus=gpus,
        gpu_names=sorted({product for node in nodes if (product := node["metadata"]["labels"].get(GPU_PRODUCT))}),
        largest=largest_of(nodes),
        taints=[taint for node in nodes for taint in node["spec"]["taints"]],
        why=None if gpus else "No node offers a GPU.",
    )
