"""How much one person may ask for at once. Holds numbers only: no timer, no thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import MlkError


class TooManyRequests(MlkError):
    """A limit was reached; the same request is fine a little later."""

    code, title, status = "too_many_requests", "Too many requests", 429

    def __init__(self, detail: str, *, hint: str, retry_after_s: int) -> None:
        super().__init__(detail, hint=hint)
        self.retry_after_s = retry_after_s


class TokenBuckets:
    """One bucket for each user: `per_minute` actions at once, then that many a minute.

    Users whose bucket is full again are forgotten, so memory follows who is active.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}  # user -> tokens, when

    def take(self, user: str) -> None:
        """One action of a user.

        Raises: TooManyRequests with the seconds until the next one is possible.
        """
        now = self._clock()
        rate = self._per_minute / 60
        self._levels = {
            name: level for name, level in self._levels.items() if level[0] + (now - level[1]) * rate < self._per_minute
        }
        tokens, since = self._levels.get(user, (float(self._per_minute), now))
        tokens = min(float(self._per_minute), tokens + (now - since) * rate)
        if tokens < 1:
            wait_s = max(1, round((1 - tokens) / rate + 0.5))
            raise TooManyRequests(
                f"At most {self._per_minute} jobs can be submitted in a minute.",
                hint=f"Try again in {wait_s} s, or raise `c.MlkJupyterApp.submissions_per_minute`.",
                retry_after_s=wait_s,
            )
        self._levels[user] = (tokens - 1, now)


class Slots:
    """At most so many things of one user at the same time."""

    def __init__(self, most: int, what: str, hint: str) -> None:
        self._most = most
        self._what = what
        self._hint = hint
        self._taken: dict[str, int] = {}

    def take(self, user: str) -> None:
        """Takes a slot, to be given back.

        Raises: TooManyRequests when none is free.
        """
        taken = self._taken.get(user, 0)
        if taken >= self._most:
            raise TooManyRequests(
                f"At most {self._most} {self._what} at the same time.", hint=self._hint, retry_after_s=1
            )
        self._taken[user] = taken + 1

    def give_back(self, user: str) -> None:
        """Frees one slot."""
        taken = self._taken[user] - 1
        if taken:
            self._taken[user] = taken
        else:
            del self._taken[user]

    @contextmanager
    def held(self, user: str) -> Iterator[None]:
        """One slot for the length of a `with` block."""
        self.take(user)
        try:
            yield
        finally:
            self.give_back(user)
