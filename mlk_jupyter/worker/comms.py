"""Comms of a rank: what widgets say is recorded, and an `Output` widget hears what it captured.

The keeper stands where a front end would. It is told of the widgets' state; it answers between cells, when it is asked,
with what it has put into `Output` widgets.
"""

from __future__ import annotations

import base64
import json

import comm
from comm.base_comm import BaseComm, CommManager

from .mime import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

_manager = CommManager()
_captures: Set[str] = set()  # of the comms of `Output` widgets


class RecordedComm(BaseComm):
    """A comm whose state goes to the keeper. Other messages are for a front end: nobody is there to receive them."""

    shell: Any = None

    def publish_msg(
        self,
        msg_type: str,
        data: Optional[Dict[str, Any]] = None,
        metadata: Optional[Dict[str, Any]] = None,
        buffers: Optional[List[bytes]] = None,
        **keys: Any,
    ) -> None:
        """Sends what the message says of the widget's state."""
        data = data or {}
        state = data.get("state")
        if msg_type == "comm_close" or not isinstance(state, dict) or data.get("method") == "echo_update":
            return
        if state.get("_model_module") == "@jupyter-widgets/output" and state.get("_model_name") == "OutputModel":
            _captures.add(self.comm_id)
        parts = list(map(_part, data.get("buffer_paths") or [], buffers or []))
        self.shell.sender.send("widget", comm_id=self.comm_id, state=clean(state), buffers=clean(parts))
        if self.comm_id in _captures and msg_type == "comm_msg" and "msg_id" in state:
            running = self.shell.get_parent().get("msg_id")
            if state["msg_id"] in ("", running):  # the outputs of an earlier cell have all been shown
                self.shell.sender.send("capture", comm_id=self.comm_id, begins=bool(state["msg_id"]))


def _part(path: Any, buffer: bytes) -> Dict[str, Any]:
    return {"path": path, "encoding": "base64", "data": base64.b64encode(buffer).decode("ascii")}


def install(shell: Any) -> None:
    """Has the package `comm` make ours from here on."""
    RecordedComm.shell = shell

    def create_comm(*args: Any, **kwargs: Any) -> BaseComm:
        return RecordedComm(*args, **kwargs)

    comm.create_comm = create_comm
    comm.get_comm_manager = lambda: _manager


def hear(sender: Any) -> None:
    """Gives `Output` widgets what they have captured. To be called between cells."""
    if not _captures:
        return
    sender.send("captured")
    for comm_id, outputs in json.loads(sender.answer() or b"[]"):
        known = _manager.comms.get(comm_id)
        if known is not None:
            data = {"method": "update", "state": {"outputs": outputs}, "buffer_paths": []}
            header = {"msg_type": "comm_msg"}
            content = {"comm_id": comm_id, "data": data}
            known.handle_msg({"header": header, "content": content, "metadata": {}, "buffers": [], "parent_header": {}})
