"""What servers that were killed left behind on the disk: their state, and the folders of their kernels. Blocking."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Collection
from pathlib import Path

from ..record.files import read_regular, remove
from .state import host
from .table import lives

_HERE_S = 86400.0  # a kernel may not be listed yet, and another machine may bear the same name
_ELSEWHERE_S = 7 * 86400.0  # whether a process of another machine lives cannot be seen: it writes once a minute


def sweep(folder: Path, kernel_ids: Collection[str]) -> None:
    """Removes what belongs to no server that may live. Never raises.

    Args: folder: `DATA_DIR/idle`; kernel_ids: those of this server.
    """
    with contextlib.suppress(OSError):
        listed = _listed(folder / "servers")
        if listed is None:
            return
        with os.scandir(folder / "kernels") as entries:
            old = [entry.name for entry in entries if _age_s(entry) > _HERE_S]
        for name in old:
            if name not in listed and name not in kernel_ids:
                remove(folder / "kernels" / name)


def _listed(folder: Path) -> set[str] | None:
    """Kernels of all servers that may live, on any machine; None: one of them cannot be read. Removes the others."""
    try:
        with os.scandir(folder) as entries:
            there = [entry for entry in entries if entry.name.endswith(".json") and not entry.name.startswith(".")]
    except FileNotFoundError:
        return set()
    found: set[str] | None = set()
    for entry in there:
        path = folder / entry.name
        try:
            said = json.loads(read_regular(path))
            is_here = entry.name == f"{host()}-{said['pid']}.json"
            is_over = is_here and not lives(said["pid"], said.get("began"), said["created"])
            kernels = {one["id"] for one in said["kernels"]["kernels"]}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            is_here, is_over, kernels = False, False, None
        if (is_over and _age_s(entry) > _HERE_S) or (not is_here and _age_s(entry) > _ELSEWHERE_S):
            remove(path)
        elif kernels is None:
            found = None
        elif found is not None:
            found |= kernels
    return found


def _age_s(entry: os.DirEntry[str]) -> float:
    """Since something was written there last; of a folder also in it."""
    with contextlib.suppress(OSError):
        newest = entry.stat(follow_symlinks=False).st_mtime
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry.path) as inner:
                newest = max((newest, *(one.stat(follow_symlinks=False).st_mtime for one in inner)))
        return time.time() - newest
    return 0.0  # not known: it may be new
