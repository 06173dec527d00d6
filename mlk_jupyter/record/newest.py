"""The latest value of each metric. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.api import MetricPoint
from .curve import LONGEST_NAME, MOST_CURVES


@dataclass(frozen=True)
class _Newest:
    rank: int
    run: str | None
    point: MetricPoint


class NewestValues:
    """The latest as MLflow has it: of one run the highest step, then the latest time; a later run goes before.

    Ranks that log the same name give one, that of the lowest rank.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Newest] = {}

    def add(self, name: str, rank: int, point: MetricPoint, run: str | None = None) -> bool:
        """One more value, of the MLflow run `run`. Gives False for one metric too many, or too long a name."""
        known = self._known.get(name)
        if known is None and (len(self._known) >= MOST_CURVES or len(name) > LONGEST_NAME):
            return False
        is_older = known is not None and rank == known.rank and run == known.run and _order(point) < _order(known.point)
        if known is None or (rank <= known.rank and not is_older):
            self._known[name] = _Newest(rank, run, point)
        return True

    def points(self) -> dict[str, MetricPoint]:
        """By name, in the order in which they were first logged."""
        return {name: known.point for name, known in self._known.items()}


def _order(point: MetricPoint) -> tuple[int, float]:
    return point.step or 0, point.at  # what is logged without a step has step 0, as in MLflow
