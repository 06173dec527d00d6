"""Whatever a kernel's samples are: nothing that works, or of which that is not known, is ever due."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from mlk_jupyter.idle.machine import Machine
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.signals import Sample, Signal, Verdict, unknown

TICK = 15.0
POLICIES = st.builds(
    Policy,
    mode=st.sampled_from(["shadow", "enforce"]),
    ttl_s=st.sampled_from([0.0, 60.0, 120.0]),
    gpu_ttl_s=st.sampled_from([0.0, 45.0, 90.0]),
    busy_silent_ttl_s=st.sampled_from([0.0, 100.0, 240.0]),
    input_ttl_s=st.sampled_from([0.0, 75.0]),
    max_age_s=st.sampled_from([0.0, 0.0, 300.0]),
    warn_s=st.sampled_from([0.0, 10.0, 30.0, 40.0]),
)


def of(value: st.SearchStrategy[Any], ages: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Signal[Any]]:
    """A signal, mostly a known one."""
    known = st.builds(Signal, value, st.none() if ages is None else ages)
    return st.one_of(known, known, known, known, known, known, known, st.just(unknown("it does not answer")))


AGES = st.one_of(st.none(), st.floats(0, 400), st.just(math.nan))
STATES = st.sampled_from(["idle", "idle", "idle", "busy", "busy", "starting"])
EVENTS = st.one_of(st.just(Signal()), st.just(Signal()), of(st.just("key"), st.floats(0, 400)))
SAMPLES = st.builds(
    Sample,
    at=st.just(0.0),
    execution=of(STATES, AGES),
    message=EVENTS,
    pending=of(st.sampled_from([0, 0, 0, 0, 1, 2])),
    presence=EVENTS,
    output=EVENTS,
    input=of(st.sampled_from([False, False, False, True]), AGES),
    cpu=of(st.sampled_from([0.0, 0.0, 0.0, 1.9, 0.3, 2.0, 99.0])),
    io=of(st.sampled_from([0.0, 0.0, 0.0, 100.0, 65_535.0, 65_536.0])),
    stopped=of(st.sampled_from([False, False, False, True])),
    gpus=of(st.sampled_from([0, 0, 1, 8])),
    gpu_busy=of(st.sampled_from([0.0, 0.0, 0.0, 0.009, 0.01, 1.0])),
    gpu_memory=of(st.just(0)),
    jobs=of(st.sampled_from([(), ("job-1",)])),
    waits_for=of(st.sampled_from([None, None, None, "job-1"])),
)
"""Anything at all. Most of them speak against an end, so a stretch of the same one has to be long."""
ZERO, NOTHING, NO = Signal(0), Signal(), Signal(False)
IDLE = Sample(
    0.0, Signal("idle"), NOTHING, ZERO, NOTHING, NOTHING, NO, ZERO, ZERO, NO, ZERO, ZERO, ZERO, Signal(()), NOTHING
)


@dataclass(frozen=True)
class Stretch:
    """The same for some samples; ages grow with time."""

    sample: Sample
    steps: int
    step_s: float
    leased_s: float | None


STRETCHES = st.lists(
    st.builds(
        Stretch,
        st.one_of(
            SAMPLES, st.just(IDLE), SAMPLES.map(lambda one: replace(IDLE, execution=one.execution, gpus=one.gpus))
        ),
        st.integers(1, 16),
        st.sampled_from([TICK, TICK, TICK, 1.0, 40.0, 46.0, -5.0]),
        st.one_of(st.none(), st.none(), st.none(), st.floats(0, 100)),
    ),
    min_size=1,
    max_size=8,
)


def samples_of(stretches: list[Stretch]) -> list[tuple[Sample, float | None]]:
    """One after the other, with the lease that holds."""
    found, at = [], 1000.0
    for stretch in stretches:
        began = at
        for _ in range(stretch.steps):
            at += stretch.step_s
            grown = {
                name: replace(signal, age_s=signal.age_s + max(0.0, at - began))
                for name in ("execution", "message", "presence", "output", "input")
                if (signal := getattr(stretch.sample, name)).age_s is not None
            }
            found.append((replace(stretch.sample, at=at, **grown), stretch.leased_s))
    return found


def followed(policy: Policy, steps: list[tuple[Sample, float | None]]) -> list[Verdict]:
    machine = Machine(policy, interval_s=TICK)
    return [machine.step(sample, leased_s=lease, started_s=sample.at - 900.0) for sample, lease in steps]


def used_at(signal: Signal[Any], at: float) -> float:
    """When the event was; -inf: never, or not known."""
    if not signal.known or (signal.value is None and signal.age_s is None):
        return -math.inf
    return at if signal.age_s is None or math.isnan(signal.age_s) else at - signal.age_s


def works(sample: Sample, policy: Policy) -> bool:
    """Whether its processes do something."""
    on_gpu = (sample.gpu_busy.value or 0) * 100 >= policy.gpu_pct and not (sample.gpus.known and sample.gpus.value == 0)
    return (sample.cpu.value or 0) >= policy.cpu_pct or (sample.io.value or 0) >= policy.io_bytes or on_gpu


def is_unknown(sample: Sample) -> bool:
    """Whether something is not known without which nobody can call it idle."""
    never_used = all(signal.known and used_at(signal, 0) == -math.inf for signal in (sample.message, sample.output))
    untouched = sample.execution.value == "starting" and sample.pending.value == 0 and never_used
    needed = [sample.execution, sample.message, sample.pending, *([] if untouched else [sample.cpu, sample.io])]
    return not all(signal.known for signal in needed)


def last(steps: list[tuple[Sample, float | None]], policy: Policy) -> float:
    """The last moment of which the samples say that somebody used it or that it worked."""
    people = [used_at(signal, one.at) for one, _ in steps for signal in (one.message, one.presence)]
    return max([*people, *(one.at for one, _ in steps if works(one, policy))])


@settings(max_examples=250, deadline=None)
@given(POLICIES, STRETCHES)
def test_nothing_is_due_against_which_anything_spoke_in_the_time_of_its_warning(
    policy: Policy, stretches: list[Stretch]
) -> None:
    steps = samples_of(stretches)
    told: float | None = None
    begin = 0  # of the samples since the clocks began anew
    for index, ((sample, lease), verdict) in enumerate(zip(steps, followed(policy, steps), strict=True)):
        before = steps[index - 1][0].at if index else -math.inf
        if not 0 <= sample.at - before <= 3 * TICK:
            begin = index
        if begin == index or lease:
            assert verdict.state not in ("warned", "due")
        if verdict.state == "warned":
            told = sample.at if told is None else told
        elif verdict.state != "due":
            told = None
        assert verdict.quiet_s is None or verdict.quiet_s >= 0
        assert verdict.stops_in_s is None or 0 <= verdict.stops_in_s < math.inf
        assert verdict.because and (lease is None or verdict.leased_s == (lease or None))
        if verdict.state == "due":
            event(f"due: {verdict.kind}")
            assert told is not None and sample.at - told >= policy.warn_s
            assert verdict.limit_s and (verdict.kind == "age" or (verdict.quiet_s or 0) >= verdict.limit_s)
            if verdict.kind != "age":
                seen = steps[begin : index + 1]
                life = last(seen, policy)
                assert life <= sample.at - policy.warn_s and life <= sample.at - verdict.limit_s
                in_warning = [one for one, _ in seen if one.at > sample.at - policy.warn_s]
                assert not any(is_unknown(one) for one in in_warning)
                pairs = [(a.at, b) for (a, _), (b, _) in pairwise(seen) if b.at > life]
                assert sum(b.at - a for a, b in pairs if not is_unknown(b)) >= verdict.limit_s


@settings(max_examples=100, deadline=None)
@given(POLICIES, STRETCHES)
def test_shadow_sees_what_enforce_does(policy: Policy, stretches: list[Stretch]) -> None:
    steps = samples_of(stretches)
    assert followed(replace(policy, mode="shadow"), steps) == followed(replace(policy, mode="enforce"), steps)
    assert not {"warned", "due"} & {verdict.state for verdict in followed(replace(policy, mode="off"), steps)}


@settings(max_examples=100, deadline=None)
@given(POLICIES, STRETCHES)
def test_a_kernel_of_another_owner_is_left_alone(policy: Policy, stretches: list[Stretch]) -> None:
    steps = [(replace(sample, local=False), lease) for sample, lease in samples_of(stretches)]
    assert {verdict.state for verdict in followed(policy, steps)} == {"active"}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 7), st.lists(st.tuples(st.integers(1, 60), SAMPLES), max_size=4))
def test_whatever_was_before_an_idle_kernel_ends_at_its_limit(late: int, before: list[tuple[int, Sample]]) -> None:
    policy = Policy(ttl_s=600, gpu_ttl_s=600, busy_silent_ttl_s=600, input_ttl_s=600, warn_s=60)
    machine, at = Machine(policy, interval_s=TICK), 1000.0
    for steps, sample in before:
        for _ in range(steps):
            at += TICK
            machine.step(replace(sample, at=at))
    began = at
    while machine.step(replace(IDLE, at=(at := at + TICK + late))).state != "due":
        assert at - began < 600 + 60 + 3 * (TICK + late)
