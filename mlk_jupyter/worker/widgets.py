"""The widgets of a rank as the keeper knows them: their state on its way to the frames, and what `Output`s captured."""

from __future__ import annotations

import json
import time

from .bars import Bars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

_EVERY_S = 0.25  # seconds between two states of the same widgets
_FREE = 1024 * 1024  # bytes sent before the pace slows down: what n updates cost grows with the root of n


class Widgets:
    """Merges what changed of each widget, and sends it now and then.

    Args: emit: takes a frame's kind and fields. output_limit: bytes of one widget's state. job_limit: of all of them.
    """

    def __init__(
        self,
        emit: Callable[..., None],
        output_limit: int,
        job_limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit, self._clock = emit, clock
        self._output_limit, self._job_limit = output_limit, job_limit
        self._pending: Dict[str, Tuple[Dict[str, Any], Dict[str, Any]]] = {}  # comm -> state, buffers by path
        self._sizes: Dict[str, int] = {}
        self._total = self._sent = 0  # bytes kept, and sent in all
        self._due: Optional[float] = None
        self._said: List[str] = []
        self._known: Dict[str, Captured] = {}
        self._open: List[str] = []
        self._bars = Bars()

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def due(self) -> Optional[float]:
        """When the next states go out, by the clock; None where none wait."""
        return self._due

    def changed(self, comm_id: str, state: Dict[str, Any], buffers: List[Dict[str, Any]]) -> None:
        """Part of a widget's state is new."""
        self._bars.changed(comm_id, state)
        known = self._pending.setdefault(comm_id, ({}, {}))
        known[0].update(state)
        known[1].update((json.dumps(part.get("path")), part) for part in buffers)
        if self._due is None:
            self._due = self._clock() + _EVERY_S * max(1.0, self._sent / _FREE)

    def tick(self) -> None:
        """To be called now and then: sends what is due."""
        if self._due is not None and self._clock() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Sends all that waits."""
        for comm_id, (state, parts) in self._pending.items():
            buffers = list(parts.values())
            size = len(json.dumps([state, buffers]))
            if size > self._output_limit:
                self._note(f"The state of a widget has {size / 1048576:.4g} MiB: it is not kept in the notebook.")
                continue
            grown = max(0, size - self._sizes.get(comm_id, 0))
            if self._total + grown > self._job_limit:
                self._note("The widgets of this job are too large for the notebook: it shows them as far as they fit.")
                continue
            self._sizes[comm_id] = self._sizes.get(comm_id, 0) + grown
            self._total += grown
            self._sent += size
            self._emit("widget", comm_id=comm_id, state=state, buffers=buffers)
        self._pending.clear()
        self._due = None

    def text_at_end(self) -> str:
        """What bars stand at, and what `Output` widgets show that is no text, since this was asked for last: lines for
        the log, whose readers see no widgets."""
        lines = self._bars.lines()
        for captured in self._known.values():
            lines += captured.news()
        return "".join(f"{line}\n" for line in lines)

    # -- what `Output` widgets capture --------------------------------------------------------------------------------

    def begin(self) -> None:
        """A cell starts: nothing captures its outputs yet."""
        self._open.clear()

    def capture(self, comm_id: str, begins: bool) -> None:
        """From here on the running cell's outputs go to this widget, or do not any more."""
        if begins:
            self._known.setdefault(comm_id, Captured(self._output_limit))
            self._open.append(comm_id)
        elif comm_id in self._open:
            self._open.reverse()
            self._open.remove(comm_id)
            self._open.reverse()

    def text(self, name: str, text: str) -> bool:
        """Text of a stream. Gives whether a widget has captured it, as do the next two."""
        return self._take(lambda captured: captured.text(name, text))

    def output(self, output: Dict[str, Any], display_id: Optional[str]) -> bool:
        """A display_data, execute_result or error."""
        return self._take(lambda captured: captured.output(output, display_id))

    def clear(self, wait: bool) -> bool:
        """What the widget has captured is to go, now or when the next output comes."""
        return self._take(lambda captured: captured.clear(wait))

    def update(self, display_id: str, data: Dict[str, Any], metadata: Dict[str, Any]) -> None:
        """A new content for the captured displays that bear this id."""
        for comm_id, captured in self._known.items():
            if captured.update(display_id, data, metadata):
                self._show(comm_id)

    def answer(self) -> bytes:
        """What `Output` widgets show that they had not been told of yet: a line of JSON."""
        news = [(comm_id, captured.outputs) for comm_id, captured in self._known.items() if captured.is_new]
        for comm_id, _ in news:
            self._known[comm_id].is_new = False
        return json.dumps(news).encode("ascii") + b"\n"

    def _take(self, hand: Callable[[Captured], None]) -> bool:
        if not self._open:
            return False
        hand(self._known[self._open[-1]])
        self._show(self._open[-1])
        return True

    def _show(self, comm_id: str) -> None:
        self._known[comm_id].is_new = True
        self.changed(comm_id, {"outputs": self._known[comm_id].outputs}, [])

    def _note(self, text: str) -> None:
        if text not in self._said:
            self._said.append(text)
            self._emit("notice", text=text)


class Captured:
    """What one `Output` widget shows. As nbclient does it, but that displays can be updated and that it has a limit."""

    def __init__(self, limit: int) -> None:
        self.outputs: List[Dict[str, Any]] = []
        self.is_new = False
        self._logged: List[str] = []
        self._displays: List[Tuple[str, Dict[str, Any]]] = []
        self._limit, self._size, self._full = limit, 0, False
        self._clear_waiting = False

    def text(self, name: str, text: str) -> None:
        if not self._has_room(len(json.dumps(text))):
            return
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": text})

    def output(self, output: Dict[str, Any], display_id: Optional[str]) -> None:
        if display_id is not None and "data" in output:
            self.update(display_id, output["data"], output.get("metadata") or {})
        if self._has_room(len(json.dumps(output))):
            if "data" in output:  # in the order in which nbformat has them: people print it
                output = {"output_type": output["output_type"], "metadata": output.get("metadata") or {}, **output}
            self.outputs.append(output)
            if display_id is not None:
                self._displays.append((display_id, output))

    def news(self) -> List[str]:
        """The displays that it holds now, as text, but for what this gave before."""
        shown = [(output.get("data") or {}).get("text/plain") for output in self.outputs]
        lines = [text.rstrip() for text in shown if isinstance(text, str) and text.strip()]
        fresh = [line for line in lines if line not in self._logged]
        self._logged = lines
        return fresh

    def update(self, display_id: str, data: Dict[str, Any], metadata: Dict[str, Any]) -> bool:
        """Gives whether something is shown under this id."""
        bearers = [output for known, output in self._displays if known == display_id]
        for output in bearers:
            output.update(data=data, metadata=metadata)
        return bool(bearers)

    def clear(self, wait: bool) -> None:
        self._clear_waiting = wait
        if not wait:
            self.outputs = []
            self._displays.clear()
            self._size, self._full = 0, False

    def _has_room(self, size: int) -> bool:
        if self._clear_waiting:
            self.clear(wait=False)
        self._size += size
        if self._size > self._limit and not self._full:
            self._full = True
            text = "[Cut here: this widget is full. All text is in the log.]\n"
            self.outputs.append({"output_type": "stream", "name": "stderr", "text": text})
        return not self._full
