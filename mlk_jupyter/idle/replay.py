"""What another policy would have done, and saved, on the samples that were recorded. Pure but for `replay_files`.

A kernel that would have been stopped is watched further, for it went on: a person who comes back was interrupted, and
work that nobody had asked for anew would have been lost. What leaves no trace in the signals cannot be seen here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import activity
from .audit import read
from .machine import Machine
from .policy import Policy
from .recording import LIFE_S, recorded

STEP_S = 60.0
_MOMENT_S = 0.5
_AWAY_S = LIFE_S + 3 * STEP_S  # a kernel without a line for so long was not watched


@dataclass(slots=True)
class Stop:
    """One that would have happened."""

    kernel: str
    path: str | None
    at: float
    """Seconds since the epoch."""
    warned_at: float
    kind: str | None
    because: str
    until: float
    """When what it saved ended."""
    ended_by: Literal["nothing", "its end", "person", "work"] = "nothing"
    """What ended it: nothing so far, the kernel's real end, a person who came back, work that would have been lost."""
    gpu_s: float | None = 0.0
    """Seconds of one GPU that it saved; None: what it held is not known."""
    cost: float | None = 0.0
    """What it saved; None: the price is not known."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """All that would have been otherwise."""

    begun: float | None
    """Seconds since the epoch of the first sample; None: there was none."""
    until: float | None
    kernels: int
    warnings: int
    """Also those after which somebody came back in time."""
    stops: tuple[Stop, ...]
    gpu_s: float
    """Seconds of one GPU that the kernels held, as far as that is known."""
    currency: str

    @property
    def saved_gpu_s(self) -> float:
        """Seconds of one GPU, as far as it is known what was held."""
        return sum(stop.gpu_s or 0.0 for stop in self.stops)

    @property
    def saved(self) -> float | None:
        """In `currency`, by the stops of which the price is known; None: of none is it."""
        known = [stop.cost for stop in self.stops if stop.cost is not None]
        return sum(known) if known or not self.stops else None

    @property
    def saved_percent(self) -> float | None:
        """Of the GPU time that was held; None: none was."""
        return 100 * self.saved_gpu_s / self.gpu_s if self.gpu_s else None

    @property
    def wrongly_stopped(self) -> int:
        """Kernels that worked while they would have been stopped."""
        return len({stop.kernel for stop in self.stops if stop.ended_by == "work"})

    @property
    def interrupted(self) -> int:
        """Stops after which a person came back to the same kernel."""
        return sum(stop.ended_by == "person" for stop in self.stops)


def replay(records: Iterable[Mapping[str, Any]], policy: Policy) -> Replayed:
    """What a policy would have done.

    Args: records: of one or several servers, in the order of time (`audit.read`). Kernels that were stopped under the
          policy of then end where they ended.
    """
    kernels: dict[str, _Kernel] = {}
    done: list[_Kernel] = []
    begun, until = math.inf, -math.inf
    for record in records:
        event, kernel, at = record.get("event"), record.get("kernel"), float(record["at"])
        if event == "server_stop":
            for name in [name for name, one in kernels.items() if one.server == record.get("server")]:
                done.append(kernels.pop(name).end(at))
        if not isinstance(kernel, str):
            continue
        if event == "sample":
            begun, until = min(begun, at), max(until, at)
            if kernel not in kernels:
                kernels[kernel] = _Kernel(kernel, policy, record)
            kernels[kernel].take(record)
        if kernel in kernels:
            if event in ("lease", "released"):
                kernels[kernel].lease(record)
            elif event == "stopped" or record.get("gone"):
                done.append(kernels.pop(kernel).end(at))
    done += [one.end(until, is_known=False) for one in kernels.values()]
    return Replayed(
        begun=begun if done else None,
        until=until if done else None,
        kernels=len(done),
        warnings=sum(one.warnings for one in done),
        stops=tuple(sorted((stop for one in done for stop in one.stops), key=lambda stop: stop.at)),
        gpu_s=sum(one.gpu_s for one in done),
        currency=policy.currency,
    )


def replay_files(places: Sequence[Path], policy: Policy) -> Replayed:
    """The same of folders and files of the audit. Raises: OSError where one is not there or may not be read."""
    if len(places) == 1:
        return replay(read(places[0]), policy)
    records = [record for place in places for record in read(place)]
    return replay(sorted(records, key=lambda record: float(record["at"])), policy)


class _Kernel:
    """One kernel, followed from line to line."""

    def __init__(self, kernel: str, policy: Policy, line: Mapping[str, Any]) -> None:
        self.server = line.get("server")
        self.stops: list[Stop] = []
        self.warnings = 0
        self.gpu_s = 0.0
        self._kernel = kernel
        self._policy = policy
        self._worked = activity.most_sensitive(policy)
        self._machine = Machine(policy, interval_s=STEP_S)
        self._line = line
        self._now = self._paid = _begun(line)
        self._is_new = True
        self._changes: tuple[float, ...] = ()
        """When something is going to change if nothing happens."""
        self._warned: float | None = None
        self._leased_until = -math.inf
        self._stop: Stop | None = None
        """It would be gone."""

    def take(self, line: Mapping[str, Any]) -> None:
        """The next line, or the first."""
        at, begun, gap = float(line["at"]), _begun(line), _number(line.get("gap"), 0.0)
        if begun - self._line["at"] > _AWAY_S:
            gap = begun - self._line["at"]
        while not self._run(begun - (gap or _MOMENT_S)):  # it would have been stopped: what that saved goes on
            pass
        if gap or at < self._now:  # not watched, or the clock was set back
            self._anew(begun)
            self._paid = begun
        self._line, self._paid = line, max(self._paid, begun)
        self._changes = (*self._changes, begun) if begun > self._now else self._changes
        while self._back(line) or not self._run(at):
            pass

    def lease(self, record: Mapping[str, Any]) -> None:
        """It was promised to be kept, or no longer."""
        at = float(record["at"])
        self._run(at)
        if record.get("event") == "released":
            self._leased_until = -math.inf
            return
        self._leased_until = _number(record.get("until"), -math.inf)
        if self._stop is not None:
            self._close(max(at, self._stop.at), "person")

    def end(self, at: float, *, is_known: bool = True) -> _Kernel:
        """It is gone; not `is_known`: nothing more was written."""
        at = min(at, self._line["at"] + _AWAY_S)
        self._run(at)
        if self._stop is not None:
            self._close(max(at, self._stop.at), "its end" if is_known else "nothing")
        return self

    def _run(self, until: float) -> bool:
        """Follows it by what the newest line says. Returns: whether until then; else it would have been stopped."""
        while self._stop is None and self._now < until:
            self._step(self._now if self._is_new else min(until, self._now + STEP_S, *self._changes))
            if self._stop is not None:
                return False
        self._pay(until)
        self._now = max(self._now, until)
        return True

    def _step(self, at: float) -> None:
        started, left_s = self._line.get("started"), self._leased_until - at
        verdict = self._machine.step(
            recorded(self._line, at=at),
            leased_s=left_s if left_s > 0 else None,
            started_s=at - started if isinstance(started, (int, float)) else None,
        )
        self._now, self._is_new, self._changes = at, False, ()
        if verdict.stops_in_s is not None:
            told = (verdict.stops_in_s - self._policy.warn_s, verdict.stops_in_s)
            self._changes = tuple(at + left for left in told if left > _MOMENT_S)
        if verdict.state not in ("warned", "due"):
            self._warned = None
            return
        if self._warned is None:
            self._warned = at
            self.warnings += 1
        if verdict.state == "due":
            self._pay(at)
            self._stop = Stop(
                kernel=self._kernel,
                path=self._line.get("path"),
                at=at,
                warned_at=self._warned,
                kind=verdict.kind,
                because=verdict.because,
                until=at,
            )
            self.stops.append(self._stop)

    def _back(self, line: Mapping[str, Any]) -> bool:
        """Whether a kernel that would be gone did something after all, by its newest line."""
        if self._stop is None:
            return False
        found = activity.after(line, self._stop.at, self._worked)
        if found is None and self._stop.kind == "hung":
            found = activity.cell_ended(line, self._stop.at)
        if found is None:
            return False
        # A cell that only waited goes on when its job is over: by then the job's result is kept.
        is_over = found.by == "work" and self._stop.kind == "delegated"
        self._close(min(found.at, line["at"]), "its end" if is_over else found.by)
        return True

    def _close(self, at: float, by: Literal["nothing", "its end", "person", "work"]) -> None:
        self._pay(at)
        assert self._stop is not None
        self._stop.until, self._stop.ended_by, self._stop = at, by, None
        self._anew(max(self._now, at))  # whoever comes back has a new one

    def _anew(self, at: float) -> None:
        self._machine.reset()
        self._warned, self._now, self._is_new, self._changes = None, at, True, ()

    def _pay(self, until: float) -> None:
        """Counts what it held from the moment up to which that was done, by the newest line."""
        seconds = until - self._paid
        if seconds <= 0:
            return
        self._paid = until
        signals = self._line.get("signals")
        gpus = signals.get("gpus") if isinstance(signals, Mapping) else None
        held = gpus * seconds if isinstance(gpus, (int, float)) else None
        price = self._line.get("cost_per_hour")
        self.gpu_s += held or 0.0
        if self._stop is not None:
            self._stop.gpu_s = None if held is None or self._stop.gpu_s is None else self._stop.gpu_s + held
            paid = price * seconds / 3600 if isinstance(price, (int, float)) else None
            self._stop.cost = None if paid is None or self._stop.cost is None else self._stop.cost + paid


def _begun(line: Mapping[str, Any]) -> float:
    return min(_number(line.get("from"), line["at"]), float(line["at"]))


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float(otherwise)
