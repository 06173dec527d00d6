"""Kernels that were stopped, one file each, until somebody takes the notice away. Blocking; survives the server."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from ..model.kernels import Stopped
from ..record.files import read_regular
from ..record.folder import write_atomically

logger = logging.getLogger(__name__)

_KEPT_S = 30 * 86400.0
_MOST = 50
_NAME = re.compile(r"[\w-]{1,64}\.json")


class Notices:
    """Of the kernels of one root: two servers of a person may share the folder, and not the notebooks."""

    def __init__(self, folder: Path, root: str) -> None:
        self._folder, self._root = folder, root

    def read(self) -> list[Stopped]:
        """The newest first. Removes those that nobody took away for a month. Never raises."""
        found = []
        for path in self._files():
            with contextlib.suppress(OSError, ValueError, RecursionError):
                content = json.loads(read_regular(path))
                if not isinstance(content, dict) or content.get("root") != self._root:
                    continue
                with contextlib.suppress(ValidationError):
                    found.append((path, Stopped.model_validate(content.get("stopped"))))
        found.sort(key=lambda one: one[1].at, reverse=True)
        kept = [stopped for _, stopped in found[:_MOST] if time.time() - stopped.at < _KEPT_S]
        for path, _ in found[len(kept) :]:
            with contextlib.suppress(OSError):
                path.unlink()
        return kept

    def write(self, stopped: Stopped) -> None:
        """Keeps one. On a disk that takes nothing it lives as long as the server. Never raises."""
        content = {"root": self._root, "stopped": stopped.model_dump(mode="json")}
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._folder / f"{stopped.id}.json", json.dumps(content).encode())
        except OSError as error:
            logger.warning("That kernel %s was stopped cannot be written down: %s", stopped.id, error)

    def remove(self, kernel_ids: Collection[str]) -> None:
        """Takes some away. Never raises."""
        for kernel_id in kernel_ids:
            with contextlib.suppress(OSError):
                (self._folder / f"{kernel_id}.json").unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as entries:
                return [self._folder / entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        except OSError:
            return []
