"""The server's clock, from the Date headers of its answers. Pure but for the machine's own clocks."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


class ServerClock:
    """Narrows down, with each answer, how far the server's clock is from ours; a Date header alone is good to 1 s."""

    def __init__(self) -> None:
        self._earliest: float | None = None
        self._latest: float | None = None

    def heard(self, date: str | None, sent: float, received: float) -> None:
        """Takes a Date header; `sent` and `received` are of `time.monotonic`."""
        try:
            dated = parsedate_to_datetime(date).timestamp() if date else None
        except (TypeError, ValueError):
            dated = None
        if dated is None:
            return
        earliest, latest = dated - received, dated + 1 - sent
        if self._earliest is None or self._latest is None or latest < self._earliest or earliest > self._latest:
            self._earliest, self._latest = earliest, latest  # the first answer; or one of the clocks was set or slept
        else:
            self._earliest, self._latest = max(earliest, self._earliest), min(latest, self._latest)

    def now(self) -> float:
        """Seconds since the epoch on the server; by our own clock before the first answer."""
        if self._earliest is None or self._latest is None:
            return time.time()
        return time.monotonic() + (self._earliest + self._latest) / 2
