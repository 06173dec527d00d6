"""Who may look into the data directory: nobody but the person it belongs to."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

_OURS = re.compile(r"jobs|clusters|gpus|idle|ports\.lock|mlartifacts|mlflow[\w.-]*|profiles\.json|\..*")
_OTHERS = 0o077


def close(data_dir: Path) -> None:
    """Makes the data directory, or closes one that is there to everybody else.

    Where other things lie in it, too, it is somebody's choice who may look into it: then only ours are closed.

    Raises: OSError when it cannot be made.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # another person's: theirs to close
        if not stat.S_IMODE(data_dir.stat().st_mode) & _OTHERS:
            return
        if not _shared_with(data_dir):
            data_dir.chmod(0o700)
            return
        for path in data_dir.iterdir():
            if _OURS.fullmatch(path.name) and not path.name.startswith(".") and not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)


def open_to_others(data_dir: Path) -> bool:
    """Whether others may look into the data directory, and `close` leaves it so."""
    try:
        return bool(stat.S_IMODE(data_dir.stat().st_mode) & _OTHERS) and _shared_with(data_dir)
    except OSError:
        return False


def _shared_with(data_dir: Path) -> bool:
    """Whether anything lies there that is not ours, or it is another person's."""
    return data_dir.stat().st_uid != os.geteuid() or any(not _OURS.fullmatch(path.name) for path in data_dir.iterdir())
