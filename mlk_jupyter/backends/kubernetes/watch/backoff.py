"""How long to wait before trying again: longer each time, never the same for two clients. Pure."""

from __future__ import annotations

import random


class Backoff:
    """Gives 0.2 s to 15 s, doubling, each between half of that and the whole. Never gives up."""

    def __init__(self, first_s: float = 0.2, most_s: float = 15.0, chance: random.Random | None = None) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._chance = chance or random.Random()
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait now."""
        whole = min(self._most_s, self._first_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return whole * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next wait is a short one again."""
        self._tries = 0
