"""Values that come out of little data are no larger than what came, whoever made the data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlk_jupyter.client.errors import ValuesMissing
from mlk_jupyter.client.returned import decoded
from mlk_jupyter.worker import values
from mlk_jupyter.worker.values import Encoded, ValueProblem, decode, encode, frame_of, from_frame


def _arrow(table: Any, **options: Any) -> tuple[str, bytes]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return "arrow", bytes(sink.getvalue())


def _npz() -> tuple[str, bytes]:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.zeros(LARGE))
    return "npy", file.getvalue()


def _json(form: Any, blobs: bytes = b"") -> tuple[str, bytes]:
    return "json", json.dumps(form).encode() + b"\0" + blobs


LARGE = 1_000_000
_ROWS = {"range": [0, LARGE, 1], "names": [None]}
_ONE = {"range": [0, 1, 1], "names": [None]}


def _frame(column: dict[str, Any]) -> tuple[str, bytes]:
    return _json({"!": "frame", "columns": _ONE, "index": _ROWS, "data": [column], "attrs": {}})


UNFOLDING: dict[str, Callable[[], tuple[str, bytes]]] = {
    "zstd": lambda: _arrow(pa.table({"x": np.zeros(LARGE)}), compression="zstd"),
    "lz4": lambda: _arrow(pa.table({"x": np.zeros(LARGE)}), compression="lz4"),
    "compressed dictionary": lambda: _arrow(
        pa.table({"x": pa.array(["a" * LARGE]).dictionary_encode()}), compression="zstd"
    ),
    "nothing": lambda: _arrow(pa.table({"x": pa.nulls(LARGE)})),
    "lists of nothing": lambda: _arrow(pa.table({"x": pa.ListArray.from_arrays([0, LARGE], pa.nulls(LARGE))})),
    "views": lambda: _arrow(pa.table({"x": pa.array(["a" * 100] * 9, pa.string_view())})),
    "runs": lambda: _arrow(pa.table({"x": pa.RunEndEncodedArray.from_arrays([LARGE], ["a"])})),
    "lists of a dictionary": lambda: _arrow(
        pa.table({"x": pa.ListArray.from_arrays([0, 3], pa.array(["a"] * 3).dictionary_encode())})
    ),
    "npz": _npz,
    "shared bytes": lambda: _json([{"!": "bytes", "v": {"b": [0, 1000]}}] * 1000, b"x" * 1000),
    "tensor": lambda: _json({"!": "tensor", "dtype": "int8", "shape": [LARGE], "grad": False, "v": {"b": [0, 0]}}),
    "one value for each row": lambda: _frame({"dtype": "int64", "array": 1}),
    "one item for each row": lambda: _frame({"dtype": "object", "na": [], "items": [1]}),
    "a dict for all rows": lambda: _frame({"dtype": "object", "na": [], "items": {"0": 1}}),
}


@pytest.mark.parametrize("kind", UNFOLDING)
def test_what_unfolds_into_more_than_came_is_refused(kind: str) -> None:
    encoding, data = UNFOLDING[kind]()
    with pytest.raises(ValueProblem, match="Its data is broken"):
        decode(encoding, data)


def test_a_frame_of_nothing_but_nothing_still_travels() -> None:
    frame = pd.DataFrame({"x": [None] * 5_000})
    sent = encode(frame)
    pd.testing.assert_frame_equal(decode(sent.encoding, sent.data), frame)


def test_more_than_a_job_gives_back_is_not_taken() -> None:
    frame = frame_of("x", Encoded("json", json.dumps("a" * values.PULL_LIMIT).encode()))
    with pytest.raises(ValueProblem, match=f"{values.PULL_LIMIT + 2:,} bytes"):
        from_frame(frame)
    large = frame_of("x", Encoded("json", json.dumps("a" * (values.PULL_LIMIT - 2)).encode()))
    assert len(from_frame(large)) == values.PULL_LIMIT - 2
    with pytest.raises(ValuesMissing) as missing:
        decoded("a-1", {"x": large, "y": frame_of("y", encode(1))}, None)
    assert list(missing.value.values) == ["x"]
