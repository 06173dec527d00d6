"""Listens to what passes through the websockets of kernels, and answers cells in the kernel's place while it is being
stopped. Wraps the class that is configured, also a gateway's; nothing of it runs before a window opens a kernel.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .kernel_frames import Request, body, body_of_json, frame, read_request
from .kernel_messages import KernelMessages, messages_of, pid_of

if TYPE_CHECKING:
    from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection as _Base
else:
    _Base = object

logger = logging.getLogger(__name__)

CLASS = "kernel_websocket_connection_class"
ENAME = "KernelIsBeingStopped"


class HeardKernelSocket(_Base):
    """One window's connection to one kernel. Whatever goes wrong in here, messages pass."""

    _mlk_replays = 0
    """How many of the messages to come are old ones, which jupyter_server kept while nobody was there."""

    @property
    def _mlk_messages(self) -> KernelMessages:
        return messages_of(self.kernel_manager)

    @property
    def _mlk_protocol(self) -> str | None:
        return getattr(self.websocket_handler, "selected_subprotocol", None)

    def connect(self) -> Any:
        self._mlk_try(self._mlk_connect)
        return super().connect()  # type: ignore[no-untyped-call]

    def disconnect(self) -> Any:
        try:
            return super().disconnect()  # type: ignore[no-untyped-call]
        finally:
            self._mlk_try(lambda: self._mlk_messages.windows.discard(id(self)))

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        request = read_request(incoming_msg, self._mlk_protocol)
        why = self._mlk_messages.refusal(pid_of(self.kernel_manager))
        if request is not None and request.is_cell and why is not None:
            self._mlk_refuse(request, why)
            return
        passes = request is not None and self._mlk_passes(request)
        super().handle_incoming_message(incoming_msg)
        if request is not None and passes:
            self._mlk_messages.use(request, pid_of(self.kernel_manager))

    def handle_outgoing_message(self, *args: Any) -> None:
        self._mlk_try(lambda: self._mlk_hear(*args))
        super().handle_outgoing_message(*args)

    def _mlk_connect(self) -> None:
        messages = self._mlk_messages
        kept = kept_for(self.multi_kernel_manager, self.kernel_id)
        messages.hear_buffer(kept)  # which is dropped now, unless it was kept for this very window
        messages.settle(pid_of(self.kernel_manager))
        messages.hear_buffer(None)
        key = f"{self.kernel_id}:{self.session.session}"
        buffers = getattr(self.multi_kernel_manager, "_kernel_buffers", None) or {}
        if kept and buffers[self.kernel_id].get("session_key") == key:
            self._mlk_replays = len(kept)
        messages.windows.add(id(self))
        messages.had_window = True

    def _mlk_passes(self, request: Request) -> bool:
        """Whether the class that is wrapped passes it on: not on a closed connection, nor what is not allowed."""
        allowed = getattr(self.multi_kernel_manager, "allowed_message_types", None)
        return bool(getattr(self, "channels", True)) and (not allowed or request.kind in allowed)

    def _mlk_hear(self, *args: Any) -> None:
        messages = self._mlk_messages
        if len(args) == 1:  # a gateway's
            read = body_of_json(args[0])
            if read is not None:
                messages.hear(*read)
            return
        stream, parts = args
        before = messages.output
        messages.hear(stream if isinstance(stream, str) else stream.channel, body(parts))
        if self._mlk_replays:
            self._mlk_replays -= 1
            messages.output = before

    def _mlk_refuse(self, request: Request, why: str) -> None:
        """Answers as a kernel answers a cell that fails, so that the cell ends."""
        said = f"This cell has not run. {why}"
        error = {"ename": ENAME, "evalue": said, "traceback": [f"{ENAME}: This cell has not run.", why]}
        answers: list[tuple[str, str, dict[str, Any]]] = [
            ("iopub", "status", {"execution_state": "busy"}),
            ("iopub", "error", error),
            ("shell", "execute_reply", {"status": "error", "execution_count": 0, "user_expressions": {}, **error}),
            ("iopub", "status", {"execution_state": "idle"}),
        ]
        self._mlk_messages.refused(request)
        for channel, kind, content in answers:
            message = self.session.msg(kind, content, parent={"header": request.header})
            self._mlk_try(functools.partial(self._mlk_write, message, channel))

    def _mlk_write(self, message: dict[str, Any], channel: str) -> None:
        text = frame(message, channel, self._mlk_protocol, self.session.pack)
        self.websocket_handler.write_message(text, binary=isinstance(text, bytes))

    def _mlk_try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            logger.debug("A message of kernel %s was passed over", self.kernel_id, exc_info=True)


def kept_for(manager: Any, kernel_id: str) -> list[Any] | None:
    """What jupyter_server keeps of a kernel for the window that comes back; None: no window is awaited."""
    buffers = getattr(manager, "_kernel_buffers", None)
    kept = buffers.get(kernel_id) if isinstance(buffers, dict) else None
    return kept["buffer"] if kept else None


def install(settings: dict[str, Any]) -> None:
    """Has every window's connection to a kernel be one that listens.

    Args: settings: of the extension, before they become the web application's.
    """
    base = settings.get(CLASS)
    if isinstance(base, type) and not issubclass(base, HeardKernelSocket):
        settings[CLASS] = type(f"Heard{base.__name__}", (HeardKernelSocket, base), {})
