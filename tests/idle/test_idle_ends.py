"""The state machine of a kernel: leases, ages, and policies that change, before its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sampled_kernel import POLICY, TICK, Kernel, sample

from mlk_jupyter.idle.machine import Machine
from mlk_jupyter.idle.signals import Signal, unknown


def test_a_lease_holds_a_warning_and_a_whole_one_follows_it() -> None:
    kernel = Kernel()
    kernel.until("warned")
    kernel.run(45)
    for left_s in range(5000, 0, -15):
        assert kernel.step(leased_s=left_s).state == "quiet" and kernel.verdict.leased_s == left_s
        assert kernel.verdict.stops_in_s == left_s + 60
    assert kernel.step(leased_s=0).state == "warned" and kernel.verdict.stops_in_s == 60
    assert kernel.until("due") == 60


def test_a_lease_that_ends_before_the_limit_changes_nothing() -> None:
    kernel = Kernel()
    kernel.step(leased_s=30)
    assert kernel.verdict.stops_in_s == 585
    assert kernel.until("due") == 585


@pytest.mark.parametrize("leased_s", [0.0, -5.0, float("nan")])
def test_what_is_no_lease_holds_nothing(leased_s: float) -> None:
    kernel = Kernel()
    kernel.until("warned")
    assert [kernel.step(leased_s=leased_s).state for _ in range(4)][-1] == "due" and kernel.verdict.leased_s is None


OLD = replace(POLICY, max_age_s=7200, warn_s=300)


def test_a_kernel_that_works_is_warned_and_ended_at_its_greatest_age() -> None:
    kernel, states = Kernel(OLD), []
    for age_s in range(15, 7215, 15):
        states.append(kernel.step(cpu=99.0, started_s=age_s).state)
    assert states.index("warned") == 6900 / 15 - 1 and states[-2:] == ["warned", "due"]
    assert kernel.verdict.kind == "age" and "has been running for 2 h" in kernel.verdict.because
    assert "computes" in kernel.verdict.because


def test_an_old_kernel_is_warned_for_its_whole_time_when_it_is_first_seen_and_after_a_lease() -> None:
    kernel = Kernel(OLD, started_s=10**6)
    assert kernel.verdict.state == "quiet"
    assert kernel.step(cpu=9.0, started_s=10**6).state == "warned" and kernel.verdict.stops_in_s == 300
    assert kernel.step(cpu=9.0, started_s=10**6, leased_s=10).state == "active"
    states = [kernel.step(cpu=9.0, started_s=10**6).state for _ in range(21)]
    assert states == ["warned"] * 20 + ["due"]


def test_a_wall_clock_that_jumps_makes_no_kernel_older() -> None:
    kernel = Kernel(OLD)
    kernel.step(started_s=100)
    assert {kernel.step(cpu=9.0, started_s=86_400 + n * TICK).state for n in range(400)} == {"active"}


def test_a_kernel_of_unknown_age_is_not_too_old() -> None:
    assert {Kernel(OLD).step(cpu=9.0, started_s=age).state for age in (None, float("nan"), float("inf"))} == {"active"}


def test_who_was_told_of_idleness_is_told_of_age_for_its_whole_time() -> None:
    kernel = Kernel(replace(OLD, ttl_s=7100), started_s=0)
    verdicts = [kernel.step(started_s=age) for age in range(15, 7000, 15)]
    assert (verdicts[-1].state, verdicts[-1].kind) == ("warned", "idle")
    verdicts = [kernel.step(cpu=50.0, started_s=age) for age in range(7005, 7400, 15)]
    assert (verdicts[0].state, verdicts[0].kind, verdicts[0].stops_in_s) == ("warned", "age", 300)
    assert [verdict.state for verdict in verdicts].index("due") == 20


@pytest.mark.parametrize(
    "changed",
    [{"ttl_s": 500.0}, {"mode": "shadow"}, {"warn_s": 90.0}, {"cpu_pct": 1.0}, {"gpu_ttl_s": 60.0}],
    ids=str,
)
def test_another_policy_gives_a_whole_warning_first(changed: dict[str, Any]) -> None:
    kernel = Kernel()
    kernel.until("due")
    kernel.machine.policy = replace(POLICY, **changed)
    assert kernel.step().state == "warned" and kernel.verdict.stops_in_s == changed.get("warn_s", 60)
    assert kernel.until("due") == changed.get("warn_s", 60)


def test_the_same_policy_or_another_price_changes_nothing() -> None:
    kernel = Kernel()
    kernel.until("due")
    kernel.machine.policy = replace(POLICY, price_per_hour=2.0, webhook="https://example.com", lease_max_s=60)
    assert kernel.step().state == "due"


def test_a_longer_limit_takes_the_warning_back() -> None:
    kernel = Kernel()
    kernel.until("warned")
    kernel.machine.policy = replace(POLICY, ttl_s=1200)
    assert kernel.step().state == "quiet" and kernel.until("due") == 1200 - 540 - TICK


def test_a_sooner_end_never_comes_before_the_one_that_was_told() -> None:
    kernel = Kernel(replace(POLICY, ttl_s=1000, gpu_ttl_s=990, warn_s=300))
    kernel.until("warned")
    told = kernel.now - TICK + (kernel.verdict.stops_in_s or 0)
    while kernel.verdict.state != "due":
        kernel.step(gpus=1)
    assert kernel.now - TICK >= told


@pytest.mark.parametrize("warn_s", [0.0, 600.0, 10_000.0])
def test_nothing_is_due_that_was_not_warned_in_an_earlier_sample(warn_s: float) -> None:
    kernel = Kernel(replace(POLICY, warn_s=warn_s))
    assert kernel.until("warned") <= 600
    assert kernel.step().state == ("due" if warn_s == 0 else "warned")


def test_a_time_without_numbers_is_no_time() -> None:
    machine = Machine(POLICY)
    assert {machine.step(sample(float("nan"))).state for _ in range(100)} == {"quiet"}


def test_the_time_of_an_unused_gpu_is_not_counted_while_the_rest_is_unknown() -> None:
    kernel = Kernel(replace(POLICY, ttl_s=10_000))
    kernel.run(900, gpus=1, gpu_busy=unknown("no library"))
    kernel.run(150, gpus=1)
    kernel.run(900, gpus=1, cpu=unknown("too slow"))
    assert kernel.until("due", gpus=1) >= 300 - 150


def test_each_cell_of_a_row_has_the_whole_limit() -> None:
    kernel = Kernel(execution="busy", pending=2, message="execute_request")
    kernel.run(2700, execution="busy", pending=2)
    kernel.changed = kernel.now  # the next one begins
    assert kernel.until("due", execution="busy", pending=1) == 3000 + TICK


def test_an_end_that_comes_a_little_later_is_told_anew() -> None:
    kernel = Kernel(replace(POLICY, gpu_ttl_s=630))
    kernel.until("warned")
    kernel.run(30)
    assert kernel.step(gpus=1).state == "warned" and kernel.verdict.stops_in_s == 630 - 585


def test_a_cell_that_is_there_for_longer_than_from_sample_to_sample_is_one_at_once() -> None:
    kernel = Kernel()
    kernel.until("warned")
    kernel.now += TICK
    assert kernel.step(execution=Signal("busy", 20.0)).state == "active"
    assert kernel.verdict.because == "a cell runs"
