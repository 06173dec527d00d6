"""Which advice a person took away, and until when: a small file in the data directory. Blocking."""

from __future__ import annotations

import json
from pathlib import Path

from ..record.files import read_regular
from ..record.folder import write_atomically

_MOST = 1000


class Dismissals:
    """Of one person."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, now: float) -> dict[str, float]:
        """Ids of advice that is not to be shown, and until when (seconds since the epoch)."""
        try:
            content = json.loads(read_regular(self._path))
        except (OSError, ValueError, RecursionError):
            return {}  # none yet, or not ours
        found = content.items() if isinstance(content, dict) else ()
        return {str(name): float(until) for name, until in found if isinstance(until, (int, float)) and until > now}

    def add(self, advice: str, until: float, now: float) -> None:
        """Keeps one away. Raises: OSError."""
        kept = {**self.read(now), advice: until}
        newest = sorted(kept.items(), key=lambda pair: pair[1])[-_MOST:]
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(dict(newest)).encode(), lasting=False)
