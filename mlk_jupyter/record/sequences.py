"""Which frames of a rank were seen, so that a stream that is read twice counts once. Pure."""

from __future__ import annotations

from bisect import bisect_right

MOST_RANGES = 1_000


class SequenceSet:
    """A set of sequence numbers, kept as ranges: small however long the stream. Of many gaps the lowest are closed."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # one past the last

    def add(self, number: int) -> bool:
        """Adds a number. Gives whether it is new."""
        at = bisect_right(self._starts, number) - 1
        if at >= 0 and number < self._ends[at]:
            return False
        joins_before = at >= 0 and self._ends[at] == number
        joins_after = at + 1 < len(self._starts) and self._starts[at + 1] == number + 1
        if joins_before and joins_after:
            self._ends[at] = self._ends.pop(at + 1)
            del self._starts[at + 1]
        elif joins_before:
            self._ends[at] = number + 1
        elif joins_after:
            self._starts[at + 1] = number
        else:
            self._starts.insert(at + 1, number)
            self._ends.insert(at + 1, number + 1)
            if len(self._starts) > MOST_RANGES:
                del self._starts[1], self._ends[0]
        return True

    def add_up_to(self, number: int) -> None:
        """Counts every number up to this one as seen."""
        at = bisect_right(self._starts, number)
        end = max([number + 1, *self._ends[:at]])
        self._starts[:at], self._ends[:at] = [0], [end]

    @property
    def highest(self) -> int | None:
        """The highest number that was seen."""
        return self._ends[-1] - 1 if self._ends else None

    @property
    def missing(self) -> int:
        """How many numbers below the highest were not seen."""
        return (self._ends[-1] if self._ends else 0) - sum(self._ends) + sum(self._starts)
