"""The curve of each metric and rank: ranks that log the same name need not log the same values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.api import MetricPoint, MetricSeries
from .curve import LONGEST_NAME, MOST_CURVES, MOST_POINTS, Curve
from .fields import count_of, number_of, text_of, whole_of
from .sequences import SequenceSet

MOST_RANKS = 8
"""Of one metric: more lines in one chart nobody tells apart."""
_MOST_POINTS_IN_ALL = 200_000


class RankCurves:
    """What the `metric` frames of a job add up to. Give it every frame as it comes; others change nothing.

    Of each metric the curves of the lowest ranks are kept, and how many ranks logged it.

    Args: world_size: ranks that the job has; what comes of others is ignored.
    """

    def __init__(self, world_size: int) -> None:
        self._world_size = world_size
        self._curves: dict[str, dict[int, Curve]] = {}
        self._ranks: dict[str, SequenceSet] = {}
        self._rank_counts: dict[str, int] = {}
        self._seen: dict[int, SequenceSet] = {}
        self._count = 0

    def apply(self, frame: Mapping[str, Any]) -> None:
        """One more frame; constant time, amortised. One that came before (same rank and seq) is ignored."""
        name, rank, seq = text_of(frame, "name"), count_of(frame, "rank"), count_of(frame, "seq")
        if frame.get("kind") != "metric" or name is None or rank is None or seq is None or rank >= self._world_size:
            return
        if not self._seen.setdefault(rank, SequenceSet()).add(seq):
            return
        if name not in self._curves and (len(self._curves) >= MOST_CURVES or len(name) > LONGEST_NAME):
            return
        if self._ranks.setdefault(name, SequenceSet()).add(rank):
            self._rank_counts[name] = self._rank_counts.get(name, 0) + 1
        curve = self._of(name, rank)
        if curve is not None:
            at = number_of(frame, "time") or 0.0
            curve.add(MetricPoint(step=whole_of(frame, "step"), at=at, value=number_of(frame, "value")))

    def series(self) -> list[MetricSeries]:
        """By name, then by rank."""
        return [
            MetricSeries(name=name, rank=rank, ranks=self._rank_counts[name], points=curve.points())
            for name, curves in sorted(self._curves.items())
            for rank, curve in sorted(curves.items())
        ]

    def _of(self, name: str, rank: int) -> Curve | None:
        """The curve of a rank, made where it is one of the lowest; None where it is not."""
        curves = self._curves.setdefault(name, {})
        if rank in curves:
            return curves[rank]
        if len(curves) >= MOST_RANKS:
            highest = max(curves)
            if rank > highest:
                return None
            del curves[highest]
            self._count -= 1
        self._count += 1
        most = self._most()
        if self._count & (self._count - 1) == 0:  # at 1, 2, 4, ... curves: each is thinned a few times at most
            for each in self._curves.values():
                for curve in each.values():
                    curve.thin(most)
        return curves.setdefault(rank, Curve(most))

    def _most(self) -> int:
        """Points of one curve, so that all of them fit."""
        return max(25, min(MOST_POINTS, _MOST_POINTS_IN_ALL // self._count))
