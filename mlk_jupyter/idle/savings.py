"""What stops have saved, by the records of the audit.

A stop saves what its kernel cost until somebody uses the same notebook again, `LIMIT_S` at most. In shadow, what would
have been stopped saves nothing yet: it is counted apart, until the kernel does something or ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Literal

from . import activity
from .audit import read
from .recording import LIFE_S

LIMIT_S = 3 * 86400.0
"""Most that one stop is counted as having saved."""
KEPT_S = 35 * 86400.0
"""After which a stop tells nothing more of the month that is: a month that is over is never asked for."""


_STOP = re.compile(rb'"event": ?"(?:stopped|would_stop)"')
_SERVER = re.compile(rb'"event": ?"server_(?:start|stop)"')
_WHOSE = re.compile(rb'"(?:kernel|path)": ?("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved in one month. None: unknown for every stop that counts."""

    saved: float | None
    """In the currency asked for, by the stops of which the price is known."""
    gpu_s: float | None
    """Seconds of one GPU, by the stops of which it is known what they held."""
    stops: int
    """Stops that saved something in this month."""


@dataclass(slots=True)
class _Stop:
    kernel: str
    path: str | None
    server: str
    at: float
    is_shadow: bool
    gpus: float | None
    cost_per_hour: float | None
    currency: str
    limits: activity.Limits
    seen: float
    """In shadow: when the kernel was last heard of."""
    until: float | None = None


class Savings:
    """Takes the records of all servers of a person, in the order in which they were written."""

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self._open: dict[str, _Stop] = {}
        """By kernel: one that was stopped does not come back."""
        self._of_path: dict[str, dict[str, _Stop]] = {}
        """The same by notebook and kernel: each sample asks which stops it ends."""
        self._closed: list[_Stop] = []
        self._ended_idle: set[object] = set()
        """Servers that the policy itself ended, and so what they held."""
        for record in records:
            self.take(record)

    def take(self, record: Mapping[str, Any]) -> None:
        """One record more; those that say nothing of what is saved do not matter."""
        event, kernel = record.get("event"), str(record.get("kernel") or "")
        if event == "server_stop":
            if record.get("server") in self._ended_idle:
                return
            if record.get("idle"):
                self._ended_idle.add(record.get("server"))
            self._end(record, list(self._open.values()))
            return
        if event == "server_start":
            self._ended_idle.discard(record.get("server"))
        if event == "stopped" and kernel in self._open:
            self._close(self._open[kernel], record["at"])
        path = record.get("path")
        told = dict(self._of_path.get(path, {})) if isinstance(path, str) else {}
        if kernel in self._open:
            told[kernel] = self._open[kernel]
        self._end(record, told.values())
        if event in ("stopped", "would_stop") and _kind(record) != "asked" and kernel not in self._open:
            stop = self._open[kernel] = _stop(record, kernel)
            if isinstance(stop.path, str):
                self._of_path.setdefault(stop.path, {})[kernel] = stop

    def month(
        self, now: float, *, mode: Literal["shadow", "enforce"], currency: str, tz: tzinfo | None = None
    ) -> Saved:
        """What was saved since the month of `now` began, so far; in shadow: what would have been.

        Args: now: seconds since the epoch; tz: whose month it is, the machine's where it is not given.
        """
        self._closed = [stop for stop in self._closed if now - stop.at < KEPT_S]
        for stop in [stop for stop in self._open.values() if now - stop.at >= KEPT_S]:
            self._drop(stop)
        begun = datetime.fromtimestamp(now, tz).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
        money: list[float] = []
        gpu_s: list[float] = []
        stops = 0
        for stop in (*self._closed, *self._open.values()):
            seconds = _seconds(stop, begun, now) if stop.is_shadow == (mode == "shadow") else 0.0
            if seconds <= 0:
                continue
            stops += 1
            if stop.gpus is not None:
                gpu_s.append(stop.gpus * seconds)
            if stop.cost_per_hour is not None and stop.currency == currency:
                money.append(stop.cost_per_hour * seconds / 3600)
        return Saved(None if stops and not money else sum(money), None if stops and not gpu_s else sum(gpu_s), stops)

    def _end(self, record: Mapping[str, Any], stops: Iterable[_Stop]) -> None:
        for stop in stops:
            until = _ended(stop, record)
            if until is not None:
                self._close(stop, until)

    def _close(self, stop: _Stop, until: float) -> None:
        stop.until = max(stop.at, until)
        self._closed.append(stop)
        self._drop(stop)

    def _drop(self, stop: _Stop) -> None:
        """It is no longer open."""
        del self._open[stop.kernel]
        if isinstance(stop.path, str):
            of_path = self._of_path[stop.path]
            del of_path[stop.kernel]
            if not of_path:
                del self._of_path[stop.path]


def read_savings(folder: Path, now: float) -> Savings:
    """What the records of a folder tell of this month. Blocking.

    Most lines are samples of kernels that were never stopped, and of months that are over: they are not parsed.

    Args:   now: seconds since the epoch.
    Raises: OSError where the folder is not there or may not be read.
    """
    stops = [
        record for record in read(folder, lambda line: _STOP.search(line) is not None) if now - record["at"] < KEPT_S
    ]
    stopped = {
        json.dumps(record.get(name), ensure_ascii=False).encode("utf-8", "replace")
        for record in stops
        for name in ("kernel", "path")
    }

    def wanted(line: bytes) -> bool:
        return any(value in stopped for value in _WHOSE.findall(line)) or _SERVER.search(line) is not None

    return Savings(record for record in read(folder, wanted) if now - record["at"] < KEPT_S)


def _ended(stop: _Stop, record: Mapping[str, Any]) -> float | None:
    """When what a stop saves ended, where a record tells it. Seconds since the epoch."""
    event, at = record.get("event"), float(record["at"])
    is_its_own = record.get("kernel") == stop.kernel
    if event == "server_stop":
        return at if record.get("server") == stop.server and (stop.is_shadow or not record.get("idle")) else None
    if stop.is_shadow and is_its_own:
        stop.seen = max(stop.seen, at)
        if event in ("resumed", "lease") or record.get("gone"):
            return at
        found = activity.after(record, stop.at, stop.limits) if event == "sample" else None
        return found.at if found else None
    if stop.is_shadow or is_its_own or stop.path is None or record.get("path") != stop.path:
        return None
    if event == "resumed":
        return at
    if event != "sample":
        return None
    signals = record.get("signals")
    used = activity.moment(signals.get("message")) if isinstance(signals, Mapping) else None
    if used is None:
        return None
    if used > stop.at:
        return used
    return (
        at if at < stop.at else None
    )  # the clock was set back: when it was used cannot be told, and nothing is claimed


def _seconds(stop: _Stop, begun: float, now: float) -> float:
    until = stop.until
    if until is None:
        until = min(now, stop.seen + LIFE_S) if stop.is_shadow else now
    until = min(until, stop.at + LIMIT_S, now)
    return until - max(stop.at, begun)


def _stop(record: Mapping[str, Any], kernel: str) -> _Stop:
    signals = record.get("signals")
    held = signals.get("gpus") if isinstance(signals, Mapping) else None
    gpus = record.get("gpus", held.get("value") if isinstance(held, Mapping) else None)
    policy = record.get("policy")
    values = policy if isinstance(policy, Mapping) else {}
    at = float(record["at"])
    return _Stop(
        kernel=kernel,
        path=record.get("path"),
        server=str(record.get("server") or ""),
        at=at,
        is_shadow=record["event"] == "would_stop",
        gpus=_number(gpus),
        cost_per_hour=_number(record.get("cost_per_hour")),
        currency=str(record.get("currency") or values.get("MLK_CURRENCY") or "USD"),
        limits=activity.recorded_limits(values),
        seen=at,
    )


def _kind(record: Mapping[str, Any]) -> Any:
    verdict = record.get("verdict")
    return record.get("kind") or (verdict.get("kind") if isinstance(verdict, Mapping) else None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None
