"""A Jupyter configuration file: notes in the file of MLK_BENCH_BLOCKS what keeps the event loop busy for long.

One line each: seconds since the epoch at its end, milliseconds, those of the processor alone, what it was. On a machine
that has other work, the first tells of that; the second leaves out waiting for our own other threads.

Notes garbage collections in the file of MLK_BENCH_COLLECTIONS: seconds since the epoch, milliseconds of the processor.
"""

import gc
import os
import time
from asyncio import events
from pathlib import Path
from typing import Any

_FROM_S = 0.01
_file = Path(os.environ["MLK_BENCH_BLOCKS"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115  (as long as we)
_run = events.Handle._run


def _timed(self: events.Handle) -> None:
    started, worked = time.perf_counter(), time.thread_time()
    _run(self)
    taken = time.perf_counter() - started
    if taken > _FROM_S:
        what = getattr(getattr(self, "_callback", None), "__self__", None) or self
        worked = time.thread_time() - worked
        _file.write(f"{time.time():.3f} {taken * 1000:.1f} {worked * 1000:.1f} {str(what)[:300]!r}\n")


events.Handle._run = _timed  # type: ignore[method-assign]

_collections = Path(os.environ["MLK_BENCH_COLLECTIONS"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115
_began = 0.0


def _collected(phase: str, info: dict[str, Any]) -> None:
    global _began
    if phase == "start":
        _began = time.thread_time()
    elif info["generation"] == 2:
        _collections.write(f"{time.time():.3f} {(time.thread_time() - _began) * 1000:.1f}\n")


gc.callbacks.append(_collected)
