"""A small chart as SVG, made of shapes only: its words stand beside it, so that nothing is lost where SVG is not shown.

Its colours have a contrast of at least 3:1 on white and on a dark page, since an image does not know what it lies on.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from itertools import groupby

from ..follow.tail import Point

BLUE, GREEN = "#1e88e5", "#2e8b57"
WIDTH, HEIGHT = 220, 48
_EDGE = 3
_MOST_COLUMNS = 110  # two pixels each: more cannot be told apart


def svg(points: Sequence[Point], label: str, *, colour: str = BLUE, bounds: tuple[float, float] | None = None) -> str:
    """A line through points, as an `<svg>` element WIDTH × HEIGHT pixels large.

    Args:
        points: by their place along the chart; None and numbers that are not finite are gaps.
        label:  what it shows, for those who do not see it; must be safe in an attribute.
        bounds: lowest and highest value of the chart; None takes those of the points.
    """
    shapes = "".join(_shapes(_thin(points), colour, bounds))
    line = f'<path d="M0 {HEIGHT - 0.5}H{WIDTH}" stroke="#888" stroke-opacity=".5" fill="none"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" aria-label="{label}">{line}{shapes}</svg>'
    )


def image(drawing: str, label: str) -> str:
    """The same chart as an `<img>`: pages that take elements they do not know out of HTML keep images."""
    data = b64encode(drawing.encode()).decode()
    return f'<img width="{WIDTH}" height="{HEIGHT}" alt="{label}" src="data:image/svg+xml;base64,{data}">'


def _shapes(points: Sequence[Point], colour: str, bounds: tuple[float, float] | None) -> Iterable[str]:
    known = [(x, y) for x, y in points if y is not None]
    if not known:
        return
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = bounds or (min(y for _, y in known), max(y for _, y in known))

    def place(x: float, y: float) -> str:
        across, up = _share(x, left, right, 1.0), _share(y, low, high, 0.5)
        return f"{_EDGE + across * (WIDTH - 2 * _EDGE):.1f} {HEIGHT - _EDGE - up * (HEIGHT - 2 * _EDGE):.1f}"

    for gap, stretch in groupby(points, key=lambda point: point[1] is None):
        if not gap:
            path = "L".join(place(x, y) for x, y in stretch if y is not None)
            yield (
                f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-linejoin="round"'
                ' stroke-linecap="round"/>'
            )
    across, down = place(*known[-1]).split()
    yield f'<circle cx="{across}" cy="{down}" r="2.5" fill="{colour}"/>'


def _share(value: float, low: float, high: float, otherwise: float) -> float:
    """Where a value lies between two others, 0-1."""
    span = high / 2 - low / 2  # halves, because the span of two finite numbers may be infinite
    return min(1.0, max(0.0, (value / 2 - low / 2) / span)) if span > 0 else otherwise


def _thin(points: Sequence[Point]) -> list[Point]:
    """At most about three points a column: its lowest, its highest and the last of all; gaps stay gaps."""
    finite = [(x, y if y is not None and math.isfinite(y) else None) for x, y in points if math.isfinite(x)]
    if len(finite) <= 2 * _MOST_COLUMNS:
        return finite
    size = -(-len(finite) // _MOST_COLUMNS)
    kept: list[Point] = []
    for start in range(0, len(finite), size):
        column = range(start, min(start + size, len(finite)))
        known = [at for at in column if finite[at][1] is not None]
        chosen = (
            {min(known, key=lambda at: finite[at][1] or 0.0), max(known, key=lambda at: finite[at][1] or 0.0)}
            if (known)
            else {start}
        )
        kept += [finite[at] for at in sorted(chosen)]
    return [*kept, finite[-1]]
