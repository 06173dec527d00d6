"""What has to be read to judge kernels: processes, and what was left on the disk. In threads, each with a limit."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..record.files import read_regular
from ..record.folder import write_atomically
from ..threads import in_thread
from ..waiting import within
from .folders import Left
from .kernels import Look, Process, Usage
from .leases import Leases
from .parts import Parts, Usages
from .patience import Patience
from .sweeping import sweep

logger = logging.getLogger(__name__)

_KEPT = "kept.json"


@dataclass(frozen=True)
class Found:
    """What was read for one look at all kernels."""

    usages: Mapping[str, Usage] = field(default_factory=dict)
    why_no_usages: str = ""
    left: Mapping[str, Left] = field(default_factory=dict)
    leases: Mapping[str, Leases] = field(default_factory=dict)
    """Of kernels that were not watched before."""
    unfinished: frozenset[str] = frozenset()
    """Jobs that are not over."""
    notebooks: Mapping[str, object] = field(default_factory=dict)
    """What notebooks say of idle kernels, by path."""


class Outside:
    """Reads for one watcher; two reads of a kind never run at once, also when one hangs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._usages: Usages | None = None
        self._sampling: asyncio.Future[dict[str, Usage]] | None = None
        self._reading: asyncio.Future[Found] | None = None
        self._keeping = Patience()
        self._is_swept = False
        self._why_unread = ""

    async def find(self, looks: Mapping[str, Look], new: Collection[str], gone: Collection[str]) -> Found | None:
        """What there is for these kernels; None: the disk does not answer, or not in time.

        Args: new: those that were not watched before; gone: those that ended, whose folders are removed.
        """
        used, found = await asyncio.gather(self._used(looks), self._left(looks, new, gone))
        if found is None:
            return None
        usages, why = used
        return Found(usages, why, found.left, found.leases, found.unfinished, found.notebooks)

    async def keep(self, leases: Mapping[str, Leases], wall: float) -> None:
        """Writes down how long kernels were kept so far. Never raises."""
        records = {kernel_id: json.dumps(one.as_record(wall)).encode() for kernel_id, one in leases.items()}
        if records:
            await self._keeping.do(self._write, records)

    async def end_leftovers(self, kernel_id: str, looking: asyncio.Lock) -> Sequence[str]:
        """Ends what a kernel that has ended left behind and holds a GPU; gives each as "name (pid)".

        Args: looking: held by whoever samples.
        Raises: asyncio.TimeoutError: an earlier sample hangs, and what is left is not known.
        """
        async with looking:
            if self._sampling is not None:
                await asyncio.wait({self._sampling}, timeout=self._parts.sampling_s)
                if not self._sampling.done():
                    raise asyncio.TimeoutError
            if self._usages is None:
                self._usages = await in_thread(self._parts.usages)
            found = await within(self._parts.sampling_s, in_thread(self._usages.leftovers, kernel_id))
        return await in_thread(self._parts.end_leftovers, found) if found else ()

    async def rest(self) -> None:
        """Gives back what is held while kernels are sampled."""
        usages, self._usages = self._usages, None
        if usages is not None and (self._sampling is None or self._sampling.done()):
            await in_thread(usages.close)

    async def _used(self, looks: Mapping[str, Look]) -> tuple[Mapping[str, Usage], str]:
        """What the processes of each kernel use, and why that is unknown."""
        if self._sampling is not None and not self._sampling.done():
            return {}, "what processes use is still being looked up since an earlier look"
        self._sampling = None
        targets = {
            kernel_id: Process(look.pid, look.started)
            for kernel_id, look in looks.items()
            if look.local and look.pid is not None and look.started is not None
        }
        if not targets:
            return {}, ""
        try:
            if self._usages is None:
                self._usages = await in_thread(self._parts.usages)
            self._sampling = asyncio.ensure_future(in_thread(self._usages.sample, targets))
            self._sampling.add_done_callback(_taken)
            done, _ = await asyncio.wait({self._sampling}, timeout=self._parts.sampling_s)
            if not done:
                return {}, f"what processes use was not found within {self._parts.sampling_s:g} s"
            sampling, self._sampling = self._sampling, None
            return sampling.result(), ""
        except Exception as error:
            logger.warning("What kernels use cannot be found", exc_info=True)
            return {}, f"what processes use cannot be found ({type(error).__name__})"

    async def _left(self, looks: Mapping[str, Look], new: Collection[str], gone: Collection[str]) -> Found | None:
        if self._reading is not None and not self._reading.done():
            return None
        self._reading = asyncio.ensure_future(in_thread(self._read, dict(looks), set(new), set(gone)))
        self._reading.add_done_callback(_taken)
        done, _ = await asyncio.wait({self._reading}, timeout=self._parts.sampling_s)
        if not done:
            return None
        try:
            found = self._reading.result()
        except OSError as error:
            if self._why_unread != str(error):
                logger.warning("Whether kernels are kept cannot be read; none is stopped meanwhile: %s", error)
            self._why_unread = str(error)
            return None
        self._why_unread = ""
        return found

    def _read(self, looks: Mapping[str, Look], new: set[str], gone: set[str]) -> Found:
        for kernel_id in gone:
            self._parts.folders.remove(kernel_id)
        if not self._is_swept:
            self._is_swept = True
            sweep(self._parts.folders.folder.parent, looks)
        pids = frozenset(look.pid for look in looks.values() if look.pid is not None)
        left = self._parts.folders.read(looks.keys(), pids)
        jobs = {job for one in left.values() for job in (*one.jobs, *([one.waits_for] if one.waits_for else []))}
        paths = {look.path for look in looks.values() if look.path}
        return Found(
            left=left,
            leases={kernel_id: self._leases(kernel_id) for kernel_id in new & left.keys()},
            unfinished=frozenset(self._parts.unfinished(jobs)) if jobs else frozenset(),
            notebooks={path: said for path in paths if (said := self._parts.notebook(path)) is not None},
        )

    def _leases(self, kernel_id: str) -> Leases:
        try:
            record = json.loads(read_regular(self._path(kernel_id), 4096))
        except (OSError, ValueError, RecursionError):
            return Leases()
        return Leases.of_record(record, self._parts.wall()) if isinstance(record, dict) else Leases()

    def _write(self, records: Mapping[str, bytes]) -> None:
        for kernel_id, data in records.items():
            try:
                write_atomically(self._path(kernel_id), data, lasting=False)
            except OSError as error:
                logger.info("How long kernel %s was kept cannot be written down: %s", kernel_id, error)

    def _path(self, kernel_id: str) -> Path:
        return self._parts.folders.folder / kernel_id / _KEPT


def _taken(future: asyncio.Future[Any]) -> None:
    """Its end is not waited for where it comes too late."""
    if not future.cancelled():
        future.exception()
