"""Kernel messages as they travel between a window and its server: reading those by which a person uses a kernel, and
making those that a kernel would answer with. Both protocols of jupyter_server's websocket; pure.

Only what is needed is read. A message that cannot be read is not ours to judge: whoever asks passes it on.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from jupyter_client.jsonutil import json_default
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

V1 = "v1.kernel.websocket.jupyter.org"
USES = ("execute_request", "input_reply", "complete_request", "inspect_request")
"""Messages that a person causes. Pages send all others of themselves: history, comms, completeness, subshells, …"""

_DELIMITER = b"<IDS|MSG>"


@dataclass(frozen=True, slots=True)
class Request:
    """One of `USES`, on its way to a kernel."""

    kind: str
    id: str
    header: dict[str, Any]
    is_cell: bool
    """It runs code, and not silently."""
    by_person: bool
    """False for code that leaves no trace in the history, as inspectors of variables send it after every cell."""


def read_request(raw: object, protocol: str | None) -> Request | None:
    """What a window sent, where it is one of `USES`; None for everything else, also for what cannot be read."""
    try:
        parts = _read_v1(raw) if protocol == V1 else _read_json(raw)
        if parts is None:
            return None
        header, content = parts
        kind, message_id = header["msg_type"], header["msg_id"]
        if kind not in USES or not isinstance(message_id, str):
            return None
        runs = kind == "execute_request"
        is_cell = runs and not content.get("silent")
        by_person = (is_cell and content.get("store_history", True)) if runs else True
        return Request(kind, message_id, header, is_cell, bool(by_person))
    except Exception:  # whatever a client may send; it is for the kernel, or jupyter_server, to refuse it
        return None


def _read_v1(raw: object) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and content of a frame: its offsets, each 8 bytes, begin with their number."""
    if not isinstance(raw, bytes):
        return None
    number, _, header, parent, _, content, end = struct.unpack_from("<7Q", raw)
    if number < 6:
        return None
    said = raw[header:parent]
    if not any(kind.encode() in said for kind in USES):
        return None
    return json.loads(said), json.loads(raw[content:end])


def _read_json(raw: object) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and content of JSON, or of JSON with buffers behind it."""
    if isinstance(raw, bytes):
        _, start, end = struct.unpack_from("!3I", raw)
        raw = raw[start:end].decode()
    if not isinstance(raw, str) or not any(kind in raw for kind in USES):
        return None
    message = json.loads(raw)
    return message["header"], message["content"]


def body(parts: list[bytes]) -> list[bytes]:
    """Header, parent header, metadata, content and buffers of a message as a kernel's socket gives it.

    Raises: ValueError when it is none.
    """
    return parts[parts.index(_DELIMITER) + 2 :]


def body_of_json(raw: object) -> tuple[str, list[bytes]] | None:
    """Channel and body of a message as a gateway passes it on; None for one that nobody here asks about."""
    if not isinstance(raw, str) or not any(word in raw for word in ('"execute_re', '"input_request"', '"stream"')):
        return None
    message = json.loads(raw)
    fields = ("header", "parent_header", "metadata", "content")
    return message["channel"], [json.dumps(message[name]).encode() for name in fields]


def frame(message: dict[str, Any], channel: str, protocol: str | None, pack: Any) -> str | bytes:
    """A message of a kernel as a window takes it.

    Args: message: as `jupyter_client.session.Session.msg` makes it. pack: that session's.
    """
    if protocol == V1:
        return bytes(serialize_msg_to_ws_v1(message, channel, pack))  # type: ignore[no-untyped-call]
    return json.dumps({**message, "channel": channel}, default=json_default)
