"""What exporters of GPU figures tell, as uses: of a text exposition, or of the same rows out of Prometheus. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import MlkError
from .families import BY_NAME, Figure, Labels
from .readings import Reading, Scope, Source, Use

LIMIT_CHARACTERS = 8 * 1024 * 1024
LIMIT_ROWS = 50_000
_LONGEST_LABEL = 256
_UNREADABLE = (ValueError, KeyError, IndexError, AttributeError, TypeError)  # as prometheus_client raises them
# What DCGM prints for "no value", where it prints anything: for integers of 32 and 64 bits, and for floats.
_BLANK_32 = range(2147483632, 2147483648)
_BLANK_64 = 9223372036854775792
_BLANK_FLOAT = (140737488355328.0, 140737488355343.0)


class BadExposition(MlkError):
    """What an exporter sent is no exposition."""

    code, title, status = "bad_exposition", "A GPU exporter's answer cannot be read", 502


@dataclass(slots=True)
class Row:
    """One value of one metric."""

    name: str
    labels: Mapping[str, str]
    value: float
    at: float | None = None
    """Seconds since the epoch, where the source tells it."""


def uses(text: str, *, at: float, node: str | None = None) -> list[Use]:
    """What the exposition of an exporter tells of GPUs.

    Args:
        at:   seconds since the epoch at which it was read.
        node: where the exporter runs, for rows that do not say it.
    Raises: BadExposition.
    """
    if len(text) > LIMIT_CHARACTERS:
        limit = f"{LIMIT_CHARACTERS >> 20} million characters"
        raise BadExposition(f"It is larger than {limit}.", hint="Let the exporter leave out what is not about GPUs.")
    # The whole of an exporter may be a megabyte: only the lines that count are parsed.
    wanted = [line for line in text.split("\n") if _name(line) in BY_NAME][:LIMIT_ROWS]
    try:
        rows = _rows("\n".join(wanted))
    except _UNREADABLE:
        rows = _readable(wanted)
    told = [replace(row, labels={"node": node, **row.labels}) for row in rows] if node is not None else rows
    return from_rows(told, at=at, source="exporter")


def _rows(text: str) -> list[Row]:
    """Raises: one of _UNREADABLE."""
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(text + "\n")
    return [Row(one.name, one.labels, float(one.value)) for family in families for one in family.samples]


def _readable(lines: Iterable[str]) -> list[Row]:
    """The lines that can be read. Raises: BadExposition when none can."""
    found: list[Row] = []
    failure: Exception | None = None
    for line in lines:
        try:
            found += _rows(line)
        except _UNREADABLE as error:
            failure = error
    if failure is not None and not found:
        raise BadExposition(
            f"It is not in Prometheus' text format: {str(failure)[:200]}.",
            hint="Check that the address is the exporter's own /metrics.",
        ) from failure
    return found


def from_rows(found: Iterable[Row], *, at: float, source: Source) -> list[Use]:
    """The uses that rows tell: one for each device, slice, and pod that shares one.

    Args: at: seconds since the epoch, for rows that have no time of their own.
    """
    parts: dict[Labels, _Part] = {}
    for row in found:
        known = BY_NAME.get(row.name)
        value = _value(row.value)
        if known is None or value is None:
            continue
        rank, family = known
        labels = Labels.of({name: text[:_LONGEST_LABEL] for name, text in row.labels.items() if isinstance(text, str)})
        if labels is None or (family.not_under_mig and labels.instance is not None):
            continue
        part = parts.setdefault(labels, _Part())
        before = part.figures.get(family.figure)
        # Two scrapes of one exporter, or two pods of it, tell the same: the larger, as the recording rules do.
        if before is None or rank < before[0] or (rank == before[0] and value * family.scale > before[1]):
            own = "pod_uid" in row.labels  # since 4.8.2 such rows are measured for the pod's own processes
            part.figures[family.figure] = (rank, value * family.scale, own, row.at or at)
    return [_use(labels, part, source) for labels, part in parts.items()]


@dataclass(slots=True)
class _Part:
    figures: dict[Figure, tuple[int, float, bool, float]] = field(default_factory=dict)
    """By figure: the rank of its name, the value, whether it is the pod's own, and when."""


def _use(labels: Labels, part: _Part, source: Source) -> Use:
    shared = labels.replica is not None

    def reading(figure: Figure, of_board: bool = False) -> Reading | None:
        known = part.figures.get(figure)
        if known is None:
            return None
        _, value, own, at = known
        scope: Scope = "pod" if labels.pod and (own or not shared) and not of_board else "device"
        return Reading(value, source, scope, at)

    busy = reading("busy")
    if busy is not None:
        busy = Reading(min(1.0, max(0.0, busy.value)), busy.source, busy.scope, busy.at)
    total = reading("total")
    used, free, reserved = reading("used"), reading("free"), reading("reserved")
    # A sharer's own bytes and the device's free ones are no total.
    if total is None and used is not None and free is not None and (used.scope == "device" or not shared):
        total = Reading(used.value + free.value + (reserved.value if reserved else 0.0), source, "device", used.at)
    return Use(
        uuid=labels.uuid,
        instance=labels.instance,
        profile=labels.profile,
        product=labels.product,
        node=labels.node,
        namespace=labels.namespace,
        pod=labels.pod,
        container=labels.container,
        replica=labels.replica,
        busy=busy,
        memory_bytes=used,
        memory_total_bytes=total,
        power_w=reading("power", of_board=True),
    )


def _name(line: str) -> str:
    """The metric that a line is about; parsers call a counter that ends in no `_total` by a name that does."""
    end = min((at for at in (line.find("{"), line.find(" ")) if at > 0), default=0)
    return line[:end]


def _value(value: float) -> float | None:
    """None for what stands for "no value"."""
    if not math.isfinite(value) or value < 0 or value >= _BLANK_64:
        return None
    if value in _BLANK_32 or _BLANK_FLOAT[0] <= value <= _BLANK_FLOAT[1]:
        return None
    return value
