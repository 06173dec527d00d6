"""The widgets of a notebook, as its metadata keeps them for those who draw it without a kernel. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .fields import is_plain, text_of
from .outputs import Room, cost_of

MIME = "application/vnd.jupyter.widget-state+json"
_WIDGET_COST = 1024  # of one widget beside its state


class _Widget:
    """One model: its state, the buffers that belong into it by their paths, and what each part costs."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.buffers: dict[str, dict[str, Any]] = {}
        self.costs: dict[str, int] = {}


class Widgets:
    """What the comms of widgets said so far. What there is no room for is left out."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._widgets: dict[str, _Widget] = {}

    def apply(self, frame: Mapping[str, Any]) -> None:
        """A `widget` frame: the part of one widget's state that is new."""
        comm_id, state = text_of(frame, "comm_id"), frame.get("state")
        if comm_id is None or not isinstance(state, Mapping):
            return
        widget = self._widgets.get(comm_id)
        if widget is None:
            if not self._room.take(_WIDGET_COST):
                return
            widget = self._widgets[comm_id] = _Widget()
        for name, value in state.items():
            if isinstance(name, str) and is_plain({name: value}) and self._takes(widget, f"state {name}", value):
                widget.state[name] = value
        buffers = frame.get("buffers")
        for buffer in buffers if isinstance(buffers, list) else []:
            if isinstance(buffer, dict) and isinstance(buffer.get("path"), list) and is_plain(buffer):
                path = json.dumps(buffer["path"])
                if self._takes(widget, f"buffer {path}", buffer):
                    widget.buffers[path] = buffer

    def metadata(self) -> dict[str, Any]:
        """`metadata.widgets` as nbclient writes it; empty where there are none."""
        models = {}
        for comm_id, widget in self._widgets.items():
            state = widget.state
            if "_model_name" not in state:
                continue
            models[comm_id] = {
                "model_name": state["_model_name"],
                "model_module": state.get("_model_module"),
                "model_module_version": state.get("_model_module_version"),
                "state": dict(state),
            }
            if widget.buffers:
                models[comm_id]["buffers"] = list(widget.buffers.values())
        return {MIME: {"state": models, "version_major": 2, "version_minor": 0}} if models else {}

    def _takes(self, widget: _Widget, part: str, value: Any) -> bool:
        cost = cost_of([part, value])
        if not self._room.take(cost - widget.costs.get(part, 0)):
            return False
        widget.costs[part] = cost
        return True
