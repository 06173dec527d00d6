"""Stocks, prices and what was seen before, as faces show them. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..costs.prices import Price
from ..figures import duration
from ..gpus.attribution import BUSY, Attributed, Device
from ..gpus.readings import Reading
from ..gpus.stock import Allocation, Node, Resource, Stock
from ..model.gpus import (
    Advice,
    Figure,
    GpuDevice,
    GpuHolder,
    GpuNode,
    GpuPlace,
    GpuProduct,
    GpuResource,
    Gpus,
    GpuSource,
)

IDLE_S = 1800.0
"""What holds a GPU for so long without using it is advised about."""
_STALE_S = 90.0  # three periods of an exporter that is asked every 30 s
_STEP_S = 30.0  # times are told in such steps, so that what does not change needs not be told again each time
_WEEK_H = Decimal(24 * 7)
_NOISE = re.compile(r"^(NVIDIA|AMD)[-_ ]|[-_](SXM\d|PCIE|HBM\d\w*|OAM)(?=[-_ ]|$)", re.IGNORECASE)

PriceOf = Callable[[Node, Resource], Price | None]


@dataclass(frozen=True)
class Seen:
    """What earlier looks leave: by ids of devices and holders of one place."""

    idle_since: Mapping[str, float]
    """Of each holder since when it has done nothing, in seconds since the epoch."""
    history: Mapping[str, Sequence[float | None]]
    """Of each device its busy share minute by minute, the oldest first."""


NOTHING_SEEN = Seen({}, {})


def gpus(
    found: Iterable[tuple[Stock, Attributed]],
    price: PriceOf,
    *,
    currency: str,
    me: Collection[str],
    now: float,
    seen: Callable[[str], Seen] = lambda backend: NOTHING_SEEN,
    dismissed: Collection[str] = (),
    notes: Iterable[str] = (),
) -> Gpus:
    """Everything about accelerators.

    Args:
        found:     each place, and whose its figures are.
        price:     of one unit of a resource on a node; None: not known. Prices in another currency do not count.
        me:        names under which the person's own pods run.
        now:       seconds since the epoch.
        seen:      by the name of a backend.
        dismissed: ids of advice that a person took away.
    """
    places = [_Place(stock, whose, price, currency, me, now, seen(stock.backend)) for stock, whose in found]
    holders = [holder for place in places for holder in place.holders]
    unused = [one for one in holders if one.unused_since is not None]
    costs = [one.cost_per_hour for one in unused]
    known = any(one.busy is not None for one in holders) or not holders
    return Gpus(
        places=[place.view() for place in places],
        mine=sorted(
            (one for one in holders if one.is_mine), key=lambda one: (one.unused_since is None, one.since or 0.0)
        ),
        wasted_per_hour=sum(cost for cost in costs if cost is not None) if known and None not in costs else None,
        wasted_gpus=sum(one.share for one in unused) if known else None,
        advice=[one for place in places for one in place.advice() if one.id not in dismissed],
        notes=list(notes),
        currency=currency,
        now=now,
        sampled_at=max((place.sampled_at for place in places if place.sampled_at is not None), default=None),
    )


def title_of(product: str | None, profile: str | None = None, sharing: str = "none") -> str:
    """A product for people: `H100 80GB`, `H200 · 1g.18gb`, `L4 · shared`."""
    name = product or "GPU"
    while (shorter := _NOISE.sub("", name)) != name:
        name = shorter
    name = " ".join(name.replace("-", " ").replace("_", " ").split())
    more = profile or ("shared" if sharing in ("time-slicing", "mps") else None)
    return f"{name} · {more}" if more else name


def idle_now(stock: Stock, found: Attributed) -> dict[str, bool | None]:
    """Of each holder, by its id, whether it does nothing just now; None: not known."""
    idle: dict[str, bool | None] = {}
    for number, allocation in enumerate(stock.allocations):
        held, before = found.held.get(number), idle.get(allocation.id, True)
        now = None if held is None or held.busy is None else held.busy.value < BUSY
        # Of several things that one holds, one at work is enough; one unknown leaves all unknown.
        idle[allocation.id] = False if False in (before, now) else None if None in (before, now) else True
    return idle


class _Place:
    def __init__(
        self,
        stock: Stock,
        found: Attributed,
        price: PriceOf,
        currency: str,
        me: Collection[str],
        now: float,
        seen: Seen,
    ) -> None:
        self._stock, self._found, self._price, self._currency, self._me = stock, found, price, currency, me
        self._now, self._seen = now, seen
        self._units = {(node.name, one.name): (node, one) for node in stock.nodes for one in node.resources}
        self._by_node: dict[str, list[GpuHolder]] = {}
        for number, allocation in enumerate(stock.allocations):
            self._by_node.setdefault(allocation.node, []).append(self._holder(number, allocation))
        self.holders = [holder for holders in self._by_node.values() for holder in holders]

    @property
    def sampled_at(self) -> float | None:
        """Seconds since the epoch; None where nothing is measured."""
        return self._stock.at // _STEP_S * _STEP_S if self._stock.uses else None

    def view(self) -> GpuPlace:
        stock = self._stock
        nodes = [self._node(node) for node in stock.nodes if node.resources or node.name in self._by_node]
        return GpuPlace(
            backend=stock.backend,
            title=stock.title,
            products=_products(nodes),
            nodes=nodes,
            sources=[
                GpuSource(name=one.name, answers=one.answers, why=one.why, hint=one.hint) for one in stock.sources
            ],
            is_whole=stock.is_whole,
            why=stock.why,
            hint=stock.hint,
            unallocated_per_hour=self._unallocated(),
        )

    def advice(self) -> list[Advice]:
        """What is found by looking, without a history of samples."""
        found = []
        for holder in self.holders:
            if holder.unused_since is not None and self._now - holder.unused_since >= IDLE_S:
                found.append(self._idle(holder))
        backend = self._stock.backend
        for device in self._found.outside:
            found.append(
                Advice(
                    id=_advice_id("outside", backend, device),
                    kind="outside",
                    title=f"GPU {device[:12]} is used past the scheduler",
                    evidence=["It is busy, and no pod or job that is known here holds it."],
                    action="Look for pods that reach it without asking for a GPU (NVIDIA_VISIBLE_DEVICES=all).",
                )
            )
        if self._found.false_zeros:
            found.append(
                Advice(
                    id=_advice_id("false_zeros", backend),
                    kind="false_zeros",
                    title="Use of shared GPUs is told as 0",
                    evidence=[f"Of {len(self._found.false_zeros)} GPUs all who share them use 0 bytes, the GPUs some."],
                    action="Start dcgm-exporter with hostPID, so that it can tell whose processes are whose.",
                    is_certain=True,
                )
            )
        if self._found.strangers:
            names = ", ".join(self._found.strangers[:3])
            found.append(
                Advice(
                    id=_advice_id("labels", backend),
                    kind="labels",
                    title="Figures of GPUs name pods that hold none",
                    evidence=[f"{len(self._found.strangers)} pods: {names}."],
                    action="Set honorLabels in dcgm-exporter's ServiceMonitor, and look whether these pods ended.",
                )
            )
        return found

    def _idle(self, holder: GpuHolder) -> Advice:
        assert holder.unused_since is not None
        saving = None if holder.cost_per_hour is None else float(Decimal(str(holder.cost_per_hour)) * _WEEK_H)
        return Advice(
            id=_advice_id("idle", self._stock.backend, holder.id),
            kind="idle",
            title=f"{holder.name} holds {_counted(holder.count)} and uses none",
            evidence=[
                f"Below {BUSY:.0%} busy for {duration(self._now - holder.unused_since)}, as long as it is watched."
            ],
            action="Stop it, or let it go on with fewer GPUs.",
            job=holder.id if holder.kind == "job" else None,
            kernel=holder.id if holder.kind == "kernel" else None,
            saving_per_week=saving,
        )

    def _holder(self, number: int, allocation: Allocation) -> GpuHolder:
        held = self._found.held.get(number)
        unit = self._units.get((allocation.node, allocation.resource))
        price = None if unit is None else self._unit(*unit)
        is_local = self._stock.backend == "local"
        return GpuHolder(
            kind=allocation.holder,
            id=allocation.id,
            name=allocation.name,
            user=allocation.user,
            is_mine=allocation.user in self._me or (is_local and allocation.holder in ("job", "kernel")),
            resource=allocation.resource,
            count=allocation.count,
            share=allocation.count * (unit[1].weight if unit else 1.0),
            since=allocation.since,
            busy=self._figure(held.busy if held else None),
            memory=self._figure(held.memory_bytes if held else None),
            cost_per_hour=None if price is None else float(price.per_hour * allocation.count),
            unused_since=self._seen.idle_since.get(allocation.id),
        )

    def _node(self, node: Node) -> GpuNode:
        devices = [one for one in self._found.devices if one.use.node == node.name]
        holders = self._by_node.get(node.name, [])
        return GpuNode(
            name=node.name,
            instance_type=node.instance_type,
            is_spot=node.is_spot,
            is_ready=node.is_ready,
            is_cordoned=node.is_cordoned,
            resources=[self._resource(node, one, holders) for one in node.resources],
            devices=[self._device(one) for one in devices],
            holders=holders,
        )

    def _resource(self, node: Node, resource: Resource, holders: Sequence[GpuHolder]) -> GpuResource:
        held = sum(one.count for one in holders if one.resource == resource.name)
        takes_pods = node.is_ready and not node.is_cordoned
        price = self._unit(node, resource)
        return GpuResource(
            name=resource.name,
            title=title_of(resource.product, resource.profile, resource.sharing),
            product=resource.product,
            profile=resource.profile,
            sharing=resource.sharing,
            total=resource.total,
            held=held,
            free=(max(0, resource.total - held) if takes_pods else 0) if self._stock.is_whole else None,
            usable_bytes=resource.usable_bytes,
            price_per_hour=None if price is None else float(price.per_hour),
            price_low=None if price is None else float(price.low),
            price_high=None if price is None else float(price.high),
            price_words=None if price is None else price.words,
        )

    def _device(self, device: Device) -> GpuDevice:
        use = device.use
        total = use.memory_total_bytes
        names = [self._stock.allocations[number].id for number in device.holders]
        return GpuDevice(
            id=device.id,
            product=use.product,
            profile=use.profile,
            state=device.state,
            holders=list(dict.fromkeys(names)),
            busy=self._figure(use.busy),
            memory=self._figure(use.memory_bytes),
            memory_total_bytes=None if total is None else int(total.value),
            power_w=self._figure(use.power_w),
            history=list(self._seen.history.get(device.id, ())),
        )

    def _unallocated(self) -> float | None:
        """What is free costs, an hour. None where a price of it is not known, or not all is seen."""
        if not self._stock.is_whole:
            return None
        total = Decimal(0)
        for node in self._stock.nodes:
            for one in node.resources:
                held = sum(holder.count for holder in self._by_node.get(node.name, ()) if holder.resource == one.name)
                if one.total <= held:
                    continue
                price = self._unit(node, one)
                if price is None:
                    return None
                total += price.per_hour * (one.total - held)
        return float(total)

    def _unit(self, node: Node, resource: Resource) -> Price | None:
        """What one unit costs an hour, where that is known in the currency of the others."""
        price = self._price(node, resource)
        return price if price is not None and price.currency == self._currency else None

    def _figure(self, reading: Reading | None) -> Figure | None:
        if reading is None:
            return None
        is_stale = self._now - reading.at > _STALE_S
        at = reading.at // _STEP_S * _STEP_S
        return Figure(value=reading.value, source=reading.source, scope=reading.scope, at=at, is_stale=is_stale)


def _products(nodes: Iterable[GpuNode]) -> list[GpuProduct]:
    """The same of all nodes together, by title."""
    found: dict[str, list[tuple[GpuResource, list[GpuHolder]]]] = {}
    for node in nodes:
        for one in node.resources:
            holders = [holder for holder in node.holders if holder.resource == one.name]
            found.setdefault(one.title, []).append((one, holders))
    return [_product(title, rows) for title, rows in sorted(found.items())]


def _product(title: str, rows: Sequence[tuple[GpuResource, Sequence[GpuHolder]]]) -> GpuProduct:
    work = [
        None if holder.busy is None else holder.busy.value * holder.count for _, holders in rows for holder in holders
    ]
    free = [row.free for row, _ in rows]
    return GpuProduct(
        product=title,
        total=sum(row.total for row, _ in rows),
        held=sum(row.held or 0 for row, _ in rows),
        used=None if None in work else sum(one for one in work if one is not None),
        free=None if None in free else sum(one for one in free if one is not None),
    )


def _advice_id(kind: str, *what: str) -> str:
    """The same for the same advice about the same thing, and fit for a path."""
    return f"{kind}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]}"


def _counted(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"
