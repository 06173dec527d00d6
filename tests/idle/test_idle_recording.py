"""Samples become few lines, and come back from them as they were."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlk_jupyter.idle.recording import LEAST_S, LIFE_S, Recording, recorded
from mlk_jupyter.idle.signals import NAMES, Sample, Signal, unknown

NOON = 1_790_000_000.0
QUIET = Sample(
    at=0.0,
    execution=Signal("idle", 300.0),
    message=Signal("execute_request", 600.0),
    pending=Signal(0),
    presence=Signal("key", 500.0),
    output=Signal("stream", 400.0),
    input=Signal(False),
    cpu=Signal(0.0),
    io=Signal(0.0),
    stopped=Signal(False),
    gpus=Signal(1),
    gpu_busy=Signal(0.0),
    gpu_memory=Signal(18 * 2**30),
    jobs=Signal(()),
    waits_for=Signal(),
)


def lines_of(samples: list[tuple[float, Sample]], **more: Any) -> list[dict[str, Any]]:
    recording = Recording()
    lines = [recording.sample("k", sample, at=NOON + at, path="a.ipynb", **more) for at, sample in samples]
    return [json.loads(json.dumps(line)) for line in lines if line is not None]


def later(sample: Sample, seconds: float) -> Sample:
    """The same when nothing happened since."""
    older = {
        name: Signal(signal.value, signal.age_s + seconds, signal.why)
        for name in ("execution", "message", "presence", "output", "input")
        if (signal := getattr(sample, name)).age_s is not None
    }
    return replace(sample, **older)


def test_a_kernel_that_does_nothing_for_a_weekend_costs_a_line_an_hour() -> None:
    lines = lines_of([(15.0 * n, later(QUIET, 15.0 * n)) for n in range(60 * 60 * 4)])  # 60 h
    assert len(lines) == pytest.approx(60, abs=2)
    assert max(len(json.dumps(line)) for line in lines) < 600
    assert max(two["at"] - one["at"] for one, two in itertools.pairwise(lines)) <= LIFE_S + 15


def test_one_whose_use_changes_all_the_time_costs_a_line_a_minute() -> None:
    lines = lines_of([(15.0 * n, replace(later(QUIET, 15.0 * n), cpu=Signal(float(n % 90)))) for n in range(240)])
    assert len(lines) <= 61


def test_the_most_of_a_minute_is_kept() -> None:
    burst = replace(QUIET, cpu=Signal(97.0), gpu_busy=Signal(0.55))
    samples = [(15.0 * n, later(burst if n == 2 else QUIET, 15.0 * n)) for n in range(5)]
    lines = lines_of(samples)
    assert [(line["from"] - NOON, line["at"] - NOON) for line in lines] == [(0, 0), (30, 60)]
    assert recorded(lines[1], at=NOON + 60).cpu.value == 90
    assert recorded(lines[1], at=NOON + 60).gpu_busy.value == 0.5


def test_unknown_is_kept_as_unknown_with_its_reason_also_when_it_was_so_for_a_moment() -> None:
    dark = replace(QUIET, gpu_busy=unknown("tenants share the GPU"))
    lines = lines_of([(0, QUIET), (30, dark), (45, QUIET), (60, QUIET)])
    assert recorded(lines[-1], at=NOON + 60).gpu_busy.why == "tenants share the GPU"


def test_a_sample_comes_back_with_the_ages_of_the_moment() -> None:
    (line,) = lines_of([(0, QUIET)], name="python3", started=NOON - 900, cost_per_hour=3.0)
    sample = recorded(line, at=NOON + 60)
    for name in NAMES:
        before, after = getattr(QUIET, name), getattr(sample, name)
        assert after.value == before.value and after.known, name
        if name in ("execution", "message", "presence", "output"):
            assert after.age_s == before.age_s + 60
    assert (line["name"], line["started"], line["cost_per_hour"]) == ("python3", NOON - 900, 3.0)


def test_what_had_not_happened_yet_is_not_in_the_sample_of_a_moment() -> None:
    (line,) = lines_of([(0, QUIET)])
    assert recorded(line, at=NOON - 650).message == Signal()
    assert recorded(line, at=NOON - 450).presence == Signal("key", 50.0)


def test_kernels_of_others_stay_those_of_others() -> None:
    (line,) = lines_of([(0, replace(QUIET, local=False))])
    assert not recorded(line, at=NOON).local


def test_the_end_of_a_kernel_is_a_line_and_it_begins_anew_after_it() -> None:
    recording = Recording()
    assert recording.gone("k", at=NOON) is None
    recording.sample("k", QUIET, at=NOON, path=None)
    recording.sample("k", replace(QUIET, cpu=Signal(50.0)), at=NOON + 15, path=None)
    line = recording.gone("k", at=NOON + 20)
    assert line is not None and line["gone"] is True and line["signals"]["cpu"] == 50
    assert recording.gone("k", at=NOON + 21) is None
    assert recording.sample("k", QUIET, at=NOON + 30, path=None) is not None


def test_a_renamed_notebook_is_told() -> None:
    recording = Recording()
    recording.sample("k", QUIET, at=NOON, path="a.ipynb")
    line = recording.sample("k", later(QUIET, 90), at=NOON + 90, path="b.ipynb")
    assert line is not None and line["path"] == "b.ipynb"


def test_a_clock_that_goes_back_stops_no_recording() -> None:
    assert len(lines_of([(0, QUIET), (-86400, QUIET), (-86400 + 90, replace(QUIET, cpu=Signal(9.0)))])) == 3


@example(99999.99999999999, 0.1)
@example(0.3, 0.3)
@given(st.floats(0, 1e5), st.sampled_from([0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 7.0, 10.0, 20.0, 80.0]))
def test_rounding_takes_no_kernel_over_a_limit_nor_below_it(cpu: float, limit: float) -> None:
    (line,) = lines_of([(0, replace(QUIET, cpu=Signal(cpu)))])
    found = recorded(line, at=NOON).cpu.value
    assert found is not None and 0 <= found <= cpu
    assert (found >= limit) == (cpu >= limit)


@given(st.floats(0, 1e12), st.sampled_from([1024, 65536, 2**20]))
def test_rounding_of_bytes_neither(io: float, limit: int) -> None:
    (line,) = lines_of([(0, replace(QUIET, io=Signal(io)))])
    found = recorded(line, at=NOON).io.value
    assert found is not None and (found >= limit) == (io >= limit)


@given(st.floats(0, 1), st.sampled_from([0.01, 0.03, 0.05, 0.1, 0.5]))
def test_rounding_of_a_gpus_share_neither(share: float, limit: float) -> None:
    (line,) = lines_of([(0, replace(QUIET, gpu_busy=Signal(share)))])
    found = recorded(line, at=NOON).gpu_busy.value
    assert found is not None and (found >= limit) == (share >= limit)


@pytest.mark.parametrize(
    "line", [{}, {"signals": 3}, {"signals": {"message": 7, "cpu": {"why": None}}}, {"signals": {"message": ["x"]}}]
)
def test_a_line_of_another_form_gives_a_sample_that_knows_less(line: dict[str, Any]) -> None:
    assert recorded(line, at=NOON).at == NOON


def test_no_two_lines_of_a_kernel_are_nearer_than_a_minute() -> None:
    lines = lines_of([(7.0 * n, replace(QUIET, io=Signal(float(n * 4096)))) for n in range(200)])
    assert min(two["at"] - one["at"] for one, two in itertools.pairwise(lines)) >= LEAST_S
