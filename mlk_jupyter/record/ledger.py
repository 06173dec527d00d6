"""The status of one job as its one writer knows it, and its way to status.json even when the disk is full."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import Any

from ..model import JobStatus, Phase, Reason, Transition
from .files import open_regular
from .folder import JobFolder
from .replay import MORE_NOTICES

_PERIOD_S = 0.25
_MOST_NOTICES = 200
_FULL = (errno.ENOSPC, errno.EDQUOT)
_BALLAST_BYTES = 256 * 1024


class Ledger:
    """Keeps status.json true: at once when the phase changes, else at most four times a second. How the
    job ended survives a power cut; what was said before would not be true after it.

    A small file beside it holds room back: when the disk is full it is given up, so that the end can be written.
    """

    def __init__(self, folder: JobFolder, status: JobStatus) -> None:
        self._folder = folder
        self.status = status
        self._unsaved = False
        self._saved_at = 0.0
        self._ballast = folder.path / ".ballast"

    def hold_room(self) -> None:
        """Fills the ballast. Raises OSError when the disk is full already or the folder cannot be written."""
        with os.fdopen(open_regular(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(b"\0" * _BALLAST_BYTES)

    def give_room(self) -> None:
        """Frees the ballast, for what must still be written."""
        with contextlib.suppress(OSError):
            self._ballast.unlink()

    def enter(self, phase: Phase, reason: Reason, *, at: float | None = None) -> None:
        """Changes the phase and saves. A final phase stays.

        Args:   at: when it began, in seconds since the epoch; now, where it is left out.
        Raises: OSError when it cannot be written.
        """
        if self.status.phase.final:
            return
        if phase is not self.status.phase:
            self.update(timeline=[*self.status.timeline, Transition(phase=phase, at=at or time.time())])
        self.update(phase=phase, reason=reason)
        self.save(lasting=phase.final)

    def update(self, **changes: Any) -> None:
        """Changes fields in memory; `save_when_due` brings them to the file."""
        phase, progress = changes.get("phase", self.status.phase), changes.get("progress", self.status.progress)
        changes["progress"] = progress.as_of(phase)
        changes = {name: value for name, value in changes.items() if getattr(self.status, name) != value}
        if changes:
            self.status = self.status.model_copy(update=changes)
            self._unsaved = True

    def notice(self, text: str) -> None:
        """Adds a sentence for a person, once; of very many, the first."""
        known = self.status.notices
        if text in known or len(known) >= _MOST_NOTICES:
            return
        self.update(notices=[*known, text if len(known) < _MOST_NOTICES - 1 else MORE_NOTICES])

    @property
    def unsaved(self) -> bool:
        """Something changed that the file does not say."""
        return self._unsaved

    @property
    def due(self) -> bool:
        """The last time is long enough ago to save again."""
        return time.monotonic() - self._saved_at >= _PERIOD_S

    def save_when_due(self) -> None:
        """Saves if something changed and it is due. Raises OSError."""
        if self._unsaved and self.due:
            self.save(lasting=False)

    def save(self, *, lasting: bool = True) -> None:
        """Saves now; what is changed meanwhile, by another thread, is for the next time.

        Args:   lasting: whether it is to survive a power cut.
        Raises: OSError when not even giving up the ballast made room.
        """
        self._unsaved = False
        try:
            self._save(lasting)
        except OSError:
            self._unsaved = True
            raise
        self._saved_at = time.monotonic()

    def _save(self, lasting: bool) -> None:
        try:
            self._folder.write_status(self.status, lasting=lasting)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self.give_room()
            self._save_in_full(lasting)

    def _save_in_full(self, lasting: bool) -> None:
        try:
            self._folder.write_status(self.status, lasting=lasting)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # Somebody took the room at once. The file's own blocks are still ours: writing over them asks for none,
            # at the price that a reader may meet half of it.
            data = self.status.model_dump_json().encode()
            with os.fdopen(open_regular(self._folder.path / "status.json", os.O_RDWR), "r+b", buffering=0) as file:
                os.write(file.fileno(), data)
                file.truncate(len(data))
                if lasting:
                    os.fsync(file.fileno())
