"""The whole curves of metrics in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..model.api import MetricPoint

MOST_POINTS = 2_000  # of one curve
MOST_CURVES = 1_000
_FULL_CURVES = 100  # beyond so many, each has fewer points
LONGEST_NAME = 250  # characters, as in MLflow


@dataclass
class _Bucket:
    """Neighbouring points, of which the ones that shape the curve are kept. Each with its position in the curve."""

    count: int = 0
    low: tuple[int, MetricPoint] | None = None
    high: tuple[int, MetricPoint] | None = None
    gap: tuple[int, MetricPoint] | None = None

    def add(self, at: int, point: MetricPoint) -> None:
        self.count += 1
        if point.value is None:
            self.gap = self.gap or (at, point)
            return
        if self.low is None or point.value < (self.low[1].value or 0.0):
            self.low = (at, point)
        if self.high is None or point.value > (self.high[1].value or 0.0):
            self.high = (at, point)

    def merged(self, other: _Bucket) -> _Bucket:
        both = _Bucket()
        for at, point in sorted({**self.points(), **other.points()}.items()):
            both.add(at, point)
        both.count = self.count + other.count
        return both

    def points(self) -> dict[int, MetricPoint]:
        return dict(kept for kept in (self.low, self.high, self.gap) if kept is not None)


class Curve:
    """The points of one metric, in the order they were logged.

    Up to a third of `most` points are kept as they are. Beyond that, neighbours share a bucket of which the lowest and
    the highest value stay (and one gap, where a value was not finite); when the buckets are too many, pairs are
    merged. So resolution is the same from beginning to end, and no spike is lost.

    Args: most: points that are kept.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._buckets: list[_Bucket] = []
        self._most = _buckets(most)
        self._size = 1  # points that fill one bucket
        self._count = 0
        self._first: MetricPoint | None = None
        self._last: MetricPoint | None = None

    def add(self, point: MetricPoint) -> None:
        """One more point; constant time, amortised."""
        if not self._buckets or self._buckets[-1].count >= self._size:
            if len(self._buckets) >= self._most:
                self._halve()
            if not self._buckets or self._buckets[-1].count >= self._size:
                self._buckets.append(_Bucket())
        self._buckets[-1].add(self._count, point)
        self._first = self._first or point
        self._last = point
        self._count += 1

    def points(self) -> list[MetricPoint]:
        """At most as many points as are kept; the first and the last are always among them."""
        kept: dict[int, MetricPoint] = {}
        for bucket in self._buckets:
            kept.update(bucket.points())
        if self._first is not None and self._last is not None:
            kept[0], kept[self._count - 1] = self._first, self._last
        return [point for _, point in sorted(kept.items())]

    def thin(self, most: int) -> None:
        """Keeps fewer points from now on."""
        self._most = _buckets(most)
        while len(self._buckets) > self._most:
            self._halve()

    def _halve(self) -> None:
        pairs = range(0, len(self._buckets) - 1, 2)
        odd = self._buckets[-1:] if len(self._buckets) % 2 else []
        self._buckets = [self._buckets[at].merged(self._buckets[at + 1]) for at in pairs] + odd
        self._size *= 2


def _buckets(points: int) -> int:
    return (points - 2) // 3  # lowest, highest and gap of each bucket, and the two ends


class Curves:
    """The curve of each metric. Ranks that log the same name give one, that of the lowest rank."""

    def __init__(self) -> None:
        self._curves: dict[str, tuple[int, Curve]] = {}
        self._most = MOST_POINTS

    def add(self, name: str, rank: int, point: MetricPoint) -> bool:
        """One more point; constant time, amortised. Gives False for one metric too many, or too long a name."""
        lowest, curve = self._curves.get(name, (rank, None))
        if rank > lowest:
            return True
        if curve is None or rank < lowest:
            if curve is None and (len(self._curves) >= MOST_CURVES or len(name) > LONGEST_NAME):
                return False
            curve = Curve(self._most)
            self._curves[name] = rank, curve
            self._share()
        curve.add(point)
        return True

    def __iter__(self) -> Iterator[tuple[str, Curve]]:
        return ((name, curve) for name, (_, curve) in self._curves.items())

    def _share(self) -> None:
        """Halves the points of each curve at 100 curves, at 200, at 400 and so on."""
        most = MOST_POINTS >> ((len(self._curves) - 1) // _FULL_CURVES).bit_length()
        if most < self._most:
            self._most = most
            for _, curve in self:
                curve.thin(most)
