"""What becomes of kernels as events of Jupyter, which every page and extension can follow without asking.

Whoever may follow events may not for that reason see kernels: of which notebook it is, and why, is told at `/mlk/idle`.
"""

from __future__ import annotations

from typing import Any

from ..idle.happened import Happened

SCHEMA_ID = "https://events.mlk-jupyter.io/mlk_jupyter/idle/v1"
_TEXT = {"type": "string"}
_TEXT_OR_NONE = {"type": ["string", "null"]}
SCHEMA: dict[str, Any] = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "Idle kernels",
    "description": "A kernel is about to be stopped, was stopped, or is used again.",
    "personal-data": False,
    "type": "object",
    "required": ["event", "kernel_id", "state", "mode"],
    "properties": {
        "event": {
            "enum": ["warned", "resumed", "stopped", "would_stop", "aborted", "failed", "lease", "released"],
            "description": "What happened; `resumed`: a warning no longer holds.",
        },
        "kernel_id": {**_TEXT, "description": "Id of the kernel."},
        "state": {**_TEXT, "description": "active, quiet, warned, due, starting or dead."},
        "kind": {**_TEXT_OR_NONE, "description": "Why it counts as quiet, or was stopped."},
        "mode": {"enum": ["off", "shadow", "enforce"], "description": "In `shadow` nothing is stopped."},
        "deadline": {"type": ["number", "null"], "description": "Seconds since the epoch at which it is stopped."},
    },
}


class Events:
    """Emits what happens through a server's event logger."""

    def __init__(self, event_logger: Any) -> None:
        self._logger = event_logger
        if SCHEMA_ID not in event_logger.schemas.schema_ids:
            event_logger.register_event_schema(SCHEMA)

    def emit(self, happened: Happened) -> None:
        """Tells whoever follows the events."""
        self._logger.emit(
            schema_id=SCHEMA_ID,
            data={
                "event": happened.event,
                "kernel_id": happened.kernel_id,
                "state": happened.state,
                "kind": happened.kind,
                "mode": happened.mode,
                "deadline": happened.deadline,
            },
        )
