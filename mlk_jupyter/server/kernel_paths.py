"""Which notebook or console a kernel belongs to."""

from __future__ import annotations

import logging
from typing import Any

from ..record.fields import clean

logger = logging.getLogger(__name__)


class KernelPaths:
    """By kernel. The sessions are read again only when one has changed: begun, ended, moved, or on another kernel."""

    def __init__(self, sessions: Any) -> None:
        self._sessions = sessions
        self._changes: int | None = None
        self._paths: dict[str, str] = {}

    def of(self, kernel_id: str) -> str | None:
        """Path relative to the server's root; None: of no session. A notebook goes before other documents."""
        try:
            self._refresh()
        except Exception:  # a session manager of another kind: the path is shown, and decides nothing
            logger.debug("The sessions cannot be read", exc_info=True)
            return None
        return self._paths.get(kernel_id)

    def _refresh(self) -> None:
        cursor = self._sessions.cursor  # makes the table where there is none yet
        changes = cursor.connection.total_changes  # counted in memory
        if changes == self._changes:
            return
        rows = cursor.connection.execute("SELECT kernel_id, path, type FROM session").fetchall()
        rows.sort(key=lambda row: row["type"] == "notebook")
        self._paths = {row["kernel_id"]: clean(row["path"]) for row in rows if row["path"]}
        self._changes = changes
