"""A metric's curve stays small and keeps its look."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.model.api import MetricPoint
from mlk_jupyter.record.curve import MOST_POINTS, Curve


def curve_of(values: list[float | None]) -> Curve:
    curve = Curve()
    for step, value in enumerate(values):
        curve.add(MetricPoint(step=step, at=float(step), value=value))
    return curve


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=600))
def test_a_short_curve_is_kept_point_by_point(values: list[float | None]) -> None:
    assert [point.value for point in curve_of(values).points()] == values


def test_a_long_curve_keeps_its_ends_its_spikes_and_its_gaps() -> None:
    values: list[float | None] = [1.0] * 100_000
    values[31_415], values[64_000], values[77_777] = 99.0, -99.0, None
    points = curve_of(values).points()
    assert len(points) <= MOST_POINTS
    by_step = {point.step: point.value for point in points}
    assert by_step[31_415] == 99.0 and by_step[64_000] == -99.0 and by_step[77_777] is None
    assert points[0].step == 0 and points[-1].step == 99_999
    steps = [point.step for point in points]
    assert steps == sorted(set(steps))  # type: ignore[type-var]


def test_resolution_is_the_same_from_beginning_to_end() -> None:
    steps = [point.step or 0 for point in curve_of([float(number) for number in range(50_000)]).points()]
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    first, second = gaps[: len(gaps) // 2], gaps[len(gaps) // 2 :]
    assert max(gaps) <= 50_000 / 300
    assert max(first) == max(second)


def newest(*points: tuple[int | None, float, str | None]) -> float | None:
    """The newest of points (step, value, run), logged a second apart."""
    curve = Curve()
    for at, (step, value, run) in enumerate(points):
        curve.add(MetricPoint(step=step, at=float(at), value=value), run)
    assert curve.newest is not None
    return curve.newest.value


def test_the_newest_value_is_that_of_the_highest_step_then_of_the_latest_time() -> None:
    assert newest((0, 10.0, "a"), (1, 8.0, "a"), (2, 6.0, "a"), (0, 10.0, "a")) == 6.0
    assert newest((0, 10.0, "a"), (0, 9.0, "a")) == 9.0
    assert newest((None, 1.0, None), (None, 2.0, None)) == 2.0
    assert newest((3, 1.0, "a"), (None, 2.0, "a")) == 1.0


def test_a_later_run_begins_anew() -> None:
    assert newest((0, 10.0, "a"), (9, 1.0, "a"), (0, 7.0, "b")) == 7.0
