"""What the policy for idle kernels saves in a week of 50 people, and what it destroys: `make bench-idle`.

Against no policy, and against jupyter_server's own culler (`cull_idle_timeout` with `cull_connected`, not `cull_busy`),
which goes by `last_activity`: it sees messages and nothing else. GPU hours are those for which kernels held GPUs. A
stop is wrong when the kernel was doing something that somebody needs; the model of `week` knows, the policy does not.
`below_threshold`, apart from these figures: how many kernels are stopped whose thread works below what counts as work.
`watch` is what 200 kernels that do nothing cost the server; it is ok where one look takes less than 1 s, and all of
them less than 2 % of one core.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlk_jupyter.idle.machine import Machine
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.signals import Sample, Signal, unknown

from .measure import say
from .watch import watch_cost
from .week import HOUR, Kernel, Stretch, unkept, week

STEP_S = 15.0
"""Between two samples, as the server takes them."""
_CULL_INTERVAL_S = 300.0  # jupyter_server's own


@dataclass(slots=True)
class Outcome:
    """What became of all kernels."""

    gpu_s: float = 0.0
    stops: int = 0
    came_back: list[float] = field(default_factory=list)
    """Seconds after which the person went on in the same notebook: variables were lost, work was not."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Stops that destroyed work, by what was going on."""

    def as_dict(self, without: float) -> dict[str, Any]:
        """Its figures, as a share of the GPU seconds without a policy."""
        saved = 100 * (1 - self.gpu_s / without) if without else 0.0
        figures = {"saved_percent": round(saved, 1), "wrongly_stopped": self.wrong.total()}
        after_h = round(statistics.median(self.came_back) / HOUR, 1) if self.came_back else None
        back = {"came_back": len(self.came_back), "came_back_after_h": after_h}
        return {**figures, "stops": self.stops, **back, "wrong": dict(sorted(self.wrong.items()))}


class Watched:
    """A kernel with what can be seen of it at a moment; times must not go back."""

    def __init__(self, kernel: Kernel, begun: float) -> None:
        self._kernel = kernel
        self.stretches = [one for one in kernel.stretches if one.begin >= begun]
        self._next = 0
        self._running: list[Stretch] = []
        self._since, self._said = begun, -math.inf
        self._was_busy = False

    def at(self, now: float) -> list[Stretch]:
        """What went on in the step that ends now."""
        while self._next < len(self.stretches) and self.stretches[self._next].begin <= now:
            self._running.append(self.stretches[self._next])
            self._next += 1
        self._running = [one for one in self._running if one.end > now - STEP_S]
        return self._running

    def sample(self, now: float) -> Sample:
        """What a server would know."""
        kernel, running = self._kernel, self.at(now)
        cell = next((one for one in running if one.in_cell and one.end > now), None)
        for one in running:
            if one.in_cell:
                ran_s = min(one.end, now) - one.begin
                self._said = max(self._said, one.begin + (ran_s // one.says_s * one.says_s if one.says_s else 0.0))
                if one.end <= now:
                    self._since = max(self._since, one.end)
        if cell is not None and not self._was_busy:
            self._since = cell.begin
        self._was_busy = cell is not None
        gpu = max((one.gpu for one in running), default=0.0)
        return Sample(
            at=now,
            execution=Signal("busy" if cell else "idle", now - self._since),
            message=_newest(kernel.acts, now),
            pending=_ONE if cell else _ZERO,
            presence=_newest(kernel.presence, now),
            output=Signal("stream", now - self._said) if self._said > -math.inf else _NEVER,
            input=Signal(True, now - cell.begin) if cell and cell.input else _NO,
            cpu=Signal(max((one.cpu for one in running), default=0.0)),
            io=Signal(max((one.io for one in running), default=0.0)),
            stopped=_NO,
            gpus=Signal(kernel.gpus),
            gpu_busy=Signal(gpu) if kernel.use_is_known else _SHARED,
            gpu_memory=_ZERO,
            jobs=_NO_JOBS,
            waits_for=Signal(cell.waits_for) if cell else _NEVER,
        )


_ZERO, _ONE, _NO = Signal(0), Signal(1), Signal(False)
_NEVER: Signal[Any] = Signal()
_NO_JOBS: Signal[tuple[str, ...]] = Signal(())
_SHARED = unknown("tenants share the GPU")


def _newest(times: list[float], now: float) -> Signal[Any]:
    index = bisect_right(times, now)
    return Signal("used", now - times[index - 1]) if index else _NEVER


def watched(kernels: list[Kernel], policy: Policy) -> Outcome:
    """What the policy makes of them. Nobody answers a warning."""
    return _outcome(kernels, lambda kernel, begun: _first_due(kernel, begun, policy))


def culled(kernels: list[Kernel], ttl_s: float) -> Outcome:
    """What jupyter_server makes of them with this `cull_idle_timeout`."""
    return _outcome(kernels, lambda kernel, begun: _first_culled(kernel, begun, ttl_s))


def _outcome(kernels: list[Kernel], ends: Callable[[Kernel, float], float]) -> Outcome:
    outcome = Outcome()
    for kernel in kernels:
        begun = kernel.started
        while begun < kernel.ended:
            begun = _stopped(outcome, kernel, begun, ends(kernel, begun))
    return outcome


def _first_due(kernel: Kernel, begun: float, policy: Policy) -> float:
    machine, view = Machine(policy, interval_s=STEP_S), Watched(kernel, begun)
    now = begun
    while now < kernel.ended:
        left = max((until - now for since, until in kernel.leases if since <= now < until), default=None)
        if machine.step(view.sample(now), leased_s=left, started_s=now - begun).state == "due":
            return now
        now += STEP_S
    return kernel.ended


def _first_culled(kernel: Kernel, begun: float, ttl_s: float) -> float:
    """Messages move its clock: cells that begin, end and print, and pages that are loaded. A busy kernel is let be."""
    view = Watched(kernel, begun)
    now, last = begun, begun
    while now < kernel.ended:
        running = view.at(now)
        for times in (kernel.acts, kernel.loads):
            index = bisect_right(times, now)
            last = max(last, times[index - 1]) if index else last
        for one in running:
            if one.in_cell or one.says_s:
                last = max(last, min(one.end, now))
        is_busy = any(one.in_cell and one.end > now for one in running)
        if not is_busy and now - last > ttl_s:
            return now
        now += STEP_S if running else _CULL_INTERVAL_S
    return kernel.ended


def _stopped(outcome: Outcome, kernel: Kernel, begun: float, at: float) -> float:
    """Counts a kernel's life. Returns: when its person begins another in the same notebook."""
    outcome.gpu_s += kernel.gpus * (at - begun)
    if at >= kernel.ended:
        return kernel.ended
    outcome.stops += 1
    lost = next((one for one in kernel.stretches if one.needed and begun <= one.begin <= at < one.end), None)
    if lost is not None:
        outcome.wrong[lost.behaviour] += 1
    index = bisect_right(kernel.acts, at)
    if index == len(kernel.acts):
        return kernel.ended
    outcome.came_back.append(kernel.acts[index] - at)
    return kernel.acts[index]


def compared(*, seed: int, users: int, days: int, policy: Policy | None = None) -> dict[str, Any]:
    """The figures of one simulated time."""
    policy = policy or Policy()
    kernels = week(seed, users, days)
    without = sum(kernel.gpus * (kernel.ended - kernel.started) for kernel in kernels)
    return {
        **watched(kernels, policy).as_dict(without),
        "below_threshold": {"kernels": users, "stopped": watched(unkept(seed, users), policy).wrong.total()},
        "plain_ttl": {**culled(kernels, policy.ttl_s).as_dict(without), "ttl_s": policy.ttl_s},
        "plain_gpu_ttl": {**culled(kernels, policy.gpu_ttl_s).as_dict(without), "ttl_s": policy.gpu_ttl_s},
        "gpu_hours": round(without / HOUR),
        "seed": seed,
        "users": users,
        "days": days,
        "kernels": len(kernels),
        "left_behind": dict(sorted(Counter(one.behaviour for one in _first_parts(kernels)).items())),
    }


def _first_parts(kernels: list[Kernel]) -> list[Stretch]:
    """Each thing that was left behind, once: most have several stretches."""
    return [
        one
        for kernel in kernels
        for before, one in itertools.pairwise([None, *kernel.stretches])
        if one is not None
        and one.behaviour != "cell"
        and (before is None or (before.behaviour, before.end) != (one.behaviour, one.begin))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description="Simulate; one JSON object.")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another week (default: 1)")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--days", type=int, default=7)
    options = parser.parse_args()
    began = time.perf_counter()
    found = compared(seed=options.seed, users=options.users, days=options.days)
    print(json.dumps({**found, "watch": watch_cost()}, indent=1))
    say(f"took {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
