"""Whose use a figure is. Pure.

Exporters' labels alone do not say so: with `honorLabels` a free GPU bears the exporter's own pod, shared GPUs bear any
one of their pods, and pods past the scheduler bear none. So what they say holds only where the allocations, which are
the scheduler's own book, say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from .readings import Reading, Use
from .stock import Allocation, Stock

BUSY = 0.01
"""Below this share of the time a GPU does nothing: a driver's own housekeeping stays under it."""

State = Literal["held", "free", "outside", "unknown"]


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or one MIG slice, that something measures."""

    id: str
    """UUID, or UUID/INSTANCE."""
    use: Use
    """Of the whole device or slice, whoever uses it."""
    state: State
    holders: tuple[int, ...] = ()
    """Numbers of the allocations that hold it."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one allocation does, over all that it holds. None: not known."""

    busy: Reading | None = None
    """Mean of its devices or shares, 0-1."""
    memory_bytes: Reading | None = None
    """Of all of them together."""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attributed:
    """A stock with every figure given to whom it belongs."""

    devices: Sequence[Device] = ()
    held: Mapping[int, Held] = field(default_factory=dict)
    """By the number of the allocation in the stock."""
    outside: Sequence[str] = ()
    """Devices in use that nobody holds."""
    false_zeros: Sequence[str] = ()
    """UUIDs of shared GPUs whose sharers all use 0 bytes while the GPU uses some: the exporter cannot see processes."""
    strangers: Sequence[str] = ()
    """Pods, NAMESPACE/NAME, that figures name and that hold nothing: wrong labels."""


def attribute(stock: Stock) -> Attributed:
    """Gives each figure of a stock to the allocations that it belongs to."""
    by_pod: dict[tuple[str | None, str | None], list[int]] = {}
    by_device: dict[str, list[int]] = {}
    for number, allocation in enumerate(stock.allocations):
        if allocation.pod is not None:
            by_pod.setdefault((allocation.namespace, allocation.pod), []).append(number)
        for device in allocation.devices:
            by_device.setdefault(device, []).append(number)
    untold = _untold(stock)
    knows_pods = any(allocation.pod is not None for allocation in stock.allocations)
    groups = _groups(stock.uses)
    devices: list[Device] = []
    shares: dict[int, list[tuple[Use, int, str]]] = {}
    strangers: dict[str, None] = {}
    for name, uses in groups.items():
        told: dict[int, Use] = {}
        for use in uses:
            numbers = by_pod.get((use.namespace, use.pod), [])
            if not numbers and use.pod is not None and knows_pods:
                strangers[f"{use.namespace}/{use.pod}"] = None
            for number in _fitting(stock.allocations, numbers, use):
                told[number] = use
        holders = sorted({*told, *by_device.get(name, ())})
        whole = _whole(uses)
        for number in holders:
            shares.setdefault(number, []).append((told.get(number, whole), len(holders), name))
        devices.append(Device(name, whole, _state(stock, whole, holders, untold), tuple(holders)))
    held = {number: _held(found) for number, found in shares.items()}
    return Attributed(
        devices,
        held,
        [one.id for one in devices if one.state == "outside"],
        _false_zeros(groups),
        list(strangers),
    )


def board_power_w(uses: Iterable[Use]) -> float | None:
    """What all boards draw, in watts: every slice and every share of a GPU tells the power of the whole board."""
    boards: dict[str, float] = {}
    for use in uses:
        if use.power_w is not None:
            boards[use.uuid] = max(boards.get(use.uuid, 0.0), use.power_w.value)
    return sum(boards.values()) if boards else None


def memory_bytes(uses: Iterable[Use]) -> float | None:
    """What is in use on all devices, in bytes: of a shared GPU the row of the device, not its sharers' once more."""
    known = [whole.memory_bytes.value for whole in map(_whole, _groups(uses).values()) if whole.memory_bytes]
    return sum(known) if known else None


def device_id(use: Use) -> str:
    """UUID of a GPU, UUID/INSTANCE of a slice."""
    return use.uuid if use.instance is None else f"{use.uuid}/{use.instance}"


def _groups(uses: Iterable[Use]) -> dict[str, list[Use]]:
    found: dict[str, list[Use]] = {}
    for use in uses:
        found.setdefault(device_id(use), []).append(use)
    cut = {use.uuid for rows in found.values() for use in rows if use.instance is not None}
    # Of a GPU that is cut into slices, a row of the whole would count them once more.
    return {name: rows for name, rows in found.items() if rows[0].instance is not None or name not in cut}


def _whole(uses: Sequence[Use]) -> Use:
    """What the device does, by its own row or by what its sharers' rows have in common."""
    own = [use for use in uses if use.pod is None and use.replica is None]
    first = own[0] if own else replace(uses[0], namespace=None, pod=None, container=None, replica=None)
    if len(uses) == 1:
        return first
    return replace(
        first,
        busy=_of_device(first.busy, [use.busy for use in uses], add=False),
        memory_bytes=_of_device(first.memory_bytes, [use.memory_bytes for use in uses], add=True),
        memory_total_bytes=_largest([use.memory_total_bytes for use in uses]),
        power_w=_largest([use.power_w for use in uses]),
    )


def _of_device(own: Reading | None, readings: Sequence[Reading | None], *, add: bool) -> Reading | None:
    """A figure of the device: its own row's, else what its sharers' rows repeat of it, else theirs together."""
    if own is not None and own.scope == "device":
        return own
    known = [one for one in readings if one is not None]
    of_device = [one for one in known if one.scope == "device"]
    if of_device:
        return _largest(of_device)
    if add and known and all(one.scope == "pod" for one in known):
        return replace(_oldest(known), value=sum(one.value for one in known), scope="device")
    return _largest(known)


def _largest(readings: Iterable[Reading | None]) -> Reading | None:
    known = [one for one in readings if one is not None]
    return max(known, key=lambda one: one.value) if known else None


def _fitting(allocations: Sequence[Allocation], numbers: Sequence[int], use: Use) -> Sequence[int]:
    """Of one pod's allocations those that can be about this device: slices for a slice, GPUs for a GPU."""
    if len(numbers) < 2:
        return numbers
    is_slice = use.instance is not None
    fits = [
        number
        for number in numbers
        if ("mig-" in allocations[number].resource) == is_slice
        and (not is_slice or use.profile is None or use.profile in allocations[number].resource)
    ]
    return fits or numbers[:1]


def _state(stock: Stock, whole: Use, holders: Sequence[int], untold: Set[str | None]) -> State:
    """Args: untold: nodes on which somebody holds devices that no figure names."""
    if holders:
        return "held"
    if whole.node in untold or not stock.is_whole:
        return "unknown"
    return "outside" if whole.busy is not None and whole.busy.value >= BUSY else "free"


def _untold(stock: Stock) -> set[str | None]:
    """Nodes with an allocation that no figure names: it holds one of the devices that seem to be nobody's."""
    told = {(use.namespace, use.pod) for use in stock.uses}
    return {
        one.node
        for one in stock.allocations
        if not one.devices and (one.pod is None or (one.namespace, one.pod) not in told)
    }


def _held(found: Sequence[tuple[Use, int, str]]) -> Held:
    busy: list[Reading | None] = []
    memory: list[Reading | None] = []
    for use, sharers, _ in found:
        busy.append(_share(use.busy, sharers))
        # Bytes of a device that several hold are nobody's in particular.
        is_own = sharers == 1 or (use.memory_bytes is not None and use.memory_bytes.scope == "pod")
        memory.append(use.memory_bytes if is_own else None)
    return Held(_mean(busy), _sum(memory), tuple(dict.fromkeys(name for _, _, name in found)))


def _share(reading: Reading | None, sharers: int) -> Reading | None:
    """A sharer's part of what a device did: its own where that is measured, else an equal one."""
    if reading is None or sharers == 1 or reading.scope == "pod":
        return reading
    return replace(reading, value=reading.value / sharers, scope="shared")


def _mean(readings: Sequence[Reading | None]) -> Reading | None:
    known = [one for one in readings if one is not None]
    if not known or len(known) < len(readings):
        return None
    return replace(_oldest(known), value=sum(one.value for one in known) / len(known))


def _sum(readings: Sequence[Reading | None]) -> Reading | None:
    known = [one for one in readings if one is not None]
    if not known or len(known) < len(readings):
        return None
    return replace(_oldest(known), value=sum(one.value for one in known))


def _oldest(readings: Sequence[Reading]) -> Reading:
    return min(readings, key=lambda one: one.at)


def _false_zeros(groups: Mapping[str, Sequence[Use]]) -> list[str]:
    found = []
    for uses in groups.values():
        sharers = [use.memory_bytes for use in uses if use.pod is not None and use.memory_bytes is not None]
        own = [use.memory_bytes for use in uses if use.pod is None and use.memory_bytes is not None]
        if len(sharers) > 1 and own and own[0].value > 0 and not any(one.value for one in sharers):
            found.append(uses[0].uuid)
    return found
