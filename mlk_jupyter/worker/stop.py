"""A request to stop, on its way from the keeper to the user's code.

The user process has no handler for SIGTERM, as a Jupyter kernel has none: Python's handlers are inherited by `os.fork`,
and a signal that comes before the child has come out of it is thrown away, so that `Process.terminate()` right after
`start()` would do nothing. The request is a SIGINT instead, which Python turns into a KeyboardInterrupt, beside a word
in memory that both processes share. Code with a handler of its own for SIGTERM, which may save a checkpoint, gets that.
"""

from __future__ import annotations

import contextlib
import mmap
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Set, Tuple


class Stop:
    """Whether the rank was asked to stop; made before the fork, and seen by both of its processes."""

    def __init__(self) -> None:
        self._word = mmap.mmap(-1, 1)

    @property
    def requested(self) -> bool:
        return self._word[0] != 0

    def request(self) -> None:
        self._word[0] = 1


def signal_for(pid: int) -> signal.Signals:
    """What asks this process to stop: SIGINT, but SIGTERM where its code handles or ignores that, or ignores SIGINT.

    Where the system does not tell what a process handles (macOS), it is SIGINT.
    """
    handled, ignored = _signals_of(pid)
    if signal.SIGTERM in handled | ignored or signal.SIGINT in ignored:
        return signal.SIGTERM
    return signal.SIGINT


def _signals_of(pid: int) -> Tuple[Set[int], Set[int]]:
    """The signals that a process handles, and those that it ignores."""
    sets: Dict[str, Set[int]] = {}
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("SigCgt", "SigIgn"):
                bits = int(value, 16)
                sets[name] = {number for number in range(1, signal.NSIG) if bits >> (number - 1) & 1}
    return sets.get("SigCgt", set()), sets.get("SigIgn", set())
