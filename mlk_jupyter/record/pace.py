"""How fast a notebook's own progress goes. Pure."""

from __future__ import annotations


class Pace:
    """The shares done that a notebook said, measured from the first one, or from the one at which it began again."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    def add(self, fraction: float, at: float) -> None:
        """One more share, 0-1, said `at` seconds since the epoch."""
        if self._first is None or self._last is None or fraction < self._last[0]:
            self._first = fraction, at
        self._last = fraction, at

    def eta_s(self) -> float | None:
        """Seconds from the last share to the end; None where there is no pace yet."""
        if self._first is None or self._last is None:
            return None
        share, seconds = self._last[0] - self._first[0], self._last[1] - self._first[1]
        return (1.0 - self._last[0]) * seconds / share if seconds > 0 and share > 0 else None
