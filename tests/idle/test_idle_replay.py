"""What another policy would have done on recorded samples: the same as it does on the samples themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlk_jupyter.idle.audit import Audit
from mlk_jupyter.idle.machine import Machine
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.recording import Recording
from mlk_jupyter.idle.replay import Replayed, replay, replay_files
from mlk_jupyter.idle.replay_report import as_json, as_text
from mlk_jupyter.idle.signals import Sample, Signal, unknown

NOON = 1_790_000_000.0
INTERVAL_S = 15.0
HOUR = 3600.0
ONE_HOUR = Policy(gpu_ttl_s=HOUR)


class Kernel:
    """One that is told what to do and sampled every 15 s: samples, and the lines recorded of them."""

    def __init__(self, *, gpus: int | None = 1, path: str = "a.ipynb", kernel: str = "k") -> None:
        self.samples: list[tuple[float, Sample]] = []
        self.records: list[dict[str, Any]] = []
        self.now = NOON
        self._recording = Recording()
        self._kernel, self._path, self._gpus = kernel, path, gpus
        self._state, self._since = "idle", NOON
        self._times: dict[str, float | None] = {"message": None, "presence": None, "output": None}

    def goes_on(self, seconds: float, *, state: str = "idle", says: bool = False, **use: Any) -> Kernel:
        """For so long it is in this state and uses so much."""
        if state != self._state:
            self._state, self._since = state, self.now
        until = self.now + seconds
        while self.now + INTERVAL_S <= until:
            self.now += INTERVAL_S
            if says:
                self._times["output"] = self.now
            self._take(use)
        return self

    def happens(self, name: str) -> Kernel:
        """A person does something now."""
        self._times[name] = self.now
        return self

    def away(self, seconds: float) -> Kernel:
        """The machine is suspended."""
        self.now += seconds
        return self

    def ends(self) -> Kernel:
        line = self._recording.gone(self._kernel, at=self.now)
        self.records += [line] if line else []
        return self

    def _take(self, use: dict[str, Any]) -> None:
        def event(name: str) -> Signal[Any]:
            when = self._times[name]
            return Signal() if when is None else Signal(name, self.now - when)

        busy = self._state == "busy"
        sample = Sample(
            at=self.now,
            execution=Signal(self._state, self.now - self._since),  # type: ignore[arg-type]
            message=event("message"),
            pending=Signal(1 if busy else 0),
            presence=event("presence"),
            output=event("output"),
            input=Signal(bool(use.get("input")), None),
            cpu=Signal(use.get("cpu", 0.0)),
            io=Signal(use.get("io", 0.0)),
            stopped=Signal(False),
            gpus=unknown("no driver") if self._gpus is None else Signal(self._gpus),
            gpu_busy=use.get("gpu_busy", Signal(0.0)),
            gpu_memory=Signal(0),
            jobs=Signal(()),
            waits_for=Signal(use.get("waits_for")),
        )
        self.samples.append((self.now, sample))
        line = self._recording.sample(self._kernel, sample, at=self.now, path=self._path, cost_per_hour=36.0)
        self.records += [line] if line else []


def stops_of(samples: list[tuple[float, Sample]], policy: Policy) -> float | None:
    """When a kernel is due by its samples, the first time."""
    machine = Machine(policy, interval_s=INTERVAL_S)
    return next((at for at, sample in samples if machine.step(sample).state == "due"), None)


def lease(at: float, until: float) -> dict[str, Any]:
    return {"event": "lease", "kernel": "k", "at": at, "until": until}


def test_a_forgotten_gpu_kernel_would_have_been_stopped_and_that_is_what_it_saves() -> None:
    kernel = Kernel(gpus=8).happens("message").goes_on(HOUR, state="busy", cpu=90.0).goes_on(60 * HOUR).ends()
    found = replay(kernel.records, ONE_HOUR)
    (stop,) = found.stops
    assert stop.kind == "idle_gpu" and stop.ended_by == "its end" and stop.warned_at < stop.at
    assert stop.at - NOON == pytest.approx(2 * HOUR, abs=60)
    assert stop.gpu_s == pytest.approx(8 * 59 * HOUR, rel=0.01)
    assert stop.cost == pytest.approx(36 * 59, rel=0.01)
    assert found.saved_percent == pytest.approx(100 * 59 / 61, rel=0.01)
    assert (found.wrongly_stopped, found.interrupted, found.warnings, found.kernels) == (0, 0, 1, 1)


def test_what_a_stop_saves_counts_from_the_stop_on_though_nothing_is_recorded_for_an_hour() -> None:
    kernel = Kernel().happens("message").goes_on(6 * HOUR).ends()
    found = replay(kernel.records, Policy(gpu_ttl_s=1800.0))
    assert found.gpu_s == pytest.approx(6 * HOUR, rel=0.01)
    assert found.saved_gpu_s == pytest.approx(5.5 * HOUR, rel=0.01)


def test_who_comes_back_was_interrupted_and_has_a_new_kernel_from_then_on() -> None:
    kernel = Kernel().happens("message").goes_on(3 * HOUR).happens("message").goes_on(5 * HOUR).ends()
    found = replay(kernel.records, ONE_HOUR)
    assert [stop.ended_by for stop in found.stops] == ["person", "its end"]
    assert found.stops[0].until - NOON == pytest.approx(3 * HOUR, abs=60)
    assert found.stops[1].at - NOON == pytest.approx(4 * HOUR, abs=60)
    assert (found.wrongly_stopped, found.interrupted) == (0, 1)


@pytest.mark.parametrize(
    "use",
    [{"cpu": 80.0}, {"io": 1e6}, {"gpu_busy": Signal(0.5)}, {"cpu": 30.0}],
    ids=["cpu", "io", "gpu", "less than the policy's own limit"],
)
def test_work_that_nobody_asked_for_anew_would_have_been_lost(use: dict[str, Any]) -> None:
    kernel = Kernel().happens("message").goes_on(1.5 * HOUR).goes_on(HOUR, **use).ends()
    assert replay(kernel.records, Policy(gpu_ttl_s=HOUR, cpu_pct=50.0)).wrongly_stopped == 1


def test_a_hung_cell_that_ends_after_all_would_have_been_lost() -> None:
    kernel = Kernel().happens("message").goes_on(30 * HOUR, state="busy").goes_on(HOUR).ends()
    (stop,) = replay(kernel.records, ONE_HOUR).stops
    assert (stop.kind, stop.ended_by) == ("hung", "work")


def test_a_cell_that_only_waited_for_a_job_is_no_lost_work() -> None:
    kernel = Kernel(gpus=0).happens("message").goes_on(6 * HOUR, state="busy", waits_for="job-1")
    kernel.goes_on(120, state="busy", cpu=50.0).goes_on(120).ends()
    found = replay(kernel.records, ONE_HOUR)
    assert [stop.kind for stop in found.stops] == ["delegated"] and found.wrongly_stopped == 0


def test_a_lease_holds_and_one_that_is_given_later_is_a_person() -> None:
    kernel = Kernel().happens("message").goes_on(12 * HOUR).ends()
    early, late = lease(NOON + 600, NOON + 6 * HOUR), lease(NOON + 5 * HOUR, NOON + 9 * HOUR)

    def stops(*leases: dict[str, Any]) -> list[tuple[float, str]]:
        records = sorted([*kernel.records, *leases], key=lambda record: record["at"])
        found = replay(records, ONE_HOUR).stops
        return [(round((stop.at - NOON) / HOUR, 1), stop.ended_by) for stop in found]

    assert stops() == [(1.0, "its end")]
    assert stops(early) == [(6.1, "its end")]
    assert stops(early, {"event": "released", "kernel": "k", "at": NOON + 2 * HOUR}) == [(2.1, "its end")]
    assert stops(late) == [(1.0, "person"), (9.1, "its end")]


def test_what_was_not_watched_stops_nothing() -> None:
    kernel = Kernel().happens("message").goes_on(0.5 * HOUR).away(8 * HOUR).goes_on(0.9 * HOUR).ends()
    assert replay(kernel.records, ONE_HOUR).stops == ()
    kernel = Kernel().happens("message").goes_on(0.9 * HOUR).away(300).goes_on(0.9 * HOUR).ends()
    assert replay(kernel.records, ONE_HOUR).stops == ()


def test_a_clock_that_was_set_back_stops_nothing_early() -> None:
    kernel = Kernel().happens("message").goes_on(0.5 * HOUR).away(-24 * HOUR).goes_on(0.9 * HOUR).ends()
    assert replay(kernel.records, ONE_HOUR).stops == ()


def test_kernels_of_others_and_a_policy_that_is_off_stop_nothing() -> None:
    kernel = Kernel().happens("message").goes_on(12 * HOUR).ends()
    assert replay(kernel.records, Policy(mode="off")).stops == ()
    assert replay([{**record, "local": False} for record in kernel.records], ONE_HOUR).stops == ()


def test_what_it_held_and_what_it_cost_may_be_unknown() -> None:
    kernel = Kernel(gpus=None).happens("message").goes_on(12 * HOUR).ends()
    unpriced = [{name: value for name, value in line.items() if name != "cost_per_hour"} for line in kernel.records]
    found = replay(unpriced, ONE_HOUR)
    assert [(stop.gpu_s, stop.cost) for stop in found.stops] == [(None, None)]
    assert found.saved is None and found.saved_percent is None


def test_a_kernel_that_was_really_stopped_ends_there_and_one_goes_with_its_server() -> None:
    kernel = Kernel().happens("message").goes_on(3 * HOUR)
    ends = {"at": kernel.now + 60, "event": "stopped", "kernel": "k"}
    assert replay([*kernel.records, ends], Policy(gpu_ttl_s=6 * HOUR)).stops == ()
    records = [{**record, "server": "s"} for record in kernel.records]
    gone = {"at": kernel.now + 60, "event": "server_stop", "server": "s"}
    (stop,) = replay([*records, gone], ONE_HOUR).stops
    assert stop.ended_by == "its end" and stop.until == kernel.now + 60


def test_files_and_folders_can_be_read(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for number, folder in enumerate(folders):
        audit = Audit(folder)
        for record in Kernel(kernel=f"k{number}").happens("message").goes_on(3 * HOUR).records:
            audit.write(record)
    assert replay_files(folders, ONE_HOUR).kernels == 2
    assert replay_files(folders[:1], ONE_HOUR).kernels == 1
    assert replay_files([folders[0] / "samples.jsonl"], ONE_HOUR).kernels == 1
    with pytest.raises(FileNotFoundError):
        replay_files([tmp_path / "none"], ONE_HOUR)


def test_nothing_recorded_is_nothing_saved() -> None:
    assert replay([], ONE_HOUR) == Replayed(None, None, 0, 0, (), 0.0, "USD")


def _doing() -> st.SearchStrategy[dict[str, Any]]:
    """What a kernel does for some minutes."""
    use = st.one_of(
        st.just({}),
        st.builds(lambda cpu: {"cpu": cpu}, st.sampled_from([0.3, 1.9, 2.0, 55.0])),
        st.builds(lambda share: {"gpu_busy": Signal(share)}, st.sampled_from([0.004, 0.01, 0.9])),
        st.just({"gpu_busy": unknown("tenants share it")}),
        st.just({"io": 70_000.0}),
        st.just({"state": "busy", "says": True}),
        st.just({"state": "busy"}),
        st.just({"state": "busy", "input": True}),
    )
    return st.builds(
        lambda use, minutes, event: {"use": use, "seconds": 60.0 * minutes, "event": event},
        use,
        st.integers(1, 90),
        st.sampled_from([None, None, "message", "presence"]),
    )


POLICIES = (
    Policy(ttl_s=HOUR, gpu_ttl_s=0.5 * HOUR, busy_silent_ttl_s=2 * HOUR, input_ttl_s=0.75 * HOUR),
    Policy(ttl_s=0.6 * HOUR, gpu_ttl_s=HOUR, busy_silent_ttl_s=HOUR, warn_s=600.0, cpu_pct=1.0),
)


@settings(max_examples=60)
@given(st.lists(_doing(), min_size=1, max_size=8), st.sampled_from(POLICIES), st.sampled_from([0, 1]))
def test_lines_give_the_same_end_as_the_samples_to_a_minute(
    doings: list[dict[str, Any]], policy: Policy, gpus: int
) -> None:
    kernel = Kernel(gpus=gpus)
    for doing in doings:
        if doing["event"]:
            kernel.happens(doing["event"])
        kernel.goes_on(doing["seconds"], **doing["use"])
    due = stops_of(kernel.ends().samples, policy)
    stops = replay(kernel.records, policy).stops
    if due is None:
        # It may lack a minute to the end of the records, or to what came in time.
        assert not stops or any(abs(stops[0].at - near) <= 75 for near in _changes(kernel))
    elif not stops:
        assert any(0 <= near - due <= 75 for near in _changes(kernel))
    else:
        assert abs(stops[0].at - due) <= 75


def _changes(kernel: Kernel) -> Iterator[float]:
    """When it began to do something else, or was seen last."""
    yield kernel.now
    before: Sample | None = None
    for at, sample in kernel.samples:
        same = replace(sample, at=0.0, execution=Signal(sample.execution.value), output=Signal(), message=Signal())
        same = replace(same, presence=Signal())
        if same != before or any(
            signal.age_s is not None and signal.age_s <= INTERVAL_S for signal in (sample.message, sample.presence)
        ):
            yield at
        before = same


def test_what_is_found_is_told_in_words_and_as_json() -> None:
    wrong = Kernel(kernel="k1", path="train.ipynb").happens("message").goes_on(2 * HOUR).goes_on(HOUR, cpu=90.0).ends()
    found = replay(wrong.records, Policy(gpu_ttl_s=HOUR, currency="EUR"))
    text = as_text(found, tz=timezone.utc)
    assert "WRONG: 1 kernel was seen to work after the stop" in text
    assert "train.ipynb" in text and "WORKED after 1 h" in text and "EUR" in text
    told = json.loads(json.dumps(as_json(found)))
    assert (told["wrongly_stopped"], told["stopped"], told["currency"]) == (1, 1, "EUR")
    assert told["stops"][0]["kind"] == "idle_gpu" and told["saved_percent"] == found.saved_percent
    quiet = as_text(replay(Kernel().happens("message").goes_on(HOUR / 2).ends().records, ONE_HOUR))
    assert quiet.splitlines()[1].startswith("Would have warned nobody and stopped 0 kernels")
    back = Kernel().happens("message").goes_on(3 * HOUR).happens("message").goes_on(600).ends()
    assert "Once somebody came back and would have found the kernel stopped." in as_text(replay(back.records, ONE_HOUR))
    assert as_text(replay([], ONE_HOUR)) == "No samples are recorded there: nothing to replay."
