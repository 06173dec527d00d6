"""Whether an Arrow stream unfolds into more than its own bytes: read from its metadata, before any of it is decoded.

Ours is neither compressed nor has it types that point several times at the same bytes. A message's metadata is a
FlatBuffer: a table's first word leads back to its vtable, which says where the fields are (Arrow's format/Message.fbs).
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ROWS_A_BYTE = 8  # a column of truth values has as many


def check(pyarrow: Any, data: bytes) -> None:
    """Raises: ValueError when it would unfold, and others for broken data."""
    reader = pyarrow.ipc.MessageReader.open_stream(data)
    rows = 0
    for message in reader:
        if message.type == "schema":
            _check_types(pyarrow.ipc.read_schema(message))
        else:
            rows += _rows(bytes(message.metadata), within=message.type == "dictionary")
    if rows > _ROWS_A_BYTE * len(data):  # columns of nothing have no bytes, and any number of rows
        raise ValueError("it claims more rows than it has bytes for")


def _check_types(schema: Any) -> None:
    for field in schema:
        kind = str(field.type)
        if "view" in kind or "run_end_encoded" in kind or "dictionary<" in kind[1:]:
            raise ValueError(f"a column of type {kind} may unfold")


def _rows(metadata: bytes, *, within: bool) -> int:
    """The values in all columns of a batch, those of nested ones too. Raises: ValueError when it is compressed."""
    batch = _child(metadata, _start(metadata, 0), 2)
    if within:
        batch = _child(metadata, batch, 1)
    if _field(metadata, batch, 3):
        raise ValueError("it is compressed")
    nodes = _field(metadata, batch, 1)
    if not nodes:
        return 0
    nodes = _start(metadata, nodes)
    (count,) = struct.unpack_from("<I", metadata, nodes)
    return sum(max(0, length) for length, _ in struct.iter_unpack("<qq", metadata[nodes + 4 :][: 16 * count]))


def _start(metadata: bytes, at: int) -> int:
    """Where the offset that stands there leads to."""
    return at + int(struct.unpack_from("<I", metadata, at)[0])


def _child(metadata: bytes, table: int, number: int) -> int:
    """Where the table in a field of a table begins."""
    at = _field(metadata, table, number)
    if not at:
        raise ValueError("a message lacks its header")
    return _start(metadata, at)


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where the field of a table stands; 0 when it is left out."""
    vtable = table - int(struct.unpack_from("<i", metadata, table)[0])
    (size,) = struct.unpack_from("<H", metadata, vtable)
    place = 4 + 2 * number
    offset = int(struct.unpack_from("<H", metadata, vtable + place)[0]) if place < size else 0
    return table + offset if offset else 0
