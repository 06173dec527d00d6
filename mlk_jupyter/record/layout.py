"""What surrounds the outputs in an executed notebook: valid cells to begin with, and the times of each. Pure."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .fields import metadata_of


def prepared(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with everything that nbformat 4.5 asks for, without outputs."""
    prepared: dict[str, Any] = {key: value for key, value in notebook.items() if key not in ("cells", "metadata")}
    prepared["nbformat"], prepared["nbformat_minor"] = 4, 5
    prepared["metadata"] = metadata_of(notebook.get("metadata"))
    prepared["cells"] = cells = []
    known: set[str] = set()
    raw = notebook.get("cells")
    for position, source_cell in enumerate(raw if isinstance(raw, list) else []):
        cell = copy.deepcopy(dict(source_cell))
        cell["metadata"] = metadata_of(cell.get("metadata"))
        cell_id = cell.get("id")
        if not isinstance(cell_id, str) or not cell_id or cell_id in known:
            cell_id = uuid.uuid5(uuid.NAMESPACE_URL, f"mlk-cell-{position}").hex[:12]
        known.add(cell_id)
        cell["id"] = cell_id
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
        cells.append(cell)
    return prepared


def cell_metadata(
    metadata: dict[str, Any],
    *,
    started: float | None,
    finished: float | None,
    seconds: float | None,
    status: str | None,
) -> dict[str, Any]:
    """The cell's metadata with its times, as JupyterLab records them and in seconds; as it is for a cell not run."""
    if started is None and status is None:
        return metadata
    times = {"started": started, "finished": finished, "seconds": seconds, "status": status}
    execution = {"iopub.execute_input": _moment(started), "shell.execute_reply": _moment(finished)}
    known = {name: moment for name, moment in execution.items() if moment is not None}
    return {**metadata, "execution": known, "mlk": times}


def _moment(at: float | None) -> str | None:
    """ISO 8601 in UTC, as the messages of a kernel have it; None for a time no calendar knows."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None
