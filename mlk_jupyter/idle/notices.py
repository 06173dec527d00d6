"""Kernels that were stopped, one file each, until somebody takes the notice away. Blocking; survives the server.

A notebook's next kernel takes none away: JupyterLab starts one for each notebook that it opens.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterable
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

    def __init__(self, folder: Path, root: str, file_of: Callable[[str], Path | None] = lambda path: None) -> None:
        """Args: file_of: where a notebook lies; None: in no folder."""
        self._folder, self._root, self._file_of = folder, root, file_of

    def read(self) -> list[Stopped]:
        """The newest first. Removes those that are over. Never raises."""
        found = []
        for path in self._files():
            with contextlib.suppress(OSError, ValueError, RecursionError):
                content = json.loads(read_regular(path))
                if not isinstance(content, dict) or content.get("root") != self._root:
                    continue
                with contextlib.suppress(ValidationError):
                    found.append((path, Stopped.model_validate(content.get("stopped"))))
        found.sort(key=lambda one: one[1].at, reverse=True)
        newest = [stopped for _, stopped in found[:_MOST]]
        over = self.over(newest)
        for path, stopped in found:
            if stopped.id in over or stopped not in newest:
                with contextlib.suppress(OSError):
                    path.unlink()
        return [stopped for stopped in newest if stopped.id not in over]

    def over(self, notices: Iterable[Stopped]) -> set[str]:
        """Ids of those that nobody took away for a month, and those whose notebook is gone. Never raises."""
        now = time.time()
        return {one.id for one in notices if now - one.at >= _KEPT_S or (one.path and self._is_gone(one.path))}

    def _is_gone(self, path: str) -> bool:
        """Whether its folder is there without it. A console has no file, and `RTC:` and the like are no folders."""
        if not path.endswith(".ipynb") or ":" in path:
            return False
        try:
            file = self._file_of(path)
            return file is not None and file.parent.is_dir() and not file.exists()
        except Exception:  # whatever a contents manager of somebody else's thinks of it
            return False

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
