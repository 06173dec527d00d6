"""The outputs of one cell, as they grow. Pure; what it gives is valid nbformat 4.5 whatever it was fed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import clean, count_of, is_plain, lines_of, metadata_of, text_of


class Stream:
    """Consecutive text of one stream, joined only when somebody looks (a print loop stays linear)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._parts: list[str] = []

    def append(self, text: str) -> None:
        self._parts.append(text)

    def as_output(self) -> dict[str, Any]:
        # Carriage returns and backspaces stay, as nbclient keeps them: JupyterLab applies them when it shows the text.
        self._parts = ["".join(self._parts)]
        return {"output_type": "stream", "name": self.name, "text": self._parts[0]}


class Shown:
    """One display_data, execute_result or error."""

    def __init__(self, output: dict[str, Any], display_id: str | None = None) -> None:
        self.output = output
        self.display_id = display_id

    def as_output(self) -> dict[str, Any]:
        return dict(self.output)


class Displays:
    """Which outputs bear a display id, across all cells."""

    def __init__(self) -> None:
        self._shown: dict[str, list[Shown]] = {}

    def add(self, shown: Shown) -> None:
        if shown.display_id is not None:
            self._shown.setdefault(shown.display_id, []).append(shown)

    def forget(self, shown: Shown) -> None:
        """A cleared output is not updated any more; the id itself stays known as long as another output bears it."""
        bearers = self._shown.get(shown.display_id or "")
        if bearers is None:
            return
        bearers.remove(shown)
        if not bearers:
            del self._shown[shown.display_id or ""]

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        for shown in self._shown.get(display_id, ()):
            shown.output = {**shown.output, "data": data, "metadata": metadata}


class CellOutputs:
    """What one cell has shown so far."""

    def __init__(self, displays: Displays) -> None:
        self._displays = displays
        self._items: list[Stream | Shown] = []
        self._clear_before_next = False

    def stream(self, name: str, text: str) -> None:
        """Text of stdout or stderr; text that follows text of the same stream joins it."""
        if not text:
            return
        self._clear_if_due()
        last = self._items[-1] if self._items else None
        if not isinstance(last, Stream) or last.name != name:
            last = Stream(name)
            self._items.append(last)
        last.append(text)

    def show(self, output: dict[str, Any], display_id: str | None) -> None:
        """One output; earlier ones that bear its display id are updated too, as in Jupyter."""
        if display_id is not None and "data" in output:
            self._displays.update(display_id, output["data"], output["metadata"])
        self._clear_if_due()
        shown = Shown(output, display_id if "data" in output else None)
        self._displays.add(shown)
        self._items.append(shown)

    def clear(self, *, wait: bool) -> None:
        """Removes everything: now, or once something new comes."""
        if wait:
            self._clear_before_next = True
            return
        for item in self._items:
            if isinstance(item, Shown):
                self._displays.forget(item)
        self._items.clear()
        self._clear_before_next = False

    def has_error(self) -> bool:
        return any(isinstance(item, Shown) and item.output["output_type"] == "error" for item in self._items)

    def as_outputs(self) -> list[dict[str, Any]]:
        """The outputs for the notebook. Their data is shared: it is not to be changed in place."""
        return [item.as_output() for item in self._items]

    def _clear_if_due(self) -> None:
        if self._clear_before_next:
            self.clear(wait=False)


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
