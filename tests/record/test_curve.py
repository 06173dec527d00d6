"""A metric's curve stays small and keeps its look."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.model.api import MetricPoint
from mlk_jupyter.record.curve import MOST_CURVES, MOST_POINTS, Curve, Curves


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


def test_of_too_many_metrics_the_first_are_kept_and_share_the_points() -> None:
    curves = Curves()
    for at in range(40):
        for number in range(MOST_CURVES + 5):
            kept = curves.add(f"m{number}", 0, MetricPoint(step=at, at=float(at), value=float(at)))
            assert kept == (number < MOST_CURVES)
    assert not curves.add("n" * 1_000, 0, MetricPoint(step=0, at=0.0, value=1.0))
    found = [curve.points() for _, curve in curves]
    assert len(found) == MOST_CURVES and sum(map(len, found)) <= 100 * MOST_POINTS
    assert all((points[0].step, points[-1].step) == (0, 39) for points in found)


def test_a_curve_that_all_ranks_log_is_the_lowest_ranks() -> None:
    for ranks in ((0, 1), (1, 0)):
        curves = Curves()
        for rank in ranks:
            curves.add("loss", rank, MetricPoint(step=1, at=1.0, value=float(rank)))
        ((_, curve),) = curves
        assert [point.value for point in curve.points()] == [0.0]
