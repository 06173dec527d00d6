"""What exporters of GPU figures tell, as uses: of a text exposition, or of the same rows out of Prometheus. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import MlkError
from .families import BY_NAME, Figure, Labels
from .readings import Reading, Scope, Source, Use

LIMIT_BYTES = 8 * 1024 * 1024
LIMIT_ROWS = 50_000
_LONGEST_LABEL = 256
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


def uses(text: str, *, at: float, source: Source = "exporter") -> list[Use]:
    """What the exposition of an exporter tells of GPUs.

    Args:   at: seconds since the epoch at which it was read.
    Raises: BadExposition.
    """
    if len(text) > LIMIT_BYTES:
        raise BadExposition(
            f"It is larger than {LIMIT_BYTES >> 20} MiB.", hint="Let the exporter leave out what is not about GPUs."
        )
    return from_rows(rows(text), at=at, source=source)


def rows(text: str) -> list[Row]:
    """The rows of an exposition that are about GPUs, at most 50,000. Raises: BadExposition."""
    # The whole of an exporter may be a megabyte: only the lines that count are parsed.
    wanted = "\n".join(line for line in text.split("\n") if _name(line) in BY_NAME)
    from prometheus_client.parser import text_string_to_metric_families

    found: list[Row] = []
    try:
        for family in text_string_to_metric_families(wanted + "\n"):
            for sample in family.samples:
                if len(found) >= LIMIT_ROWS:
                    return found
                found.append(Row(sample.name, sample.labels, float(sample.value)))
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise BadExposition(
            f"It is not in Prometheus' text format: {str(error)[:200]}.",
            hint="Check that the address is the exporter's own /metrics.",
        ) from error
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
    return [_use(labels, part, source, parts) for labels, part in parts.items()]


@dataclass(slots=True)
class _Part:
    figures: dict[Figure, tuple[int, float, bool, float]] = field(default_factory=dict)
    """By figure: the rank of its name, the value, whether it is the pod's own, and when."""


def _use(labels: Labels, part: _Part, source: Source, every: Mapping[Labels, _Part]) -> Use:
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
        energy_j=reading("energy", of_board=True),
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
