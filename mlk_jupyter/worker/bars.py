"""What progress bars that are widgets stand at, as lines of the log, where nobody sees a widget."""

from __future__ import annotations

import html
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

_PROGRESS = ("FloatProgressModel", "IntProgressModel")
_KINDS = (*_PROGRESS, "HTMLModel", "LabelModel", "HBoxModel")  # a bar of tqdm is a box of text, bar and text
_PARTS = ("_model_name", "children", "value", "max", "description", "bar_style")
_MOST = 1000  # widgets that are looked at: a notebook with more of them shows no bars for people
_REFERENCE = "IPY_MODEL_"
_TAG = re.compile(r"<[^>]*>")


class Bars:
    """Follows the widgets that bars are made of."""

    def __init__(self) -> None:
        self._models: Dict[str, Dict[str, Any]] = {}
        self._moved: Set[str] = set()

    def changed(self, comm_id: str, state: Dict[str, Any]) -> None:
        """Part of a widget's state is new."""
        known = self._models.get(comm_id)
        if known is None:
            if state.get("_model_name") not in _KINDS or len(self._models) >= _MOST:
                return
            known = self._models[comm_id] = {}
        known.update((name, state[name]) for name in _PARTS if name in state)
        if known["_model_name"] in _PROGRESS:
            self._moved.add(comm_id)

    def lines(self) -> List[str]:
        """A line for each bar that moved since they were asked for last: `train: 100% 5/5 [00:01<00:00, 4.9it/s]`."""
        moved, self._moved = self._moved, set()
        boxes: Dict[Optional[str], Dict[str, Any]] = {
            child: box
            for box in self._models.values()
            for child in map(_referred, _listed(box.get("children")))
            if child in moved
        }
        return [line for comm_id in self._models if comm_id in moved if (line := self._line(comm_id, boxes))]

    def _line(self, comm_id: str, boxes: Dict[Optional[str], Dict[str, Any]]) -> str:
        box = boxes.get(comm_id)
        if box is None:
            return self._words(comm_id)
        around = (self._words(child) for child in map(_referred, _listed(box["children"])) if child != comm_id)
        return " ".join(filter(None, around)) or self._words(comm_id)

    def _words(self, comm_id: Optional[str]) -> str:
        state = self._models.get(comm_id or "", {})
        value = state.get("value")
        if state.get("_model_name") not in _PROGRESS:
            text = html.unescape(_TAG.sub("", value)) if isinstance(value, str) else ""
            return " ".join(text.split())  # tqdm aligns with spaces that are as wide as a digit
        most = state.get("max")
        if not isinstance(value, (int, float)) or not isinstance(most, (int, float)):
            return ""
        try:
            return f"{state.get('description') or ''} {value:g}/{most:g}".strip()
        except OverflowError:  # no float is that large
            return ""


def _listed(children: Any) -> List[Any]:
    return children if isinstance(children, list) else []


def _referred(child: Any) -> Optional[str]:
    """The id of the model that a state refers to."""
    is_reference = isinstance(child, str) and child.startswith(_REFERENCE)
    return child[len(_REFERENCE) :] if is_reference else None
