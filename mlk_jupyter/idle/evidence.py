"""What one sample says: signs of work or of a person, what is missing, and how the rest of it is called. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..figures import number, size
from .policy import Policy
from .signals import Sample, Signal

Kind = Literal["idle", "idle_gpu", "hung", "input", "delegated", "age"]
_NAMES = {
    "execution": "its state",
    "message": "what was sent to it",
    "pending": "whether cells wait",
    "output": "what it says",
    "cpu": "its CPU",
    "io": "what it reads and writes",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sample says of a kernel, in words, and the names of the signals that say it."""

    words: str
    used: tuple[str, ...]


Sign = tuple[float, Finding]
"""A sign of life and when it was, in monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """A kernel that does nothing: how that is called, and which limits it has."""

    kind: Kind
    found: Finding
    limit_s: float
    """0: none."""
    unused_limit_s: float = 0.0
    """Counted since when its GPUs do nothing; 0: none."""


def figure(signal: Signal[Any]) -> float | None:
    """A measured number; None where it is not known. NaN is not known."""
    value = signal.value
    if not signal.known or isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def said(signal: Signal[Any]) -> Any:
    """The value; None where it is not known."""
    return signal.value if signal.known else None


def moment(signal: Signal[Any], at: float) -> float | None:
    """When it happened, in monotonic seconds, and now where something did but nobody knows when; None: it never did."""
    if not signal.known or (signal.value is None and signal.age_s is None):
        return None
    return at - (age_of(signal) or 0.0)


def age_of(signal: Signal[Any]) -> float | None:
    """Seconds since it became so; None: not known. Clocks may differ a little: it is never in the future."""
    return None if signal.age_s is None or math.isnan(signal.age_s) else max(0.0, signal.age_s)


def work(sample: Sample, policy: Policy) -> Finding | None:
    """What its processes do, from the thresholds on; None where that is nothing, or not known."""
    where = "" if said(sample.execution) in ("busy", "starting") else " in the background"
    cpu, io, gpu = figure(sample.cpu), figure(sample.io), figure(sample.gpu_busy)
    if figure(sample.gpus) == 0:
        gpu = None  # others use it
    if cpu is not None and cpu >= policy.cpu_pct:
        return Finding(f"computes{where} (CPU {number(round(cpu, 0 if cpu >= 10 else 1))} % of a core)", ("cpu",))
    if gpu is not None and gpu * 100 >= policy.gpu_pct:
        return Finding(f"uses its GPU{where} ({number(round(gpu * 100))} %)", ("gpu_busy",))
    if io is not None and io >= policy.io_bytes:
        return Finding(f"reads and writes{where} ({size(io)} a second)", ("io",))
    return None


def people(sample: Sample) -> Iterator[Sign]:
    """When a person last used it, and when one was last at a window that shows it."""
    for name, words in (("message", "was used just now"), ("presence", "somebody is at its notebook")):
        when = moment(getattr(sample, name), sample.at)
        if when is not None:
            yield when, Finding(words, (name,))


def missing(sample: Sample, *, in_cell: bool) -> Finding | None:
    """What would have to be known to call it quiet, and is not."""
    needed = ["execution", "message", "pending"]
    if not _is_untouched(sample):
        needed += ["cpu", "io"]
    if in_cell and not said(sample.waits_for):
        needed.append("output")
    for name in needed:
        signal: Signal[Any] = getattr(sample, name)
        # Bytes that are known to have no value are counted nowhere on this system: it takes longer then, see `_idle`.
        measured = name in ("cpu", "pending") or (name == "io" and signal.value is not None)
        if not signal.known or (measured and figure(signal) is None) or (name == "execution" and not signal.value):
            why = f" ({signal.why})" if signal.why else ""
            return Finding(f"{_NAMES[name]} is not known{why}, so this time is not counted", (name,))
    return None


def _is_untouched(sample: Sample) -> bool:
    """Whether it never came up and was never used: it may be no process at all, and has nothing to lose."""
    return (
        said(sample.execution) == "starting"
        and said(sample.pending) == 0
        and all(signal.known and moment(signal, sample.at) is None for signal in (sample.message, sample.output))
    )


def quiet(sample: Sample, policy: Policy, *, in_cell: bool) -> Quiet:
    """What kind of nothing it does. Only for one without signs of work.

    Args: in_cell: whether a cell of somebody's runs, or waits to be run.
    """
    if said(sample.stopped):
        return Quiet("hung", Finding("is suspended", ("stopped",)), policy.busy_silent_ttl_s)
    if said(sample.execution) == "starting":
        return Quiet("idle", Finding("is starting, and does nothing", ("execution",)), policy.ttl_s)
    if said(sample.input):
        return Quiet("input", Finding("a cell waits for input", ("input",)), policy.input_ttl_s)
    if said(sample.waits_for) and said(sample.pending) in (0, 1):
        words = f"only waits for job {sample.waits_for.value}, which goes on without it"
        return Quiet("delegated", Finding(words, ("waits_for",)), _limit(sample, policy))
    if in_cell:
        limit = policy.busy_silent_ttl_s if sample.input.known else longer(policy.busy_silent_ttl_s, policy.input_ttl_s)
        return Quiet(
            "hung",
            Finding("a cell runs, but neither computes nor says anything", ("execution", "output", "cpu", "io")),
            limit,
        )
    return _idle(sample, policy)


def _idle(sample: Sample, policy: Policy) -> Quiet:
    held, jobs = figure(sample.gpus), said(sample.jobs) or ()
    gpus = f"{int(held or 0)} GPU" if held == 1 else f"{int(held or 0)} GPUs"
    going_on = f"; {_jobs(jobs)} without it" if jobs else ""
    used = ("message", "presence", "cpu", "io", "gpus")
    limit_s = _limit(sample, policy)
    longest = longer(limit_s, policy.gpu_ttl_s)
    if held and figure(sample.gpu_busy) is not None and _counts_bytes(sample):
        found = Finding(f"idle, holds {gpus} unused{going_on}", (*used, "gpu_busy"))
        return Quiet("idle_gpu", found, longest, policy.gpu_ttl_s)
    if held:
        of_use = "" if figure(sample.gpu_busy) is not None else ", whose use is not known"
        found = Finding(f"idle, holds {gpus}{of_use}{going_on}", (*used, "gpu_busy"))
        return Quiet("idle", found, longest)
    if jobs:
        return Quiet("delegated", Finding(f"idle{going_on}", (*used, "jobs")), limit_s)
    words = "idle" if held == 0 else "idle; whether it holds a GPU is not known"
    return Quiet("idle", Finding(words, used), limit_s)


def _counts_bytes(sample: Sample) -> bool:
    """Whether a download would be seen: macOS, and a Linux without /proc/self/io, tell no bytes read and written."""
    return not (sample.io.known and sample.io.value is None)


def _limit(sample: Sample, policy: Policy) -> float:
    """How long a kernel without work may be without; as long as a silent cell where part of its work is never seen."""
    return policy.ttl_s if _counts_bytes(sample) else longer(policy.ttl_s, policy.busy_silent_ttl_s)


def longer(one_s: float, other_s: float) -> float:
    """The longer of two limits; 0, none, is the longest."""
    return max(one_s, other_s) if one_s and other_s else 0.0


def _jobs(ids: tuple[str, ...]) -> str:
    return f"its job {ids[0]} goes on" if len(ids) == 1 else f"its {len(ids)} jobs go on"
