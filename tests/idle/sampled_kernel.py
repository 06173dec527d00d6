"""A kernel that is sampled every 15 s, for the tests of what follows from that."""

from __future__ import annotations

from typing import Any

from mlk_jupyter.idle.machine import Machine
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.signals import Sample, Signal, Verdict

TICK = 15.0
NEVER: Signal[Any] = Signal()
POLICY = Policy(mode="enforce", ttl_s=600, gpu_ttl_s=300, busy_silent_ttl_s=3000, input_ttl_s=1200, warn_s=60)


def sample(at: float = 0.0, **signals: Any) -> Sample:
    """One of a kernel that does nothing, apart from `signals`; a bare value is one that is known."""
    known = {
        "execution": "idle",
        "pending": 0,
        "input": False,
        "cpu": 0.0,
        "io": 0.0,
        "stopped": False,
        "gpus": 0,
        "gpu_busy": 0.0,
        "gpu_memory": 0,
        "jobs": (),
    }
    local = signals.pop("local", True)
    given = {name: value if isinstance(value, Signal) else Signal(value) for name, value in (known | signals).items()}
    rest = {name: NEVER for name in ("message", "presence", "output", "waits_for")}
    return Sample(at=at, local=local, **(rest | given))


class Kernel:
    """One kernel that is sampled every 15 s; events keep getting older by themselves."""

    def __init__(self, policy: Policy = POLICY, **start: Any) -> None:
        self.machine = Machine(policy, interval_s=TICK)
        self.now = 1000.0
        self.happened: dict[str, float] = {}
        self.state: dict[str, Any] = {}
        self.changed = 0.0
        self.verdict = self.step(**start)

    def step(self, *, leased_s: float | None = None, started_s: float | None = None, **signals: Any) -> Verdict:
        """A sample now; `message`, `presence` and `output` with a value have happened in this moment."""
        if signals.get("execution", "idle") != self.state.get("execution", "idle"):
            self.changed = self.now
        self.state = signals
        for name in ("message", "presence", "output"):
            if name in signals and not isinstance(signals[name], Signal):
                self.happened[name] = self.now
        events = {name: Signal("x", self.now - when) for name, when in self.happened.items()}
        said = {**signals, **{name: events[name] for name in events if not isinstance(signals.get(name), Signal)}}
        if not isinstance(said.get("execution"), Signal):
            said["execution"] = Signal(said.get("execution", "idle"), self.now - self.changed)
        self.verdict = self.machine.step(sample(self.now, **said), leased_s=leased_s, started_s=started_s)
        self.now += TICK
        return self.verdict

    def run(self, seconds: float, **signals: Any) -> list[str]:
        """States while all stays as it is."""
        return [self.step(**signals).state for _ in range(int(seconds / TICK))]

    def until(self, state: str, limit_s: float = 200_000, **signals: Any) -> float:
        """Seconds until it is in `state`."""
        began = self.now
        while self.step(**signals).state != state:
            assert self.now - began < limit_s, f"never {state}, but {self.verdict}"
        return self.now - began
