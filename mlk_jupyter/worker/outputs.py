"""What of rank 0's outputs goes into the notebook, and what is said where it would be too much. Pure but for its clock.

Two sizes are counted: what the notebook holds (cleared outputs no longer count), and what was sent in all. Past the
first limit outputs are cut; past the second, outputs that replace each other are sent less often.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

OUTPUT_LIMIT = 16 * 1024 * 1024  # bytes of one output; stream text of one name without a break is one output
JOB_LIMIT = 64 * 1024 * 1024  # bytes of all outputs of a job
ERROR_LIMIT = 1024 * 1024  # bytes of a traceback: nobody reads more
HOLD_S = 10.0  # seconds between outputs that replace each other, once JOB_LIMIT bytes of them were sent
_LINE = 200  # characters: a longer line may be cut in its middle
_SAMPLE_LIMIT = 2000  # characters of `text/plain` that stay where a richer form is too large


def limits_of(environ: Mapping[str, str]) -> Tuple[int, int]:
    """Bytes of one output and of all of them, as the job asks for them in MLK_OUTPUT_LIMITS."""
    asked = environ.get("MLK_OUTPUT_LIMITS", "").split()
    return (int(asked[0]), int(asked[1])) if len(asked) == 2 else (OUTPUT_LIMIT, JOB_LIMIT)


class Outputs:
    """The outputs of the running cell, on their way to the frames.

    Args: emit: takes a frame's kind and fields. save: puts an output that is too large into a file and gives its
          path, or None where there is no place for it.
    """

    def __init__(
        self,
        emit: Callable[..., None],
        save: Callable[[int, Dict[str, Any]], Optional[str]],
        rank: int = 0,
        output_limit: int = OUTPUT_LIMIT,
        job_limit: int = JOB_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit, self._save, self._clock, self._rank = emit, save, clock, rank
        self._output_limit, self._job_limit = output_limit, job_limit
        self._cell: Optional[int] = None
        self._total = 0  # bytes in the notebook
        self._kept = 0  # of these, in the running cell since it was last cleared
        self._sent = 0  # bytes sent in all
        self._name: Optional[str] = None  # of the stream output that text would go on
        self._size = 0  # bytes of it
        self._cut = False
        self._full_said = False
        self._clear_waiting = False
        self._held: Optional[List[Tuple[str, Dict[str, Any], int]]] = None
        self._released = clock()
        self._throttled = False

    def begin(self, cell: int) -> None:
        """A cell starts: outputs are its own from here on."""
        self.end()
        self._cell, self._kept = cell, 0

    def end(self) -> None:
        """A cell ends: what was held back goes out. Text that threads still write belongs to it."""
        self._release()
        self._name, self._full_said, self._clear_waiting = None, False, False

    def close(self) -> None:
        """The last cell has ended: further text is log."""
        self.end()
        self._cell = None

    def tick(self) -> None:
        """To be called now and then: sends what was held back long enough."""
        if self._held is not None and self._clock() >= self._released + HOLD_S:
            self._release()

    def text(self, name: str, text: str) -> None:
        """Text of a stream."""
        if self._cell is None:
            self._emit("log", name=name, text=text)
            return
        self._apply_clear()
        if name != self._name:
            self._name, self._size, self._cut = name, 0, False
        if self._cut:
            self._emit("log", name=name, text=text)
            return
        room = min(self._output_limit - self._size, self._job_limit - self._total)
        size = _size(text)
        if size <= room:
            self._stream(name, text, size)
            return
        head = text.encode("utf-8", "replace")[: max(room, 0)].decode("utf-8", "ignore")
        line_end = head.rfind("\n") + 1
        if line_end or len(head) <= _LINE:
            head = head[:line_end]
        if head:
            self._stream(name, head, _size(head))
        self._cut = True
        if self._size + size > self._output_limit:
            self._placeholder(f"this output passed {_words(self._output_limit)}")
        else:
            self._job_is_full()
        self._emit("log", name=name, text=text[len(head) :])

    def output(self, output: Dict[str, Any], display_id: Optional[str] = None) -> None:
        """A display_data, execute_result or error."""
        if self._cell is None:
            return
        self._apply_clear()
        self._name = None
        size = _size_of(output)
        if output.get("output_type") == "error":
            output = within_limit(output, min(ERROR_LIMIT, self._output_limit))
            size = _size_of(output)
        elif size > self._output_limit:
            output = self._saved(output, f"An output of {_words(size)} is not kept in the notebook")
            size = _size_of(output)
        elif self._total + size > self._job_limit:
            self._job_is_full()
            self._saved(output, "")
            return
        self._count(size)
        self._send("output", {"cell": self._cell, "output": output, "display_id": display_id}, size)

    def update(self, display_id: str, data: Dict[str, Any], metadata: Dict[str, Any]) -> None:
        """A display that replaces what an earlier one showed. Its size is not added: the earlier one's was."""
        size = _size_of(data)
        if size > self._output_limit:
            output: Dict[str, Any] = {"output_type": "display_data", "data": data, "metadata": metadata}
            output = self._saved(output, f"An output of {_words(size)} is not kept in the notebook")
            data, metadata = dict(output["data"]), dict(output["metadata"])
        self._hold(lambda kind, fields: kind == "update_display" and fields["display_id"] == display_id)
        self._send("update_display", {"display_id": display_id, "data": data, "metadata": metadata}, size)

    def clear(self, wait: bool) -> None:
        """The cell's outputs are to go, now or when the next one comes."""
        if self._cell is None:
            return
        self._clear_waiting = True
        if not wait:
            self._apply_clear()
        self._hold(lambda kind, fields: True)
        self._send("clear_output", {"cell": self._cell, "wait": wait}, 0)

    def _apply_clear(self) -> None:
        if self._clear_waiting:
            self._clear_waiting = False
            self._total -= self._kept
            self._kept, self._name, self._full_said = 0, None, False

    def _stream(self, name: str, text: str, size: int) -> None:
        self._count(size)
        self._size += size
        self._send("stream", {"cell": self._cell, "name": name, "text": text}, size)

    def _count(self, size: int) -> None:
        self._total += size
        self._kept += size

    def _send(self, kind: str, fields: Dict[str, Any], size: int) -> None:
        if self._held is not None:
            self._held.append((kind, fields, size))
            return
        self._sent += size
        self._emit(kind, **fields)

    def _hold(self, replaced: Callable[[str, Dict[str, Any]], bool]) -> None:
        """Before an output that replaces others: drops those not sent yet, and starts holding back when it must."""
        if self._held is not None:
            kept = []
            for kind, fields, size in self._held:
                if not replaced(kind, fields):
                    kept.append((kind, fields, size))
                elif kind == "stream":  # the log has all text, also what the notebook does not show any more
                    self._emit("log", name=fields["name"], text=fields["text"])
            self._held = kept
        elif self._sent - self._total > self._job_limit:
            if not self._throttled:
                self._throttled = True
                self._emit(
                    "notice",
                    text=f"Outputs that replace each other passed {_words(self._job_limit)}: "
                    f"from now on they are shown every {HOLD_S:.0f} seconds, and as the cell ends.",
                )
            if self._clock() < self._released + HOLD_S:
                self._held = []
            else:
                self._released = self._clock()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._released = self._clock()
            for kind, fields, size in held:
                self._send(kind, fields, size)

    def _placeholder(self, why: str) -> None:
        text = f"\n[Cut here: {why}. The whole text is in the log of rank {self._rank}.]\n"
        self._send("stream", {"cell": self._cell, "name": self._name, "text": text}, len(text))

    def _job_is_full(self) -> None:
        if self._full_said:
            return
        self._full_said = True
        text = (
            f"[Not shown: the outputs of this job passed {_words(self._job_limit)}. "
            f"Text is in the log of rank {self._rank}; save figures and tables to files.]\n"
        )
        self._send("stream", {"cell": self._cell, "name": "stderr", "text": text}, len(text))

    def _saved(self, output: Dict[str, Any], sentence: str) -> Dict[str, Any]:
        """A display that says where the output is instead."""
        path = self._save(self._cell or 0, output.get("data") or {})
        where = "Save it to a file in the notebook to keep it (plt.savefig, to_csv, to_html)."
        if path is not None:
            where = f"It is in {path}."
        plain = (output.get("data") or {}).get("text/plain", "")
        plain = "".join(plain) if isinstance(plain, list) else str(plain)
        text = f"[{sentence} (limit {_words(self._output_limit)}: --output-limit). {where}]"
        if plain:
            text += "\n" + (plain if len(plain) <= _SAMPLE_LIMIT else plain[:_SAMPLE_LIMIT] + " …")
        data, metadata = {"text/plain": text}, {}
        if path is not None:
            # Beside the executed notebook; the page of the job, which does not lie there, makes a link of the name.
            name = os.path.basename(path)
            data["text/html"] = f'<pre>{_escaped(text)}</pre><a href="outputs/{name}">{name}</a>'
            metadata = {"mlk": {"file": name}}
        return {**output, "data": data, "metadata": metadata}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _size_of(value: Any) -> int:
    """Bytes of it as JSON."""
    return len(json.dumps(value))


def _words(size: int) -> str:
    return f"{size / 1048576:.4g} MiB" if size >= 1048576 else f"{size / 1024:.4g} KiB"


def within_limit(output: Dict[str, Any], limit: int = ERROR_LIMIT) -> Dict[str, Any]:
    """An error as it is, or where it would be too large, the beginning and the end of its traceback."""
    if _size_of(output) <= limit:
        return output
    lines = [str(line) for line in output.get("traceback") or []]
    lines = [line if len(line) <= 8192 else line[:8192] + " …" for line in lines]
    if len(lines) > 40:
        lines = [*lines[:20], f"… {len(lines) - 40} parts left out …", *lines[-20:]]
    return {**output, "evalue": str(output.get("evalue"))[:8192], "traceback": lines}
