"""The interpreters of this machine that a job may have: one a version from 3.9 on, the one that tests among them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_MINORS = range(9, 20)


def _find(minor: int) -> str | None:
    if minor == sys.version_info.minor:
        return os.path.realpath(sys.executable)
    name = f"python3.{minor}"
    for path in Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/{name}"):
        return str(path)  # pyenv keeps them side by side; on the PATH are stand-ins that may refuse
    path = shutil.which(name)
    return path if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0 else None


_FOUND = {path: f"3.{minor}" for minor in _MINORS if (path := _find(minor))}
PYTHONS = list(_FOUND)
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]


def version_of(path: str) -> str:
    """As in "3.9"."""
    return _FOUND[path]
