"""Ranks that log the same name need not log the same values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stories import whole_story

from mlk_jupyter.model.api import MetricSeries
from mlk_jupyter.record.curve import MOST_CURVES
from mlk_jupyter.record.rank_curves import MOST_RANKS, RankCurves


def metric(rank: int, seq: int, value: float | None, name: str = "loss") -> dict[str, Any]:
    return {"kind": "metric", "rank": rank, "seq": seq, "time": 1000.0 + seq, "name": name, "value": value, "step": seq}


def series_of(frames: Iterable[dict[str, Any]], world_size: int = 100) -> list[MetricSeries]:
    curves = RankCurves(world_size)
    for frame in frames:
        curves.apply(frame)
    return curves.series()


def test_each_rank_has_a_curve_of_its_own_by_name_and_number() -> None:
    frames = [metric(1, 0, 0.7), metric(0, 0, 0.5), metric(0, 1, 0.4), metric(1, 1, 9.0, "accuracy")]
    assert [(one.name, one.rank, one.ranks, [p.value for p in one.points]) for one in series_of(frames)] == [
        ("accuracy", 1, 1, [9.0]),
        ("loss", 0, 2, [0.5, 0.4]),
        ("loss", 1, 2, [0.7]),
    ]


def test_a_whole_story_has_every_point() -> None:
    assert [len(one.points) for one in series_of(whole_story())] == [20]


def test_what_comes_again_or_from_ranks_that_the_job_does_not_have_counts_for_nothing() -> None:
    frames = [metric(0, 0, 0.5), metric(0, 0, 0.5), metric(7, 0, 0.1), {"kind": "progress", "rank": 0, "seq": 1}, {}]
    (only,) = series_of(frames, world_size=2)
    assert only.rank == 0 and only.ranks == 1 and len(only.points) == 1


def test_of_many_ranks_the_lowest_are_kept_in_whatever_order_they_come_and_all_are_counted() -> None:
    many = 3 * MOST_RANKS
    for order in (range(many), reversed(range(many))):
        found = series_of(metric(rank, 0, float(rank)) for rank in order)
        assert [one.rank for one in found] == list(range(MOST_RANKS))
        assert {one.ranks for one in found} == {many}


def test_the_points_of_all_curves_are_bounded() -> None:
    frames = [
        metric(rank, seq * (MOST_CURVES + 1) + number, 1.0, f"m{number}")
        for seq in range(40)
        for rank in range(2)
        for number in range(MOST_CURVES + 1)
    ]
    found = series_of([*frames, metric(0, 10**6, 1.0, "n" * 1_000)])
    assert len({one.name for one in found}) == MOST_CURVES
    assert sum(len(one.points) for one in found) <= 200_000
