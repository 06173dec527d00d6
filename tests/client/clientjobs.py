"""Scripts for jobs of the Python face, and an end to whatever a test leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlk_jupyter.backends.local import process
from mlk_jupyter.record.folder import JobFolder

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


def clean_up(data_dir: Path) -> None:
    """Ends every supervisor of a data directory, and with it its ranks."""
    for path in data_dir.glob("jobs/*/status.json"):
        status = JobFolder(path.parent).read_status()
        if status is not None and status.owner is not None and process.alive(status.owner):
            os.kill(int(status.owner["pid"]), signal.SIGKILL)
        for pid in process.bearing("MLK_JOB", path.parent.name):
            if process.start_time(pid) is not None:
                process.send([pid], signal.SIGKILL)
