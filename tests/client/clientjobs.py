"""Scripts for jobs of the Python client."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOREVER = "import time\nprint('here', flush=True)\nwhile True:\n    time.sleep(0.02)\n"
_LIMIT_S = 60.0  # far beyond what a slow machine needs: it ends a test that would hang


def script(folder: Path, code: str, name: str = "train.py") -> str:
    """Writes a script; gives its path."""
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return str(path)


def until(condition: Callable[[], Any]) -> Any:
    """The first truthy value of `condition`."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"It did not happen within {_LIMIT_S:.0f} s.")
