"""The latest value of a metric is what MLflow would call so."""

from __future__ import annotations

from mlk_jupyter.model.api import MetricPoint
from mlk_jupyter.record.newest import NewestValues


def newest(*points: tuple[int | None, float, str | None]) -> float | None:
    """The newest of points (step, value, run), logged a second apart."""
    values = NewestValues()
    for at, (step, value, run) in enumerate(points):
        assert values.add("loss", 0, MetricPoint(step=step, at=float(at), value=value), run)
    return values.points()["loss"].value


def test_the_newest_value_is_that_of_the_highest_step_then_of_the_latest_time() -> None:
    assert newest((0, 10.0, "a"), (1, 8.0, "a"), (2, 6.0, "a"), (0, 10.0, "a")) == 6.0
    assert newest((0, 10.0, "a"), (0, 9.0, "a")) == 9.0
    assert newest((None, 1.0, None), (None, 2.0, None)) == 2.0
    assert newest((3, 1.0, "a"), (None, 2.0, "a")) == 1.0


def test_a_later_run_begins_anew() -> None:
    assert newest((0, 10.0, "a"), (9, 1.0, "a"), (0, 7.0, "b")) == 7.0
