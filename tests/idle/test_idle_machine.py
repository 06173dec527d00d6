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
        ({"io": Signal(None)}, "idle", 600),  # a system that counts no bytes
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
