"""Short pauses of the garbage collector while somebody looks at the jobs.

Python's full collections walk through every object there is: of a JupyterLab server and 10,000 jobs that are 600,000,
and everything stands still for 0.3 to 0.5 s. What has survived a long one is not walked through again (`gc.freeze`)
until nobody looks any more. It is still freed as soon as nothing refers to it; only cycles wait.
"""

from __future__ import annotations

import gc
import time
from typing import Any

_LONG_S = 0.02


class ShortPauses:
    """Works from `start` to `stop`. Of one process, as the garbage collector is."""

    def __init__(self, long_s: float = _LONG_S) -> None:
        self._long_s = long_s
        self._began = 0.0

    def start(self) -> None:
        """Leaves what there is now, which is mostly modules, out of collections."""
        gc.callbacks.append(self._collected)
        gc.freeze()

    def stop(self) -> None:
        """All is walked through again."""
        gc.callbacks.remove(self._collected)
        gc.unfreeze()

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif info["generation"] == 2 and time.perf_counter() - self._began > self._long_s:
            gc.freeze()  # just after a collection: there is no garbage among it
