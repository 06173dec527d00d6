"""What kernels and persons left for the watcher, as `inside` describes it: one folder a kernel. Blocking.

Whatever is read may be anything: the folder belongs to the person whose kernels these are.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..record.fields import clean_all
from ..record.files import read_regular, remove
from .table import lives

_KERNEL_ID = re.compile(r"[\w-]{1,64}")
_FILE = re.compile(r"(keep|wait|job)-([\w.-]{1,80})\.json")
_LIMIT_BYTES = 64 * 1024
_MOST = 1_000  # files of a kind, of one kernel
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_NO_FILE_OF_OURS = (*_NOT_THERE, errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.ENXIO)


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants the kernel to be kept. Times in seconds since the epoch."""

    holder: str
    asked: float
    until: float | None
    """None: as long as the process that wishes it lives."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """What one folder holds."""

    wishes: tuple[Wish, ...] = ()
    jobs: tuple[str, ...] = ()
    """Ids of jobs that the kernel submitted, over or not; the oldest first."""
    waits_for: str | None = None
    """Id of the job that its running cell does nothing but wait for."""


class Folders:
    """All folders below one, read again only where something in them changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kernels: Collection[int] = ()
        self._known: dict[Path, tuple[tuple[int, int, int], dict[str, Any] | None]] = {}

    def read(self, kernel_ids: Collection[str], kernels: Collection[int] = ()) -> dict[str, Left]:
        """What there is of these kernels; most have no folder.

        Args:   kernels: numbers of processes that are kernels, and so surely there.
        Raises: OSError where the disk does not tell (a ticket that has run out, a server that is away): somebody may
            want a kernel to be kept, and that is not known.
        """
        self._kernels = kernels
        try:
            with os.scandir(self.folder) as entries:
                there = [entry.name for entry in entries if entry.name in kernel_ids]
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            there = []
        known, self._known = self._known, {}
        return {kernel_id: self._left(self.folder / kernel_id, known) for kernel_id in there}

    def remove(self, kernel_id: str) -> None:
        """Removes the folder of a kernel that is gone. Never raises."""
        if _KERNEL_ID.fullmatch(kernel_id):
            remove(self.folder / kernel_id)

    def _left(self, folder: Path, known: Mapping[Path, tuple[tuple[int, int, int], dict[str, Any] | None]]) -> Left:
        wishes, jobs, waits = [], [], []
        for path, kind, name in _files(folder):
            content = self._content(path, known)
            if content is None:
                continue
            if kind == "keep" and (wish := self._wish(name, content)) is not None:
                wishes.append(wish)
            elif kind == "job" and isinstance(content.get("job"), str):
                jobs.append((_finite(content.get("at")) or 0.0, content["job"]))
            elif kind == "wait" and isinstance(content.get("job"), str) and self._lives(content):
                waits.append(content["job"])
        return Left(tuple(wishes), tuple(job for _, job in sorted(jobs)), waits[0] if waits else None)

    def _content(
        self, path: Path, known: Mapping[Path, tuple[tuple[int, int, int], dict[str, Any] | None]]
    ) -> dict[str, Any] | None:
        content: dict[str, Any] | None = None
        try:
            there = path.lstat()
            if not stat.S_ISREG(there.st_mode):
                return None
            stamp = (there.st_ino, there.st_mtime_ns, there.st_size)
            if path in known and known[path][0] == stamp:
                content = known[path][1]
            else:
                with contextlib.suppress(ValueError, RecursionError):
                    found = json.loads(read_regular(path, _LIMIT_BYTES))
                    content = clean_all(found) if isinstance(found, dict) else None
        except OSError as error:
            if error.errno not in _NO_FILE_OF_OURS:
                raise
            return None
        self._known[path] = (stamp, content)
        return content

    def _wish(self, holder: str, content: dict[str, Any]) -> Wish | None:
        asked, until = _finite(content.get("asked")), _finite(content.get("until"))
        if asked is None or (until is None and content.get("until") is not None):
            return None
        if until is None and content.get("pid") is None:  # nobody whose end would be its end
            return None
        if not self._lives(content):
            return None
        reason = content.get("reason")
        return Wish(holder, asked, until, reason[:200] if isinstance(reason, str) else "")

    def _lives(self, content: dict[str, Any]) -> bool:
        pid = content.get("pid")
        if pid is None:
            return True
        if not isinstance(pid, int) or isinstance(pid, bool) or pid < 1:
            return False
        return pid in self._kernels or lives(pid, _finite(content.get("began")), _finite(content.get("created")))


def _files(folder: Path) -> list[tuple[Path, str, str]]:
    """Raises: OSError where it is there and cannot be read."""
    found = []
    counts: Counter[str] = Counter()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = _FILE.fullmatch(entry.name)
                if match is not None and counts[match[1]] < _MOST:  # so that no number of jobs hides a wish
                    counts[match[1]] += 1
                    found.append((folder / entry.name, match[1], match[2]))
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
    return sorted(found)


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
