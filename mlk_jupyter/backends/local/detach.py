"""Starts a job's supervisor so that it belongs to nobody: no parent, terminal or session takes it along."""

from __future__ import annotations

import os
import subprocess
import sys

from ...record.files import open_regular
from ...record.folder import JobFolder
from .environment import inherited

# The shell starts the supervisor and ends at once, so that its parent is the system and not this process: no zombie
# is left in a server that nobody asks about its children.
_ORPHAN = '"$@" &'
_LOG = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def start(module: str, folder: JobFolder) -> None:
    """Starts `python -m MODULE FOLDER`, with the folder's supervisor.log for whatever it has to say.

    Raises: OSError when the log cannot be opened or the process not be started.
    """
    with os.fdopen(open_regular(folder.path / "supervisor.log", _LOG), "ab") as log:
        subprocess.run(
            ["/bin/sh", "-c", _ORPHAN, "sh", sys.executable, "-m", module, str(folder.path)],
            cwd="/",  # `-m` puts the current folder on the search path: a notebook's own json.py must not be found
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**inherited(os.environ), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            check=True,
        )
