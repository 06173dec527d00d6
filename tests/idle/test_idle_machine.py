"""The state machine of a kernel, sample by sample: who is warned and due, and who never is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlk_jupyter.idle.machine import Machine
from mlk_jupyter.idle.policy import HOUR, Policy
from mlk_jupyter.idle.signals import Sample, Signal, Verdict, unknown

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


def test_an_idle_kernel_is_warned_and_then_due_at_its_limit() -> None:
    kernel = Kernel()
    assert kernel.until("warned") == 540 and kernel.verdict.stops_in_s == 60
    assert kernel.verdict.kind == "idle" and kernel.verdict.limit_s == 600
    assert kernel.until("due") == 60 and kernel.verdict.quiet_s == 600
    assert kernel.step().state == "due"  # until somebody ends it


@pytest.mark.parametrize("sign", [{"message": "execute_request"}, {"presence": "key"}, {"cpu": 2.0}, {"io": 70_000}])
def test_any_sign_of_life_in_a_warning_takes_it_back_and_the_limit_begins_anew(sign: dict[str, Any]) -> None:
    kernel = Kernel()
    kernel.until("warned")
    assert kernel.step(**sign).state == "active" and kernel.verdict.stops_in_s is None
    assert kernel.until("due") == 600


@pytest.mark.parametrize(
    ("signals", "kind", "limit_s"),
    [
        ({}, "idle", 600),
        ({"gpus": 1, "gpu_busy": 0.0}, "idle_gpu", 300),
        ({"gpus": 1, "gpu_busy": unknown("shared")}, "idle", 600),
        ({"gpus": unknown("no library")}, "idle", 600),
        ({"execution": "busy"}, "hung", 3000),
        ({"execution": "busy", "input": True}, "input", 1200),
        ({"stopped": True}, "hung", 3000),
        ({"execution": "busy", "stopped": True}, "hung", 3000),
        ({"execution": "busy", "pending": 1, "waits_for": "job-1"}, "delegated", 600),
        ({"execution": "busy", "pending": 2, "waits_for": "job-1"}, "hung", 3000),
        ({"jobs": ("job-1",)}, "delegated", 600),
        ({"jobs": ("job-1",), "gpus": 2}, "idle_gpu", 300),
        ({"execution": "starting"}, "idle", 600),
    ],
)
def test_each_kind_of_nothing_has_its_own_limit(signals: dict[str, Any], kind: str, limit_s: float) -> None:
    kernel = Kernel(**signals)
    took = kernel.until("due", **signals)
    assert limit_s <= took <= limit_s + 2 * TICK
    assert (kernel.verdict.kind, kernel.verdict.limit_s) == (kind, limit_s)


@pytest.mark.parametrize(
    "signals",
    [
        {"cpu": 98.0},
        {"execution": "busy", "cpu": 98.0},
        {"execution": "busy", "pending": 1, "output": "stream"},
        {"io": 1e6},
        {"gpus": 1, "gpu_busy": 0.4},
        {"gpus": unknown("no library"), "gpu_busy": 0.4},
        {"execution": "busy", "waits_for": "job-1", "cpu": 50.0},
        {"local": False},
        {"local": False, "cpu": unknown("another owner's"), "execution": unknown("another owner's")},
    ],
)
def test_what_works_or_is_anothers_is_never_even_warned(signals: dict[str, Any]) -> None:
    assert set(Kernel(**signals).run(20 * HOUR, **signals)) == {"active"}


def test_reset_and_first_sample_warn_of_nothing() -> None:
    kernel = Kernel(replace(POLICY, max_age_s=1000), started_s=10**6)
    assert kernel.verdict.state == "quiet"
    kernel.until("due")
    kernel.machine.reset()
    assert kernel.step().state == "quiet" and kernel.verdict.quiet_s == 0
