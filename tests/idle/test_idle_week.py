"""The simulated week is the same for the same seed, and knows what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.idle import compared, culled, watched
from benchmarks.week import DAY, HOUR, Kernel, Stretch, week
from mlk_jupyter.idle.policy import Policy

ROOT = Path(__file__).resolve().parent.parent.parent


def kernel_with(*stretches: Stretch, gpus: int = 1, **more: object) -> Kernel:
    kernel = Kernel(0, gpus, True, 0.0, acts=[0.0], **more)  # type: ignore[arg-type]
    kernel.stretches = list(stretches)
    kernel.finish(DAY)
    return kernel


def test_the_program_prints_one_object_and_the_policy_stops_nobody_who_works() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.idle", "--users", "8", "--days", "2", "--seed", "3"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)
    assert found["wrongly_stopped"] == 0 < found["plain_ttl"]["wrongly_stopped"]
    assert 0 < found["saved_percent"] < 100
    assert found["below_threshold"] == {"kernels": 8, "stopped": 8}
    assert set(found["plain_ttl"]) >= {"saved_percent", "wrongly_stopped"}
    watch = found["watch"]
    assert watch["kernels"] == watch["measured"] == 200 and watch["look_s"] > 0 and watch["core_percent"] > 0


def test_the_same_seed_is_the_same_week() -> None:
    assert week(7, 5, 3) == week(7, 5, 3) != week(8, 5, 3)
    assert compared(seed=7, users=3, days=1) == compared(seed=7, users=3, days=1)


def test_all_behaviours_occur_in_a_week() -> None:
    seen = {stretch.behaviour for kernel in week(1, 50, 7) for stretch in kernel.stretches}
    daily = {"cell", "trains", "downloads", "query"}
    assert seen == daily | {"asks", "delegates", "epochs", "hangs", "process", "sweep", "thread", "watcher"}
    assert any(not kernel.use_is_known for kernel in week(1, 50, 7))


def test_a_policy_that_is_too_impatient_is_seen_to_destroy_work() -> None:
    sweep = [Stretch("sweep", HOUR * n, HOUR * n + 1800, cpu=90, needed=True) for n in range(9)]
    pauses = [Stretch("sweep", HOUR * n + 1800, HOUR * (n + 1), needed=True) for n in range(9)]
    patient, hasty = (watched([kernel_with(*sweep, *pauses)], Policy(gpu_ttl_s=ttl)) for ttl in (HOUR, 1200.0))
    assert (patient.wrong.total(), hasty.wrong["sweep"]) == (0, 1)


@pytest.mark.parametrize(
    ("stretch", "policy_h", "plain_h", "plain_wrong"),
    [
        (Stretch("thread", 10, 6 * HOUR, cpu=90, needed=True), 7, 4, 1),
        (Stretch("process", 10, 6 * HOUR, gpu=0.5, needed=True), 7, 4, 1),
        (Stretch("downloads", 10, 6 * HOUR, io=1e6, needed=True), 7, 4, 1),
        (Stretch("query", 10, 6 * HOUR, True, needed=True), 7, 10, 0),
        (Stretch("trains", 10, 6 * HOUR, True, cpu=90, says_s=60, needed=True), 7, 10, 0),
        (Stretch("asks", 10, DAY, True, input=True), 8, 24, 0),
        (Stretch("delegates", 10, DAY, True, waits_for="job"), 4, 24, 0),
        (Stretch("hangs", 10, DAY, True), 24, 24, 0),
        (Stretch("nothing", 10, DAY), 1, 4, 0),
    ],
    ids=lambda value: value.behaviour if isinstance(value, Stretch) else None,
)
def test_each_behaviour_holds_its_gpu_for_as_long_as_it_should(
    stretch: Stretch, policy_h: float, plain_h: float, plain_wrong: int
) -> None:
    ours = watched([kernel_with(stretch)], Policy(gpu_ttl_s=HOUR))
    plain = culled([kernel_with(stretch)], 4 * HOUR)
    assert ours.gpu_s / HOUR == pytest.approx(policy_h, abs=0.2)
    assert plain.gpu_s / HOUR == pytest.approx(plain_h, abs=0.2)
    assert (ours.wrong.total(), plain.wrong.total()) == (0, plain_wrong)


def test_a_lease_keeps_what_cannot_be_told_from_a_ticker() -> None:
    watcher = Stretch("watcher", 10, 12 * HOUR, cpu=0.3, needed=True)
    assert watched([kernel_with(watcher)], Policy(gpu_ttl_s=HOUR)).wrong.total() == 1
    kept = watched([kernel_with(watcher, leases=[(10.0, 12 * HOUR)])], Policy(gpu_ttl_s=HOUR))
    assert kept.wrong.total() == 0 and kept.stops == 1


def test_who_comes_back_to_a_stopped_kernel_has_a_new_one_which_holds_its_gpu_again() -> None:
    kernel = Kernel(0, 2, True, 0.0, acts=[0.0, 10 * HOUR])
    kernel.finish(12 * HOUR)
    outcome = watched([kernel], Policy(gpu_ttl_s=HOUR))
    assert outcome.gpu_s / HOUR == pytest.approx(2 * 2, abs=0.1)
    assert outcome.came_back == [pytest.approx(9 * HOUR, abs=60)]
