"""Values for the tests of what travels between a notebook and its ranks, and how they travel there."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pandas as pd

from mlk_jupyter.worker.values import encode, frame_of, from_frame

KEY = b"0123456789abcdef"


def there_and_back(value: Any, **options: Any) -> Any:
    """The value after it travelled as a frame does."""
    encoded = encode(value, name="v", **options)
    return from_frame(frame_of("v", encoded), key=options.get("key"))


Point = namedtuple("Point", "x y")


class Plain:
    """What has no exact form."""


def itself() -> Any:
    """A list that holds itself."""
    value: list[Any] = [1]
    value.append({"k": (value,)})
    return value


FRAMES = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": [True, False]}),
    "text": pd.DataFrame({"a": ["x", None]}),
    "labels that are numbers": pd.DataFrame([[1, 2]], columns=[0, 7]),
    "labels of two kinds": pd.DataFrame([[1, 2]], columns=[0, "a"]),
    "labels twice": pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
    "two levels": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])),
    "index of two levels": pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    "named index": pd.DataFrame({"a": [1]}, index=pd.Index(["r"], name="id")),
    "days": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2026-01-01", periods=2, freq="D")),
    "zone": pd.DataFrame({"a": pd.date_range("2026-01-01", periods=2, tz="Europe/Berlin"), 1: 2}),
    "kinds": pd.DataFrame({"a": pd.Categorical(["x", "y"], ["y", "x", "z"], ordered=True), 3: [1, 2]}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}),
    "objects": pd.DataFrame({"a": pd.Series([1, "x", None, 2.5, (1, 2)], dtype=object)}),
    "one and true": pd.DataFrame({"a": pd.Series([1, True, 1.0], dtype=object)}),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="float32")}),
    "no columns": pd.DataFrame(index=[1, 2]),
    "step": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(3, 9, 3, name="n")),
    "spans": pd.DataFrame({"a": [pd.Timedelta("1s"), pd.NaT]}),
}  # fmt: skip
with_attrs = pd.DataFrame({"a": [1]})
with_attrs.attrs = {"unit": ("m", 1)}
FRAMES["attrs"] = with_attrs
