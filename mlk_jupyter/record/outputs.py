"""The outputs of one cell, as they grow. Pure; what it gives is valid nbformat 4.5 whatever it was fed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from .fields import clean, count_of, is_plain, lines_of, metadata_of, text_of
from .overwriting import settled

COST_LIMIT = 128 * 1024 * 1024
"""What the outputs of a job may cost in all: bytes, as `cost_of` counts them. Ranks keep well below it."""
_OUTPUT_COST = 512  # of one output beside what it holds
_NODE_COST = 32  # of a number, list or object beside what it holds
_DEEPEST = 100  # levels of JSON in an output


class Room:
    """What the outputs of all cells may still cost. Calls `full` when something does not fit."""

    def __init__(self, full: Callable[[], None], limit: int = COST_LIMIT) -> None:
        self._left = limit
        self._full = full

    def take(self, cost: int) -> bool:
        """Whether it fits; it is taken then. A negative cost is given back."""
        if cost > self._left:
            self._full()
            return False
        self._left -= cost
        return True


class Stream:
    """Consecutive text of one stream, joined only when somebody looks (a print loop stays linear)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cost = _OUTPUT_COST
        self._text = io.StringIO(newline="")

    def append(self, text: str, cost: int) -> None:
        self._text.write(text)
        self.cost += cost

    def as_output(self) -> dict[str, Any]:
        # Otherwise a bar of 3,000 steps would be kept 3,000 times.
        return {"output_type": "stream", "name": self.name, "text": settled(self._text.getvalue())}


class Display:
    """What all outputs show that bear one display id."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}
        """`data` and `metadata`."""
        self.cost = 0
        self.bearers = 0


class Shown:
    """One display_data, execute_result or error."""

    def __init__(self, output: dict[str, Any], cost: int, display_id: str | None, display: Display | None) -> None:
        self._output = output
        self._cost = cost
        self.display_id, self._display = display_id, display

    @property
    def cost(self) -> int:
        return self._cost + (self._display.cost if self._display is not None else 0)

    @property
    def is_error(self) -> bool:
        return bool(self._output["output_type"] == "error")

    def as_output(self) -> dict[str, Any]:
        return {**self._output, **(self._display.content if self._display is not None else {})}


class Displays:
    """What is shown under each display id, across all cells: an update takes the same time however many bear it."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._displays: dict[str, Display] = {}

    def borne(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> Display | None:
        """What one more output shows that bears the id; None where there is no room for it."""
        display = self._displays.get(display_id) or Display()
        cost = display.cost
        if not self._room.take(cost):
            return None
        display.bearers += 1
        if not self._show(display, data, metadata):
            self._room.take(-cost)
            display.bearers -= 1
            return None
        self._displays[display_id] = display
        return display

    def forget(self, display_id: str) -> None:
        """A cleared output is not updated any more; the id itself stays known as long as another output bears it."""
        display = self._displays[display_id]
        display.bearers -= 1
        if not display.bearers:
            del self._displays[display_id]

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        display = self._displays.get(display_id)
        if display is not None:
            self._show(display, data, metadata)

    def _show(self, display: Display, data: dict[str, Any], metadata: dict[str, Any]) -> bool:
        content = {"data": data, "metadata": metadata}
        cost = cost_of(content)
        if not self._room.take((cost - display.cost) * display.bearers):
            return False
        display.content, display.cost = content, cost
        return True


class CellOutputs:
    """What one cell has shown so far."""

    def __init__(self, displays: Displays, room: Room) -> None:
        self._displays = displays
        self._room = room
        self._items: list[Stream | Shown] = []
        self._clear_before_next = False

    def stream(self, name: str, text: str) -> None:
        """Text of stdout or stderr; text that follows text of the same stream joins it."""
        if not text:
            return
        self._clear_if_due()
        last = self._items[-1] if self._items else None
        joins = isinstance(last, Stream) and last.name == name
        cost = cost_of(text)
        if not self._room.take(cost if joins else cost + _OUTPUT_COST):
            return
        if not isinstance(last, Stream) or not joins:
            last = Stream(name)
            self._items.append(last)
        last.append(text, cost)

    def show(self, output: dict[str, Any], display_id: str | None) -> None:
        """One output; earlier ones that bear its display id are updated too, as in Jupyter."""
        display = None
        if display_id is not None and "data" in output:
            data, metadata = output.pop("data"), output.pop("metadata")
            self._displays.update(display_id, data, metadata)
            self._clear_if_due()
            display = self._displays.borne(display_id, data, metadata)
            if display is None:
                return
        else:
            display_id = None
            self._clear_if_due()
        cost = _OUTPUT_COST + cost_of(output)
        if self._room.take(cost):
            self._items.append(Shown(output, cost, display_id, display))
        elif display_id is not None:
            self._displays.forget(display_id)

    def clear(self, *, wait: bool) -> None:
        """Removes everything: now, or once something new comes."""
        if wait:
            self._clear_before_next = True
            return
        for item in self._items:
            self._room.take(-item.cost)
            if isinstance(item, Shown) and item.display_id is not None:
                self._displays.forget(item.display_id)
        self._items.clear()
        self._clear_before_next = False

    def has_error(self) -> bool:
        return any(isinstance(item, Shown) and item.is_error for item in self._items)

    def as_outputs(self) -> list[dict[str, Any]]:
        """The outputs for the notebook. Their data is shared: it is not to be changed in place."""
        return [item.as_output() for item in self._items]

    def _clear_if_due(self) -> None:
        if self._clear_before_next:
            self.clear(wait=False)


def cost_of(value: Any) -> int:
    """About how many bytes JSON takes in memory and, indented, in a file; more than there can be room for where it is
    too deep."""
    cost = 0
    waiting = [(value, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            cost += len(json.encoder.encode_basestring(value).encode("utf-8", "replace"))
            continue
        cost += _NODE_COST + depth
        if depth > _DEEPEST:
            return 1 << 62
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, int):
            cost += value.bit_length() // 3
    return cost


def output_of(raw: object) -> dict[str, Any] | None:
    """A valid display_data, execute_result or error made from what a frame holds; None when it is none of these."""
    if not isinstance(raw, Mapping):
        return None
    kind = raw.get("output_type")
    if kind == "error":
        return error_output(text_of(raw, "ename") or "", text_of(raw, "evalue") or "", lines_of(raw, "traceback"))
    if kind not in ("display_data", "execute_result"):
        return None
    output = {"output_type": kind, "data": data_of(raw.get("data")), "metadata": metadata_of(raw.get("metadata"))}
    if kind == "execute_result":
        output["execution_count"] = count_of(raw, "execution_count")
    return output


def error_output(ename: str, evalue: str, traceback: list[str]) -> dict[str, Any]:
    return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": traceback}


def data_of(raw: object) -> dict[str, Any]:
    """A MIME bundle: text (or lines of text) for every type, any JSON for the JSON types. The rest is left out."""
    if not isinstance(raw, Mapping):
        return {}
    data: dict[str, Any] = {}
    for mime, value in raw.items():
        if not isinstance(mime, str):
            continue
        if isinstance(value, str):
            data[clean(mime)] = clean(value)
        elif _is_json(mime):
            if is_plain(value):
                data[clean(mime)] = value
        elif isinstance(value, list) and all(isinstance(line, str) for line in value):
            data[clean(mime)] = clean("".join(value))
    return data


def _is_json(mime: str) -> bool:
    return mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))
