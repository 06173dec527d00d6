"""What the processes of each kernel use: CPU, bytes read and written, GPUs. Blocking."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..gpus.devices import Devices, Reading
from .belonging import Name, belonging
from .growth import Counters, grown
from .holding import NONE, GpuUsage, computes, gpu_usage
from .kernels import Process, Usage
from .leftovers import Leftover, leftovers
from .signals import Signal, unknown
from .table import Row, System, is_near, is_same, this_system
from .traffic import Carried, Traffic

_ELSEWHERE = (
    "the kernel itself is not among the processes that it was started with: it runs elsewhere, or is not up yet"
)
_SHORTEST_S = 1.0  # over less, one tick of the system's clock is more than a kernel that does nothing may use
_LOOSE_BYTES = 32 * 1024  # a second: half of what counts as work, where nobody sets anything else


@dataclass(frozen=True, slots=True)
class _Moment:
    """All that a later sample is compared with."""

    at: float
    rows: Mapping[int, Row]
    members: Mapping[str, list[int]]
    moved: Mapping[int, int]
    carried: Mapping[str, Carried]

    def cpu(self, kernel: str) -> Counters:
        return Counters(
            self.rows, self.members[kernel], lambda pid: self.rows[pid].own_s, lambda pid: self.rows[pid].reaped_s
        )

    def io(self, kernel: str) -> Counters:
        return Counters(self.rows, self.members[kernel], lambda pid: 0.0, self.moved.get)


class Usages:
    """Samples kernels, one pass over all processes for all of them. Not to be called from two threads at once.

    Args:
        system:  where the processes are asked for.
        devices: where the GPUs are; None opens NVML as soon as a kernel holds one.
        clock:   monotonic seconds.
        period_s: over how long use is measured at least, once so much has passed since the first sample: samples that
                 somebody asks for in between say nothing that a tick of the system's clock could have made up.
    """

    def __init__(
        self,
        *,
        system: System | None = None,
        devices: Callable[[], Devices] = Devices,
        clock: Callable[[], float] = time.monotonic,
        period_s: float = _SHORTEST_S,
    ) -> None:
        self._system = system or this_system()
        self._new_devices, self._clock, self._period_s = devices, clock, period_s
        self._devices: Devices | None = None
        self._traffic = None if self._system.network is None else Traffic(self._system.network)
        self._named: dict[Process, float] = {}  # what the system calls the beginning of each kernel's own process
        self._owners: dict[Name, str] = {}  # whose each process was, also after its kernel has ended
        self._moments: list[_Moment] = []  # the oldest first: newer ones may be too young to be compared with
        self._suspended: dict[str, float] = {}
        self._roots: dict[str, Name] = {}
        self._here: set[Name] = set()  # processes of kernels that were once seen to be here

    def sample(self, targets: Mapping[str, Process]) -> dict[str, Usage]:
        """What each kernel uses, by kernel id.

        Args: targets: each kernel's own process, one that this server started on this machine.
        """
        now, rows = self._clock(), self._system.rows()
        self._resolve(targets.values(), rows)
        roots = {kernel: one.pid for kernel, one in targets.items() if self._is_there(one, rows)}
        members = belonging(rows, roots, self._system.facts, self._owners, os.getpid())
        self._remember(rows, roots, members)
        before = self._before(now)
        moved, hidden = self._moved(rows, members, before)
        carried = {} if self._traffic is None else self._traffic.sample(now, members)
        moment = _Moment(now, rows, members, moved, carried)
        gpus = self._gpu_usages(rows, members)
        elsewhere = self._elsewhere(members)
        usages = {}
        for kernel in targets:
            if kernel in elsewhere:
                usages[kernel] = _nothing(_ELSEWHERE)
            elif kernel in roots:
                cpu, io = self._rates(kernel, roots[kernel], before, moment, hidden.get(kernel))
                stopped = self._stopped(kernel, rows[roots[kernel]].state == "T", now)
                gpu = gpus.get(kernel, NONE)
                usages[kernel] = Usage(cpu, io, stopped, gpu.gpus, gpu.gpu_busy, gpu.gpu_memory)
            else:
                usages[kernel] = _nothing("its process has ended")
        if not self._moments or now - self._moments[-1].at >= _SHORTEST_S:
            self._moments = [*(one for one in self._moments if before is None or one.at >= before.at), moment]
        return usages

    def leftovers(self, kernel_id: str) -> list[Leftover]:
        """Processes that were this kernel's, outlived it and hold a GPU. None while its own process lives."""
        rows = self._system.rows()
        pid, began = self._roots.get(kernel_id, (0, 0.0))
        if is_same(rows.get(pid), began):
            return []
        return leftovers(kernel_id, self._system, rows, self._owners, self._holds_gpu, set(self._roots.values()))

    def close(self) -> None:
        """Ends the session with the GPUs' driver."""
        devices, self._devices = self._devices, None
        if devices is not None:
            devices.close()

    def _before(self, now: float) -> _Moment | None:
        """What is compared with: the newest moment that is a period ago, else the oldest that tells anything."""
        old = [moment for moment in self._moments if now - moment.at >= _SHORTEST_S]
        return next((moment for moment in reversed(old) if now - moment.at >= self._period_s), old[0] if old else None)

    def _resolve(self, targets: Iterable[Process], rows: Mapping[int, Row]) -> None:
        """Notes who is meant as long as two clocks agree on it: wall time jumps, what the system counts does not."""
        named = {}
        for one in targets:
            if one in self._named:
                named[one] = self._named[one]
            elif (row := rows.get(one.pid)) is not None and is_near(self._system.created(row), one.created):
                named[one] = row.began
        self._named = named

    def _is_there(self, process: Process, rows: Mapping[int, Row]) -> bool:
        return is_same(rows.get(process.pid), self._named.get(process))

    def _remember(self, rows: Mapping[int, Row], roots: Mapping[str, int], members: Mapping[str, list[int]]) -> None:
        alive = {(row.pid, row.began) for row in rows.values()}
        self._owners = {name: kernel for name, kernel in self._owners.items() if name in alive}
        self._owners.update({(pid, rows[pid].began): kernel for kernel, pids in members.items() for pid in pids})
        self._roots = {kernel: name for kernel, name in self._roots.items() if name in alive}
        self._roots.update({kernel: (pid, rows[pid].began) for kernel, pid in roots.items()})
        self._suspended = {kernel: since for kernel, since in self._suspended.items() if kernel in roots}

    def _elsewhere(self, members: Mapping[str, list[int]]) -> set[str]:
        """Kernels of which only what started them is here."""
        self._here &= set(self._roots.values())
        is_here = self._system.presence()
        for kernel, pids in members.items():
            if self._roots[kernel] not in self._here and is_here(kernel, pids[0], pids):
                self._here.add(self._roots[kernel])
        return {kernel for kernel in members if self._roots[kernel] not in self._here}

    def _rates(
        self, kernel: str, root: int, before: _Moment | None, now: _Moment, hidden: str | None
    ) -> tuple[Signal[float], Signal[float]]:
        """CPU in percent of a core, and bytes a second."""
        was = None if before is None else before.rows.get(root)
        if before is None or was is None or was.began != now.rows[root].began or kernel not in before.members:
            return unknown("not measured yet"), unknown("not measured yet")
        elapsed_s = now.at - before.at
        cpu = Signal(100 * grown(before.cpu(kernel), now.cpu(kernel)) / elapsed_s, 0.0)
        if not self._system.counts_io:
            return cpu, Signal(None)  # nothing to wait for: this system never tells
        if hidden is not None:
            return cpu, unknown(hidden)
        was_carried, carried = (one.carried.get(kernel, Carried()) for one in (before, now))
        io = (grown(before.io(kernel), now.io(kernel)) + carried.moved - was_carried.moved) / elapsed_s
        loose = (carried.loose - was_carried.loose) / elapsed_s
        if loose >= _LOOSE_BYTES and loose > io:
            return cpu, unknown("the network moves more than can be counted, and it opens short connections")
        return cpu, Signal(io, 0.0)

    def _stopped(self, kernel: str, is_stopped: bool, now: float) -> Signal[bool]:
        if not is_stopped:
            self._suspended.pop(kernel, None)
            return Signal(False, 0.0)
        return Signal(True, now - self._suspended.setdefault(kernel, now))

    def _moved(
        self, rows: Mapping[int, Row], members: Mapping[str, list[int]], before: _Moment | None
    ) -> tuple[dict[int, int], dict[str, str]]:
        """Bytes of each process; and why those of a kernel are not known."""
        moved: dict[int, int] = {}
        hidden: dict[str, str] = {}
        for kernel, pids in members.items() if self._system.counts_io else ():
            for pid in pids:
                try:
                    moved[pid] = self._system.moved(pid)
                except (OSError, ValueError, IndexError) as error:
                    if isinstance(error, PermissionError) and rows[pid].state != "Z":
                        if not _rested(pid, rows, before):
                            hidden[kernel] = (
                                f"what its process {rows[pid].name} ({pid}) reads and writes cannot be seen"
                            )
                    elif before is not None and pid in before.moved:  # it has ended: its parent tells the rest
                        moved[pid] = before.moved[pid]
        return moved, hidden

    def _gpu_usages(self, rows: Mapping[int, Row], members: Mapping[str, list[int]]) -> dict[str, GpuUsage]:
        if not self._system.has_gpus():
            self.close()
            return {}
        opened = {kernel: {pid: self._opened(pid) for pid in pids} for kernel, pids in members.items()}
        holders: dict[int, frozenset[str]] = {}

        def all_holders() -> Mapping[int, frozenset[str]]:
            if not holders:
                read = {pid: files for one in opened.values() for pid, files in one.items()}
                for pid in rows.keys() - {os.getpid()}:  # this process has NVML's session
                    files = read[pid] if pid in read else self._opened(pid)
                    if not isinstance(files, OSError) and computes(files):
                        holders[pid] = files
            return holders

        readings: list[Reading] = []

        def reading() -> Reading:
            if not readings:
                self._devices = self._devices or self._new_devices()
                readings.append(self._devices.read())
            return readings[0]

        return {
            kernel: gpu_usage(
                files,
                reading,
                lambda files=files: {pid: held for pid, held in all_holders().items() if pid not in files},  # type: ignore[misc]
            )
            for kernel, files in opened.items()
        }

    def _opened(self, pid: int) -> frozenset[str] | OSError:
        try:
            return self._system.opened(pid)
        except PermissionError as error:
            return error
        except OSError:  # it ended just now
            return frozenset()

    def _holds_gpu(self, pid: int) -> bool:
        files = self._opened(pid)
        return not isinstance(files, OSError) and computes(files)


def _rested(pid: int, rows: Mapping[int, Row], before: _Moment | None) -> bool:
    """Whether a process that hides its bytes (ssh-agent, whatever is setuid) used no CPU, and so moved next to none."""
    was, now = None if before is None else before.rows.get(pid), rows[pid]
    return was is not None and (was.began, was.own_s, was.reaped_s) == (now.began, now.own_s, now.reaped_s)


def _nothing(why: str) -> Usage:
    return Usage(unknown(why), unknown(why), unknown(why), unknown(why), unknown(why), unknown(why))
