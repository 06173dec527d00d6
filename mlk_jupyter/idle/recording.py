"""Samples as few short lines, from which another policy can be replayed to a minute's accuracy. Pure.

A line stands for a stretch of time, `from` to `at`, and holds what was most active in it; what it says goes on until
the next line begins. One is written when a sample differs from the line before, but at most one a minute, and one an
hour where nothing changes, so that a kernel that is gone without a word can be told from one that does nothing. Its
`gap` says for how long before it there were no samples: what was then nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context
from typing import Any

from .signals import Sample, Signal, unknown

LEAST_S = 60.0
"""Between two lines of one kernel."""
LIFE_S = 3600.0
"""After which a kernel of which nothing changed gets a line anyway."""

_EVENTS = ("message", "presence", "output")  # their age tells when; a newer one is news
_STATES = ("execution", "input")  # their age tells since when
_AMOUNTS = ("pending", "cpu", "io", "gpus", "gpu_busy", "gpu_memory")  # the most of a stretch counts
_REST = ("stopped", "jobs", "waits_for")
_FINE = {"cpu": 10.0, "gpu_busy": 0.1}
"""Below, two significant digits are kept and above one: no sane limit lies there, and each change costs a line."""
_BINARY = {"io": 3, "gpu_memory": 6}
_FINER, _COARSER = Context(prec=2, rounding=ROUND_DOWN), Context(prec=1, rounding=ROUND_DOWN)
_ACTIVE = ("dead", "idle", "starting", "busy")  # the most active last
_SAME_S = 3.0  # a point in time is told as an age, measured by another clock than the line's


@dataclass
class _Stretch:
    """What was seen since the line before."""

    begun: float
    signals: dict[str, Any]
    gap: float = 0.0
    """Seconds without samples before it."""


class Recording:
    """Of the kernels of one server."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, dict[str, Any], dict[str, Any]]] = {}  # at, its signals, its head
        self._since: dict[str, _Stretch] = {}
        self._seen: dict[str, float] = {}

    def sample(
        self,
        kernel: str,
        sample: Sample,
        *,
        at: float,
        path: str | None,
        name: str = "",
        started: float | None = None,
        cost_per_hour: float | None = None,
    ) -> dict[str, Any] | None:
        """The line to write now, for `Audit.write`; None: there is none.

        Args: at: seconds since the epoch of the sample; started: the same, of the kernel's start.
              name: its kernelspec; path: its notebook; cost_per_hour: None: unknown.
        """
        now = _quantised(sample, at)
        head = {"path": path, "name": name, "started": started, "cost_per_hour": cost_per_hour, "local": sample.local}
        last = self._last.get(kernel)
        since = self._since.get(kernel)
        gap = at - self._seen.get(kernel, at)
        self._seen[kernel] = at
        if since is not None and 0 <= gap <= LEAST_S:
            since.signals = _joined(since.signals, now)
        elif last is None or not 0 <= gap <= LEAST_S:
            since = self._since[kernel] = _Stretch(at, now, max(gap, 0.0))
        elif at - last[0] >= LIFE_S or head != last[2] or not _same(last[1], now):
            since = self._since[kernel] = _Stretch(at, now)
        if since is None or (last is not None and 0 <= at - last[0] < LEAST_S):
            return None
        del self._since[kernel]
        self._last[kernel] = (at, since.signals, head)
        return _line(kernel, at, since, head)

    def gone(self, kernel: str, *, at: float) -> dict[str, Any] | None:
        """The last line of a kernel that ended, whoever ended it; None when nothing was ever written of it."""
        last = self._last.pop(kernel, None)
        since = self._since.pop(kernel, None)
        self._seen.pop(kernel, None)
        if last is None:
            return None
        line = _line(kernel, at, since or _Stretch(at, last[1]), last[2])
        return {**line, "gone": True}


def recorded(line: Mapping[str, Any], *, at: float) -> Sample:
    """The sample that a line stands for, as it was at a moment (seconds since the epoch, which is its `at`, too).

    What had not happened then is left out; what cannot be read is unknown.
    """
    signals = line.get("signals")
    held = signals if isinstance(signals, dict) else {}
    values = {name: _signal(name, held.get(name), at) for name in (*_EVENTS, *_STATES, *_AMOUNTS, *_REST)}
    return Sample(at=at, local=line.get("local") is not False, **values)


def _line(kernel: str, at: float, since: _Stretch, head: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in head.items() if value not in (None, "", True)}
    if since.gap:
        told["gap"] = round(since.gap, 1)
    return {
        "at": round(at, 1),
        "event": "sample",
        "kernel": kernel,
        **told,
        "from": round(since.begun, 1),
        "signals": {name: value for name, value in since.signals.items() if value is not None},
    }


def _quantised(sample: Sample, at: float) -> dict[str, Any]:
    """By names of signals: None for nothing, `{"why"}` for unknown, `[value, when]` or a value."""
    found: dict[str, Any] = {}
    for name in (*_EVENTS, *_STATES, *_AMOUNTS, *_REST):
        signal: Signal[Any] = getattr(sample, name)
        if not signal.known:
            found[name] = {"why": signal.why}
        elif name in _EVENTS or name in _STATES:
            when = None if signal.age_s is None else round(at - signal.age_s, 1)
            found[name] = None if signal.value is None and when is None else [signal.value, when]
        elif name in _AMOUNTS and signal.value is not None:
            found[name] = _rounded(name, signal.value)
        else:
            found[name] = list(signal.value) if isinstance(signal.value, tuple) else signal.value
    return found


def _rounded(name: str, value: float) -> float:
    if name in _FINE:
        return _floored(value, _FINE[name])
    return _binary(value, _BINARY[name]) if name in _BINARY else value


def _floored(value: float, fine_below: float) -> float:
    """Rounded down, so that whatever lies below a limit of as few digits still does, and what reaches it too."""
    # By its shortest digits: 0.3 is a little less than three tenths.
    return float((_FINER if value < fine_below else _COARSER).create_decimal(repr(float(value))))


def _binary(value: float, digits: int) -> int:
    """Bytes rounded down to so many binary digits: limits of these are powers of two."""
    whole = int(value)
    spare = max(0, whole.bit_length() - digits)
    return whole >> spare << spare


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(_equal(value, other[name]) for name, value in one.items())


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list) and len(one) == 2 == len(other):
        when, then = one[1], other[1]
        if isinstance(when, float) and isinstance(then, float):
            return bool(one[0] == other[0] and abs(when - then) <= _SAME_S)
    return bool(one == other)


def _joined(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What was most active in both. Unknown wins: it never counts as idle."""
    joined = dict(now)
    for name, old in before.items():
        new = now[name]
        if isinstance(old, dict) or isinstance(new, dict):
            joined[name] = new if isinstance(new, dict) else old
        elif name in _AMOUNTS and old is not None:
            joined[name] = old if new is None else max(old, new)
        elif name == "execution" and old and new and _ACTIVE.index(old[0]) > _ACTIVE.index(new[0]):
            joined[name] = old
    return joined


def _signal(name: str, held: Any, at: float) -> Signal[Any]:
    if held is None:
        return Signal()
    if isinstance(held, dict):
        return unknown(str(held.get("why") or "it was not recorded"))
    if name in _EVENTS or name in _STATES:
        if not isinstance(held, list) or len(held) != 2:
            return unknown("it was recorded in a form that cannot be read")
        value, when = held
        if not isinstance(when, (int, float)):
            return Signal(value)
        if name in _EVENTS and when > at:
            return Signal()
        return Signal(value, max(0.0, at - when))
    return Signal(tuple(held) if isinstance(held, list) else held, 0.0)
