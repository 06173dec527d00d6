"""Which advice a person took away, and until when: a small file in the data directory. Blocking."""

from __future__ import annotations

import json
from pathlib import Path

from ..record.files import read_regular
from ..record.folder import write_atomically

_MOST = 1000


class Dismissals:
    """Of one person. Read once: what another process takes away meanwhile is seen at the next start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._until: dict[str, float] | None = None

    def now(self, now: float) -> set[str]:
        """Ids of advice that is not to be shown. Args: now: seconds since the epoch."""
        if self._until is None:
            self._until = self._read()
        return {advice for advice, until in self._until.items() if until > now}

    def add(self, advice: str, until: float, now: float) -> None:
        """Keeps one away until then, in seconds since the epoch. Raises: OSError."""
        there = self._read()  # with what others have added
        kept = {**{name: at for name, at in there.items() if at > now}, advice: until}
        self._until = dict(sorted(kept.items(), key=lambda pair: pair[1])[-_MOST:])
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(self._until).encode(), lasting=False)

    def _read(self) -> dict[str, float]:
        try:
            content = json.loads(read_regular(self._path))
        except (OSError, ValueError, RecursionError):
            return {}  # none yet, or not ours
        found = content.items() if isinstance(content, dict) else ()
        return {str(name): float(until) for name, until in found if isinstance(until, (int, float))}
