"""The state machine of a kernel, sample by sample: who is warned and due, and who never is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sampled_kernel import NEVER, POLICY, TICK, Kernel

from mlk_jupyter.idle.policy import HOUR
from mlk_jupyter.idle.signals import Signal, unknown


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
        ({"io": Signal(None)}, "idle", 3000),  # a system that counts no bytes: it may be loading something
        ({"io": Signal(None), "jobs": ("job-1",)}, "delegated", 3000),
        ({"io": Signal(None), "gpus": 1, "gpu_busy": 0.0}, "idle", 3000),
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


def test_a_thread_that_computes_silently_lives_and_its_kernel_ends_when_it_is_done() -> None:
    kernel = Kernel()
    assert set(kernel.run(10 * HOUR, cpu=99.6)) == {"active"}
    assert kernel.verdict.because == "computes in the background (CPU 100 % of a core)" and kernel.verdict.used == (
        "cpu",
    )
    assert kernel.until("due") == 600


@pytest.mark.parametrize("signals", [{"output": "stream"}, {"output": "stream", "cpu": 1.9}])
def test_a_thread_that_only_prints_does_not_keep_its_kernel_for_ever(signals: dict[str, Any]) -> None:
    assert Kernel().until("due", **signals) == 600


def test_a_cell_that_prints_now_and_then_lives_as_long_as_it_does() -> None:
    kernel = Kernel(execution="busy", pending=1, message="execute_request")
    for _ in range(50):
        kernel.run(2000, execution="busy", pending=1)
        assert kernel.step(execution="busy", pending=1, output="stream").state == "active"
        assert kernel.verdict.because == "a cell runs and says something"
    assert kernel.until("due", execution="busy", pending=1) == 3000 and kernel.verdict.kind == "hung"


def test_the_end_of_a_cell_begins_the_clock_anew() -> None:
    kernel = Kernel(execution="busy", pending=1, message="execute_request")
    kernel.run(900, execution="busy", pending=1)  # longer than an idle kernel may be
    assert kernel.step().state == "active" and kernel.verdict.because == "a cell has just ended"
    assert kernel.until("due") == 600


def test_a_cell_that_nobody_sent_through_this_server_counts_when_it_is_there_twice() -> None:
    kernel = Kernel()
    kernel.run(300)
    assert kernel.run(900, execution="busy")[-1] == "quiet" and kernel.verdict.kind == "hung"
    kernel.step()
    assert kernel.until("due") == 600


@pytest.mark.parametrize("age_s", [0.1, None])
def test_looks_of_a_page_at_the_variables_reset_nothing(age_s: float | None) -> None:
    kernel, took = Kernel(), 0.0
    look = {"execution": Signal("busy", age_s), "output": Signal("stream", 0.1)}
    while kernel.verdict.state != "due":
        kernel.step(**look)
        took += TICK
        for _ in range(0 if kernel.verdict.state == "due" else 3):
            took += TICK
            if kernel.step(execution=Signal("idle", None if age_s is None else 14.9)).state == "due":
                break
    assert took <= 600 + TICK


def test_no_look_at_the_variables_can_be_taken_for_the_moment_to_end_it() -> None:
    kernel = Kernel()
    kernel.until("warned")
    kernel.run(45)
    for _ in range(5):  # each of them might be somebody's cell
        assert kernel.step(execution=Signal("busy", 0.1)).state == "warned" and kernel.verdict.stops_in_s == TICK
    assert kernel.step(execution=Signal("busy", 20.0)).state == "quiet" and kernel.verdict.kind == "hung"  # it is one


def test_pages_and_tabs_are_no_persons() -> None:
    """Their messages are no `message`, and what they cost is below the thresholds."""
    assert Kernel().until("due", cpu=0.8, io=20_000, output="comm_msg", message=NEVER) == 600


@pytest.mark.parametrize("name", ["message", "presence"])
def test_an_old_sign_of_a_person_is_a_limit_before_its_end(name: str) -> None:
    kernel = Kernel()
    kernel.run(3000)
    kernel.machine.reset()
    kernel.step()
    kernel.happened[name] = kernel.now - 10  # between two samples
    kernel.step()
    assert kernel.verdict.state == "active"
    took = kernel.until("due")
    assert 600 - 10 - TICK <= took <= 600


@pytest.mark.parametrize("missing", ["execution", "message", "pending", "cpu", "io"])
def test_what_is_not_known_is_neither_work_nor_idleness(missing: str) -> None:
    kernel = Kernel()
    kernel.run(400)
    quiet_s = kernel.verdict.quiet_s
    gone: dict[str, Any] = {missing: unknown("it does not answer")}
    assert set(kernel.run(100_000, **gone)) == {"active"}
    assert "is not known (it does not answer), so this time is not counted" in kernel.verdict.because
    assert kernel.verdict.used == (missing,) and kernel.verdict.stops_in_s is None
    kernel.step()
    assert kernel.verdict.quiet_s == pytest.approx(quiet_s + TICK)  # type: ignore[operator]


def test_time_after_a_persons_last_sign_is_not_counted_either_while_it_is_not_known() -> None:
    kernel = Kernel()
    kernel.run(300)
    kernel.happened["presence"] = kernel.now - TICK + 1
    kernel.step(cpu=unknown("it does not answer"))
    assert kernel.until("due") == 600


def test_one_unknown_sample_takes_a_warning_back_and_a_whole_one_follows() -> None:
    kernel = Kernel()
    kernel.until("warned")
    kernel.run(45)
    assert kernel.step(cpu=unknown("too slow")).state == "active"
    assert kernel.step().state == "warned" and kernel.verdict.stops_in_s == 60
    assert kernel.until("due") == 60


def test_a_cell_whose_output_nobody_hears_is_not_called_hung() -> None:
    assert set(Kernel(execution="busy").run(90_000, execution="busy", output=unknown("no socket"))[2:]) == {"active"}


def test_a_cell_of_which_nobody_knows_whether_it_asks_something_has_the_longer_limit() -> None:
    kernel = Kernel(replace(POLICY, input_ttl_s=5000))
    assert kernel.until("due", execution="busy", input=unknown("no socket")) >= 5000


def test_a_cell_that_asked_and_got_its_answer_goes_on() -> None:
    kernel = Kernel(execution="busy", pending=1, message="execute_request")
    kernel.run(1100, execution="busy", pending=1, input=True)
    kernel.step(execution="busy", pending=1, message="input_reply")
    assert kernel.verdict.state == "active"
    assert kernel.until("due", execution="busy", pending=1) == 3000


def test_a_kernel_that_goes_on_after_a_suspension_is_not_ended_for_the_time_of_it() -> None:
    kernel = Kernel()
    kernel.run(2000, stopped=True)
    assert kernel.step().state == "active" and kernel.until("due") == 600


def test_a_cell_that_has_got_its_job_is_not_ended_for_the_time_of_it() -> None:
    waiting = {"execution": "busy", "pending": 1, "waits_for": "job-1", "output": "display_data"}
    kernel = Kernel(POLICY, **waiting)
    kernel.run(540, **waiting)
    assert kernel.verdict.state == "warned" and "job-1" in kernel.verdict.because
    assert kernel.step(execution="busy", pending=1).state == "active"
    assert kernel.until("due", execution="busy", pending=1) == 3000


def test_a_gpu_whose_use_was_unknown_is_not_called_unused_for_that_time() -> None:
    kernel = Kernel(replace(POLICY, ttl_s=10_000))
    kernel.run(5000, gpus=1, gpu_busy=unknown("no library"))
    assert kernel.step(gpus=1).kind == "idle_gpu"
    assert kernel.until("due", gpus=1) >= 300 - TICK


def test_a_gpu_whose_use_is_known_now_and_then_ends_by_the_longer_limit() -> None:
    kernel, took = Kernel(), 0.0
    while kernel.verdict.state != "due":
        took += TICK
        kernel.step(gpus=1, gpu_busy=unknown("shared") if took % 60 else 0.0)
    assert took == 600


@pytest.mark.parametrize(
    ("ttl_s", "gpu_ttl_s", "took_s"), [(600, 0, None), (0, 300, None), (600, 900, 900), (900, 600, 900)]
)
def test_unknown_use_of_a_gpu_has_the_longer_of_both_limits(
    ttl_s: float, gpu_ttl_s: float, took_s: float | None
) -> None:
    kernel = Kernel(replace(POLICY, ttl_s=ttl_s, gpu_ttl_s=gpu_ttl_s))
    shared = {"gpus": 1, "gpu_busy": unknown("shared")}
    if took_s is None:
        assert set(kernel.run(20_000, **shared)) == {"quiet"} and kernel.verdict.limit_s is None
    else:
        assert kernel.until("due", **shared) == took_s


def test_others_on_the_same_gpu_do_not_keep_a_kernel_that_holds_none() -> None:
    assert Kernel().until("due", gpus=0, gpu_busy=0.9) == 600


@pytest.mark.parametrize("limit", ["ttl_s", "gpu_ttl_s", "busy_silent_ttl_s", "input_ttl_s"])
def test_a_limit_of_0_is_none(limit: str) -> None:
    signals: dict[str, Any] = {
        "ttl_s": {},
        "gpu_ttl_s": {"gpus": 1},
        "busy_silent_ttl_s": {"execution": "busy"},
        "input_ttl_s": {"execution": "busy", "input": True},
    }[limit]
    kernel = Kernel(replace(POLICY, **{limit: 0.0}), **signals)
    assert "warned" not in kernel.run(100_000, **signals)
    assert kernel.verdict.state == "quiet" and (kernel.verdict.limit_s, kernel.verdict.stops_in_s) == (None, None)


def test_a_mode_of_off_ends_nothing() -> None:
    kernel = Kernel(replace(POLICY, mode="off", max_age_s=1000))
    states = {kernel.step(started_s=kernel.now).state for _ in range(5000)}
    assert states == {"quiet"} and kernel.verdict.stops_in_s is None


def test_a_kernel_that_starts_for_ever_ends_at_the_limit() -> None:
    kernel = Kernel(execution="starting")
    assert kernel.verdict.state == "starting"
    assert kernel.until("warned", execution="starting", cpu=unknown("no process"), io=unknown("no process")) == 540
    assert kernel.until("due", execution="starting", cpu=unknown("no process"), io=unknown("no process")) == 60


def test_a_kernel_that_was_used_and_starts_again_is_not_ended_while_its_cpu_is_unknown() -> None:
    kernel = Kernel(message="execute_request")
    assert set(kernel.run(20_000, execution="starting", cpu=unknown("no process"))) == {"starting"}
    assert kernel.until("due", execution="starting") <= 600


def test_starting_is_no_sign_of_work_but_its_cpu_is() -> None:
    kernel = Kernel(execution="starting")
    assert set(kernel.run(5000, execution="starting", cpu=80.0)) == {"starting"}
    assert kernel.until("due", execution="starting") == 600


@pytest.mark.parametrize("between", [{"execution": "dead"}, {"execution": "starting"}])
def test_a_kernel_that_comes_up_again_begins_anew(between: dict[str, Any]) -> None:
    kernel = Kernel()
    kernel.until("warned")
    assert kernel.step(**between).state == between["execution"]
    assert kernel.step().state == "quiet"
    assert kernel.until("due") >= 600 - TICK


@pytest.mark.parametrize("jump_s", [46, 8 * HOUR, 86_400, -1, -86_400])
def test_a_machine_that_was_suspended_or_a_clock_that_jumps_ends_nothing(jump_s: float) -> None:
    kernel = Kernel()
    kernel.until("due")
    kernel.now += jump_s - TICK
    kernel.happened = {}
    assert kernel.step().state == "quiet" and kernel.verdict.quiet_s == 0
    assert kernel.until("due") == 600


def test_samples_that_come_late_but_come_reset_nothing() -> None:
    kernel, took = Kernel(), 0.0
    while kernel.verdict.state != "due":
        kernel.now += 2 * TICK
        took += 3 * TICK
        kernel.step()
    assert 600 <= took <= 600 + 3 * TICK
