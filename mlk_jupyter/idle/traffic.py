"""What the processes of each kernel move over the network. `recv` and `send` are not among the bytes that a process
reads and writes by the system's account (rchar, wchar); `read` and `write` of a socket are in both, which is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .network import Network, Socket

_REMEMBERED_S = 3600.0  # for so long, who was once seen with a new connection may have others between two samples
_ON_THE_WIRE = 1.15  # headers and acknowledgements, by what a socket moves


class Carried(NamedTuple):
    """Of one kernel, in bytes since it was first sampled."""

    moved: int = 0
    """By its TCP sockets, and by the devices of a namespace of its own."""
    loose: float = 0.0
    """By this namespace's devices, but by no socket that is still there, while it had short connections: maybe its."""


class Traffic:
    """Counts from one sample to the next. Not to be called from two threads at once."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._here = network.namespace()
        self._seen: dict[bytes | int, int] | None = None  # bytes of each socket; None: nothing to compare with
        self._holders: dict[bytes | int, str | None] = {}  # whose a socket is; None: of no kernel
        self._devices: int | None = None
        self._apart: dict[str, int] = {}  # bytes of each other namespace
        self._opened: dict[str, float] = {}  # when a kernel was last seen with a new connection
        self._carried: dict[str, Carried] = {}

    def sample(self, at: float, members: Mapping[str, Sequence[int]]) -> Mapping[str, Carried]:
        """What each kernel has moved so far.

        Args:
            at:      monotonic seconds.
            members: the processes of each kernel.
        """
        if members.keys() - self._carried.keys():  # who was nobody's may be the new one's
            self._holders = {key: kernel for key, kernel in self._holders.items() if kernel is not None}
        moved = dict.fromkeys(members, 0)
        explained = self._sockets(at, members, moved)
        devices = self._network.moved()
        loose = 0.0
        if devices is not None and self._devices is not None and devices >= self._devices:
            loose = devices - self._devices - _ON_THE_WIRE * explained
        self._devices = devices
        self._elsewhere(members, moved)
        self._opened = {kernel: when for kernel, when in self._opened.items() if at - when <= _REMEMBERED_S}
        self._carried = {
            kernel: Carried(was.moved + moved[kernel], was.loose + (loose if kernel in self._opened else 0.0))
            for kernel, was in ((kernel, self._carried.get(kernel, Carried())) for kernel in members)
        }
        return self._carried

    def _sockets(self, at: float, members: Mapping[str, Sequence[int]], moved: dict[str, int]) -> int:
        """Adds what each kernel's sockets moved. Gives what all that leave this namespace have moved."""
        sockets, before = self._network.sockets(), self._seen
        self._seen = None if sockets is None else {one.key: one.moved or 0 for one in sockets}
        if sockets is None or self._seen is None or before is None:
            return 0
        self._holders = {key: kernel for key, kernel in self._holders.items() if key in self._seen}
        changed = [one for one in sockets if one.moved is None or one.moved > before.get(one.key, 0)]
        self._attribute(changed, members, before)
        explained = 0
        for one in changed:
            grown = (one.moved or 0) - before.get(one.key, 0)
            explained += grown if one.leaves else 0
            kernel = self._holders.get(one.key)
            if kernel is not None and kernel in members:
                moved[kernel] += grown
                # Whose bytes are not counted may move any number.
                if one.leaves and (one.key not in before or one.moved is None):
                    self._opened[kernel] = at
        return explained

    def _attribute(
        self, sockets: Sequence[Socket], members: Mapping[str, Sequence[int]], before: Mapping[bytes | int, int]
    ) -> None:
        """Looks once for the holder of each socket: processes hold many files."""
        asked = [one for one in sockets if one.inode and one.key not in self._holders]
        if not asked:
            return
        held = {inode: kernel for kernel, pids in members.items() for pid in pids for inode in self._network.held(pid)}
        for one in asked:
            kernel = held.get(one.inode)
            if kernel is not None or one.key in before:  # a new one's process may be too young to be a member yet
                self._holders[one.key] = kernel

    def _elsewhere(self, members: Mapping[str, Sequence[int]], moved: dict[str, int]) -> None:
        """Adds what the devices of other namespaces moved that a kernel has processes in: no socket there is listed."""
        apart: dict[str, int] = {}
        for kernel, pids in members.items():
            added = set()
            for pid in pids if self._here is not None else ():
                name = self._network.namespace(pid)
                if name in (None, self._here) or name in added:
                    continue
                if name not in apart and (total := self._network.moved(pid)) is not None:
                    apart[name] = total
                if name in apart:
                    added.add(name)
                    moved[kernel] += max(0, apart[name] - self._apart.get(name, apart[name]))
        self._apart = apart
