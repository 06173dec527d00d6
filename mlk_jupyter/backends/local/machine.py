"""What this machine has for jobs: cores, memory, disk. Unknown is None."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use: its affinity, less where a container's quota allows less."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        count = os.cpu_count() or 1
    quota = _cpu_quota()
    return count if quota is None else max(1, min(count, int(quota)))


def memory() -> tuple[int | None, int | None]:
    """Bytes of memory in all and available, with a container's limit considered."""
    total = available = None
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total = int(rows["MemTotal"].split()[0]) * 1024
        available = int(rows["MemAvailable"].split()[0]) * 1024
    if total is None:
        with contextlib.suppress(OSError, ValueError):
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, used = _number("memory.max"), _number("memory.current")
    if limit is not None and (total is None or limit < total):
        total = limit
        if used is not None:
            room = max(0, limit - used)
            available = room if available is None else min(available, room)
    return total, available


def disk_free(path: Path) -> int | None:
    """Bytes free for us on the file system that holds `path` or its nearest existing parent."""
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def _cpu_quota() -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return int(quota) / int(period)  # "max" is no number: no quota
    return None


def _number(name: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int((_CGROUP / name).read_text())
    return None
