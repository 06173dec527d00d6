"""Why the server before this one ended itself, kept for the next start until a person has seen it."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from urllib.parse import quote

from ..record.files import read_regular
from ..record.folder import write_atomically

logger = logging.getLogger(__name__)

_MOST_BYTES = 4096


class LastEnd:
    """Of one server of a person: each of JupyterHub's named servers has its own. Blocking: for a thread."""

    def __init__(self, folder: Path, server_name: str = "") -> None:
        """Args: folder: that of idle kernels."""
        named = f"-{quote(server_name, safe='')}" if server_name else ""
        self._path = folder / f"server-ended{named}.json"

    def write(self, words: str, at: float) -> None:
        """Keeps why a server ends. Never raises: on a full disk the next start says nothing.

        Args: at: seconds since the epoch.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps({"at": at, "words": words}).encode())
        except OSError as error:
            logger.warning("Why this server ends cannot be written down for the next one: %s", error)

    def read(self) -> str | None:
        """When, and why; None: it did not end itself, or somebody has seen it."""
        try:
            said = json.loads(read_regular(self._path, _MOST_BYTES))
            when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(float(said["at"])))
            return f"{when}: {str(said['words'])[:500]}"
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def forget(self) -> None:
        """A person has seen it."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.info("That this server ended itself cannot be forgotten: %s", error)
