"""pandas DataFrames and Series as bytes: Arrow where pyarrow is there and keeps them, else JSON. pandas is not
imported unless such a value is there.

    frame   arrow: where an Arrow stream is; or columns: labels, index: labels, data: one column after the other
    series  name, frame: a frame of one column

Labels are {"range": [start, stop, step], "name"}, or {"column", "names", "freq"}; a column is
{"dtype", "array" (numpy's) or "items" (a list, missing ones None)}. Every form is read back and compared before it is
used, so that what comes out is what went in: values, types, index, names, frequency and `attrs`. Implements
`tagged.Package`.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module

from .tagged import NoForm, Reader, Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

ENCODING = "arrow"
TAGS: Tuple[str, ...] = ("frame", "series")

_EXTRA = b"mlk"  # key in the Arrow stream's metadata: what pandas' own leaves out
_WAY_OUT = "Ask for pickle (`--pickle`, `pickle=True`), or pass columns with plain types."


def whole(writer: Writer, value: Any) -> Optional[bytes]:
    """A DataFrame as an Arrow stream; None where that would change it, and for anything else. Raises: TooLarge."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(value) is not getattr(pandas, "DataFrame", None):
        return None
    writer.count(_size_of(value))
    return arrow(value)


def arrow(frame: Any) -> Optional[bytes]:
    """A frame as an Arrow stream; None where pyarrow is missing or would change it."""
    try:
        pyarrow: Any = import_module("pyarrow")
    except ImportError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it warns of what it would change
            table = pyarrow.Table.from_pandas(frame)
        extra = json.dumps({"freq": getattr(frame.index, "freqstr", None)}).encode("ascii")
        table = table.replace_schema_metadata({**table.schema.metadata, _EXTRA: extra})
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        data = bytes(sink.getvalue())
        return data if _same(read_whole(data), frame) else None
    except Exception:  # Arrow has no such type, or its names are not unique: the other form is tried
        return None


def read_whole(data: bytes) -> Any:
    """The frame of an Arrow stream. Raises: ImportError, and others for broken data, and such as unfolds itself."""
    from . import arrow_stream

    arrow_stream.check(import_module("pyarrow"), data)
    return _read(data)


def _read(data: bytes) -> Any:
    pyarrow: Any = import_module("pyarrow")
    import_module("pandas")
    with pyarrow.ipc.open_stream(data) as stream:
        table = stream.read_all()
    table.validate(full=True)  # offsets and indices may be anything
    frame = table.to_pandas()
    extra = json.loads((table.schema.metadata or {}).get(_EXTRA, b"{}"))
    if extra.get("freq") is not None:
        frame.index.freq = extra["freq"]
    return frame


def plain(writer: Writer, value: Any, way: Tuple[Any, ...]) -> Optional[Dict[str, Any]]:
    """What stands for a DataFrame or a Series in JSON; None for anything else. Raises: NoForm, TooLarge."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    if type(value) is pandas.Series:
        inner = writer.plain(value.rename(0).to_frame(), way)
        form = {"!": "series", "name": writer.plain(value.name, way), "frame": inner}
        return form
    if type(value) is not pandas.DataFrame:
        if isinstance(value, (pandas.DataFrame, pandas.Series, pandas.Index)):
            raise writer.no_form(value, way, f"It is a pandas {type(value).__name__}.", "Pass a DataFrame or Series.")
        return None
    writer.count(_size_of(value))
    data = arrow(value)
    if data is not None:
        return {"!": "frame", "arrow": writer.blob(data)}
    return _by_columns(pandas, writer, value, way)


def read(reader: Reader, form: Dict[str, Any]) -> Any:
    """The value that `plain` stood for."""
    if form["!"] == "series":
        return reader.value(form["frame"])[0].rename(reader.value(form["name"]))
    if "arrow" in form:
        return read_whole(reader.blob(form["arrow"]))
    pandas: Any = import_module("pandas")
    index = _read_labels(pandas, reader, form["index"])
    columns = [_read_column(pandas, reader, column, index) for column in form["data"]]
    frame = pandas.concat(columns, axis=1) if columns else pandas.DataFrame(index=index)
    frame.columns = _read_labels(pandas, reader, form["columns"])
    frame.attrs = reader.value(form["attrs"])
    return frame


def _size_of(frame: Any) -> int:
    """Bytes of a frame, about."""
    return int(frame.memory_usage(index=True, deep=False).sum())


def _same(one: Any, other: Any) -> bool:
    """Whether two frames are equal in all that a person may rely on."""
    testing: Any = import_module("pandas.testing")
    try:
        testing.assert_frame_equal(one, other, check_exact=True, check_column_type="exact", check_index_type="exact")
    except AssertionError:
        return False
    return bool(one.attrs == other.attrs) and _items_same(one, other)


def _items_same(one: Any, other: Any) -> bool:
    """Whether the objects in columns of objects are of the same types: pandas takes 1, 1.0 and True for equal."""
    for at, dtype in enumerate(one.dtypes):
        if str(dtype) == "object" and [*map(type, one.iloc[:, at])] != [*map(type, other.iloc[:, at])]:
            return False
    return True


def _by_columns(pandas: Any, writer: Writer, frame: Any, way: Tuple[Any, ...]) -> Dict[str, Any]:
    def form_of(to: Writer) -> Dict[str, Any]:
        return {
            "!": "frame",
            "columns": _labels(pandas, to, frame.columns, way),
            "index": _labels(pandas, to, frame.index, way),
            "data": [_column(pandas, to, frame.iloc[:, at], way) for at in range(frame.shape[1])],
            "attrs": to.plain(dict(frame.attrs), way),
        }

    trial = Writer(writer.where(way), sys.maxsize, writer.packages)
    try:
        form = form_of(trial)
        same = _same(Reader(memoryview(b"".join(trial.blobs)), writer.packages).value(form), frame)
    except NoForm:
        raise
    except Exception:  # pandas has many types, each with its own way to refuse
        same = False
    if not same:
        types = ", ".join(sorted({str(dtype) for dtype in frame.dtypes}))
        raise writer.no_form(frame, way, f"It is a frame ({types}) that neither Arrow nor JSON can keep.", _WAY_OUT)
    return form_of(writer)


def _labels(pandas: Any, writer: Writer, index: Any, way: Tuple[Any, ...]) -> Dict[str, Any]:
    names = [writer.plain(name, way) for name in index.names]
    if type(index) is pandas.RangeIndex:
        return {"range": [index.start, index.stop, index.step], "names": names}
    if isinstance(index, pandas.MultiIndex):
        levels = [_column(pandas, writer, index.get_level_values(at).to_series(), way) for at in range(index.nlevels)]
        return {"levels": levels, "names": names}
    freq = getattr(index, "freqstr", None)
    return {"column": _column(pandas, writer, index.to_series(), way), "names": names, "freq": freq}


def _read_labels(pandas: Any, reader: Reader, form: Dict[str, Any]) -> Any:
    names = [reader.value(name) for name in form["names"]]
    if "range" in form:
        return pandas.RangeIndex(*form["range"], name=names[0])
    if "levels" in form:
        columns = [_read_column(pandas, reader, column, None) for column in form["levels"]]
        return pandas.MultiIndex.from_arrays([pandas.Index(column) for column in columns], names=names)
    column = _read_column(pandas, reader, form["column"], None)
    index = pandas.Index(column, name=names[0])
    if form["freq"] is not None:
        index.freq = form["freq"]
    return index


def _column(pandas: Any, writer: Writer, column: Any, way: Tuple[Any, ...]) -> Dict[str, Any]:
    numpy: Any = sys.modules["numpy"]
    if isinstance(column.dtype, numpy.dtype) and not column.dtype.hasobject:
        return {"dtype": str(column.dtype), "array": writer.plain(column.to_numpy(), way)}
    if isinstance(column.dtype, pandas.DatetimeTZDtype):
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return {"dtype": str(column.dtype), "zone": str(column.dt.tz), "array": writer.plain(moments, way)}
    if isinstance(column.dtype, pandas.CategoricalDtype):
        kinds = column.cat.categories.to_series()
        return {
            "dtype": "category",
            "ordered": bool(column.cat.ordered),
            "categories": _column(pandas, writer, kinds, way),
            "array": writer.plain(column.cat.codes.to_numpy(), way),
        }
    items: List[Any] = column.astype(object).tolist()
    missing = [at for at, item in enumerate(items) if item is pandas.NA]
    for at in missing:
        items[at] = None
    return {"dtype": str(column.dtype), "na": missing, "items": writer.plain(items, way)}


def _read_column(pandas: Any, reader: Reader, form: Dict[str, Any], index: Any) -> Any:
    dtype = form["dtype"]
    values = reader.value(form["items"] if "items" in form else form["array"])
    # One value, or a dict, would be repeated or looked up for each row of an index that may claim any number.
    if type(values).__name__ not in ("list", "ndarray") or (index is not None and len(values) != len(index)):
        raise ValueError("a column and its index differ in length")
    if "items" in form:
        items = values
        for at in form["na"]:
            items[at] = pandas.NA
        return pandas.Series(pandas.array(items, dtype=dtype) if dtype != "object" else items, index=index, dtype=dtype)
    array = values
    if "zone" in form:
        series = pandas.Series(array, index=index).dt.tz_localize("UTC").dt.tz_convert(form["zone"])
        return series.astype(dtype)
    if "categories" in form:
        kinds = pandas.Index(_read_column(pandas, reader, form["categories"], None))
        codes = pandas.Categorical.from_codes(array, categories=kinds, ordered=form["ordered"])
        return pandas.Series(codes, index=index)
    return pandas.Series(array, index=index)
