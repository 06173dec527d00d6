"""Values that travel: the same types and contents come out, or the value is refused by name."""

from __future__ import annotations

import base64
import datetime
import enum
import math
import os
import pickle
import struct
import subprocess
import sys
import threading
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlk_jupyter.worker import tables, values
from mlk_jupyter.worker.values import Encoded, ValueProblem, decode, encode, frame_of, from_frame

KEY = b"0123456789abcdef"


def there_and_back(value: Any, **options: Any) -> Any:
    """The value after it travelled as a frame does."""
    encoded = encode(value, name="v", **options)
    return from_frame(frame_of("v", encoded), key=options.get("key"))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in type, content and order; NaN is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, (list, tuple, deque)):
        return (
            len(one) == len(other)
            and all(map(same, one, other))
            and getattr(one, "maxlen", 0) == getattr(other, "maxlen", 0)
        )
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, (datetime.datetime, datetime.time)):
        return (
            one.replace(tzinfo=None) == other.replace(tzinfo=None) and one.fold == other.fold and same_zone(one, other)
        )
    return bool(one == other)


def same_zone(one: Any, other: Any) -> bool:
    return repr(one.tzinfo) == repr(other.tzinfo)


zones = st.one_of(
    st.none(),
    st.just(datetime.timezone.utc),
    st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)), st.text()),
    st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))),
    st.sampled_from(["Europe/Berlin", "UTC", "America/New_York"]).map(zoneinfo.ZoneInfo),
)
text = st.text(st.characters(exclude_categories=()))  # half characters, too
hashable = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), text, st.binary(),
        st.decimals(allow_nan=False), st.fractions(), st.uuids(), st.dates(), st.timedeltas(),
        st.datetimes(timezones=zones), st.times(timezones=zones),
        st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 4)),
    ),
    lambda inner: st.one_of(st.tuples(inner), st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=4,
)  # fmt: skip
anything = st.recursive(
    st.one_of(hashable, st.binary().map(bytearray), st.just(...), st.just(slice(None, 2.5, None))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(text, inner, max_size=4),
        st.dictionaries(hashable, inner, max_size=3),
        st.dictionaries(st.just("!"), inner),
        st.dictionaries(hashable, inner, max_size=3).map(OrderedDict),
        st.sets(hashable, max_size=3),
        st.tuples(inner, inner),
        st.builds(deque, st.lists(inner, max_size=2), st.one_of(st.none(), st.integers(2, 5))),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(anything)
def test_plain_values_come_out_as_they_went_in(value: Any) -> None:
    assert same(there_and_back(value), value)


@pytest.mark.parametrize(
    "value",
    [
        10**5000, -(10**5000), math.nan, -math.inf, -0.0, struct.unpack("d", b"\1\0\0\0\0\0\xf8\xff")[0],
        Decimal("-sNaN12"), Decimal("1E+999999"), Decimal("-0"), "\ud83d\ude00", "\ud83d", "\0", b"\0{}", "",
        {"!": "bytes", "v": {"b": [0, 1]}}, {"b": [0, 3]}, {None: 1, True: 2, 2.5: 3, (1,): 4}, {1: "a", "1": "b"},
        datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        datetime.datetime.max, datetime.timedelta.min, Fraction(10**5000, 7), uuid.UUID(int=1), PosixPath("a/\udc80b"),
        OrderedDict([("b", 1), ("a", 2)]), deque([1], 3), [[]], (), {}, set(), frozenset([()]), range(0, 9, 3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_odd_values_come_out_as_they_went_in(value: Any) -> None:
    assert same(there_and_back(value), value)


def test_the_same_set_gives_the_same_bytes_in_every_process() -> None:
    code = "from mlk_jupyter.worker.values import encode; print(encode({'a','b','c',(1,'d')}).data)"
    outs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, check=True
        ).stdout
        for seed in "123"
    }
    assert len(outs) == 1


Point = namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 1


class Plain:
    pass


def itself() -> Any:
    value: list[Any] = [1]
    value.append({"k": (value,)})
    return value


def deep() -> Any:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (itself(), r"v\[1\]\['k'\]\[0\]: It holds itself"),
        (deep(), "nested more than 100 deep"),
        ({"f": [sys.__stdout__]}, r"v\['f'\]\[0\]: It is an open file"),
        ((x for x in []), "generator"),
        (sys, "a module"),
        (threading.Lock(), "lock"),
        (Plain(), r"It is a Plain .*--pickle"),
        ({"k": Plain()}, r"v\['k'\]"),
        (Point(1, 2), "Point"),
        (Colour.RED, "Colour"),
        (Counter("aa"), "Counter"),
        (defaultdict(list), "defaultdict"),
        (True .__class__, "type"),
        (len, "builtin_function"),
        (lambda: 1, "function"),
        (np.array([1, "a", None], object), "array of Python objects"),
        (np.zeros(1, [("a", "i4"), ("b", "O")]), "array of Python objects"),
        (np.ma.masked_array([1], [True]), "MaskedArray"),
        (np.zeros(1, [("a", "i4")]).view(np.recarray), "recarray"),
        (np.array(["a"], np.dtypes.StringDType()), "numpy's|Python objects"),
        (pd.Index([1]), "Index"),
        (pd.DataFrame({"a": [Plain()]}), "Plain"),
        (torch.nn.Parameter(torch.ones(1)), "Parameter"),
        (torch.ones(2, 2).to_sparse(), "sparse"),
        (torch.ones(1, device="meta"), "meta"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_has_no_exact_form_is_refused_by_name(value: Any, words: str) -> None:
    with pytest.raises(ValueProblem, match=words):
        encode(value, name="v")


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000_000,
        b"x" * 100_000_000,
        np.zeros(100_000_000, "i1"),
        [0] * 12_500_000,
        {"a": np.zeros(10**8, "i1")},
    ],
    ids=["text", "bytes", "array", "list", "array in a dict"],
)
def test_a_hundred_megabytes_are_refused_with_the_limit(value: Any) -> None:
    with pytest.raises(ValueProblem, match=f"{values.PUSH_LIMIT:,}"):
        encode(value, name="v")
    with pytest.raises(ValueProblem, match=f"{values.PUSH_LIMIT:,}"):
        encode((value, Plain()), name="v", pickle=True, key=KEY)


# -- arrays -----------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(
        st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(), hnp.nested_dtypes()).filter(
            lambda dtype: dtype.itemsize < 200
        ),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from(["whole", "transposed", "reversed", "inside"]),
)
def test_arrays_of_every_type_come_out_as_they_went_in(array: Any, how: str) -> None:
    array = {"transposed": array.T, "reversed": array[::-1] if array.ndim else array}.get(how, array)
    try:
        back = there_and_back({"a": array})["a"] if how == "inside" else there_and_back(array)
    except ValueProblem as problem:
        assert "cannot be written" in str(problem)  # refused: better than changed
        return
    assert back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize("kind", "?bhilqBHILQefdgFDGSUVmM")
def test_arrays_and_scalars_of_each_of_numpys_types(kind: str) -> None:
    dtype = np.dtype({"S": "S3", "U": "U3", "V": "V3", "m": "m8[ns]", "M": "M8[D]"}.get(kind, kind))
    for order in "<>":
        array = np.zeros((2, 2), dtype.newbyteorder(order))
        array.flat[1] = np.ones(1, dtype.newbyteorder(order))[0]
        back = there_and_back(array)
        assert back.dtype == array.dtype and back.tobytes() == array.tobytes()
    scalar = np.ones(1, dtype)[0]
    back = there_and_back([scalar])[0]
    assert isinstance(back, np.generic) and back.dtype == scalar.dtype and back == scalar


def test_numpys_texts_keep_the_zeros_at_their_end() -> None:
    for value in (np.str_("a\0\0"), np.bytes_(b"a\0"), np.str_("")):
        back = there_and_back(value)
        assert type(back) is type(value) and back == value and len(back) == len(value)


@pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", "float16", "int8", "bool", "complex64", "float8_e4m3fn", "uint8"]
)
def test_tensors_come_out_as_they_went_in(dtype: str) -> None:
    tensor = (torch.arange(6).reshape(2, 3) % 2).to(getattr(torch, dtype)).T
    back = there_and_back(OrderedDict(w=tensor))["w"]
    assert back.dtype is tensor.dtype and back.shape == tensor.shape and not back.requires_grad
    assert torch.equal(
        back.view(torch.uint8) if dtype[-2:] == "fn" else back,
        tensor.contiguous().view(torch.uint8) if dtype[-2:] == "fn" else tensor,
    )
    for shape in ((), (0, 3)):
        assert there_and_back(torch.zeros(shape)).shape == shape
    assert there_and_back(torch.ones(2, requires_grad=True)).requires_grad
    assert there_and_back(torch.tensor([1 + 2j]).conj()).resolve_conj()[0] == 1 - 2j


def test_a_models_state_comes_out_as_it_went_in() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = there_and_back({"state": dict(model.state_dict()), "loss": [np.float32(0.5)]})["state"]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


# -- tables -----------------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("arrow", [True, False], ids=["with pyarrow", "without"])
@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_out_as_they_went_in(name: str, arrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not arrow:
        monkeypatch.setattr(tables, "arrow", lambda frame: None)
    frame = FRAMES[name]
    back = there_and_back(frame)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_index_type="exact", check_column_type="exact")
    assert back.attrs == frame.attrs
    for label in range(frame.shape[1]):
        series = frame.iloc[:, label]
        pd.testing.assert_series_equal(there_and_back([series])[0], series, check_exact=True)


def test_periods_and_intervals_come_out_whole_or_are_refused() -> None:
    for column in (pd.period_range("2026-01", periods=2, freq="M"), pd.interval_range(0, 2)):
        frame = pd.DataFrame({"a": column, 0: 1})
        try:
            back = there_and_back(frame)
        except ValueProblem:
            continue
        pd.testing.assert_frame_equal(back, frame)


# -- pickle -----------------------------------------------------------------------------------------------------------


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickled_values_come_out_as_they_went_in() -> None:
    cyclic = itself()
    back = there_and_back(cyclic, pickle=True, key=KEY)
    assert back[1]["k"][0] is back
    assert there_and_back(Point(1, [2]), pickle=True, key=KEY) == Point(1, [2])
    assert there_and_back(lambda x: x + 1, pickle=True, key=KEY)(1) == 2


def test_what_has_a_plain_form_is_never_pickled() -> None:
    for value in ([1], np.arange(2), pd.DataFrame({"a": [1]})):
        assert encode(value, pickle=True, key=KEY).encoding != "pickle"


def test_what_cannot_be_pickled_is_refused_by_name() -> None:
    with pytest.raises(ValueProblem, match=r"^v: It cannot be pickled"):
        encode([Plain(), (lambda lock: lambda: lock)(threading.Lock())], name="v", pickle=True, key=KEY)
    with pytest.raises(ValueProblem, match=r"job's key"):
        encode(Plain(), name="v", pickle=True)


def test_a_class_of_the_notebook_needs_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    monkeypatch.setattr(Plain, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Plain", Plain, raising=False)
    with pytest.raises(ValueProblem, match="only cloudpickle"):
        encode(Plain(), name="v", pickle=True, key=KEY)
    assert encode(Point(1, 2), pickle=True, key=KEY).encoding == "pickle"


def test_a_pickle_bomb_is_not_unpickled_unless_the_jobs_key_signed_it(tmp_path: Path) -> None:
    path = tmp_path / "boom"
    bomb = pickle.dumps(Bomb(path))
    honest = encode(Point(1, 2), name="v", pickle=True, key=KEY).data
    for data in (bomb, b"\0" * 32 + bomb, honest[:32] + bomb, b"", honest[:31]):
        for key in (None, KEY, b"f" * 16):
            with pytest.raises(ValueProblem, match=r"signature|did not ask"):
                decode("pickle", data, key=key, name="v")
    assert not path.exists()


def test_a_signed_value_cannot_stand_for_another() -> None:
    data = encode(Point(1, 2), name="v", pickle=True, key=KEY).data
    with pytest.raises(ValueProblem, match="signature"):
        decode("pickle", data, key=KEY, name="w")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["json", "npy", "arrow", "pickle", "other"]),
    st.binary(max_size=200),
    st.integers(0, 400),
    st.integers(0, 255),
)
def test_broken_data_ends_in_words(encoding: str, noise: bytes, at: int, byte: int) -> None:
    samples = {
        "json": encode({"a": (1, b"x", np.arange(3), FRAMES["kinds"])}).data,
        "npy": encode(np.arange(30)).data,
        "arrow": encode(FRAMES["numbers"]).data,
    }
    whole = bytearray(samples.get(encoding, noise or b"x"))
    whole[at % len(whole)] = byte
    for data in (noise, bytes(whole), bytes(whole[: at % len(whole)])):
        try:
            decode(encoding, data, key=KEY, name="v")
        except ValueProblem as problem:
            assert problem.name == "v" and str(problem)


def test_an_object_array_in_a_tampered_stream_is_not_unpickled(tmp_path: Path) -> None:
    import io

    path = tmp_path / "boom"
    file = io.BytesIO()
    np.save(file, np.array([Bomb(path)], object), allow_pickle=True)
    with pytest.raises(ValueProblem, match="broken"):
        decode("npy", file.getvalue(), name="v")
    assert not path.exists()


def test_a_frame_says_why_a_value_does_not_come() -> None:
    with pytest.raises(ValueProblem, match=r"^v: Too bad"):
        from_frame({"name": "v", "encoding": None, "data": None, "why": "Too bad."})
    with pytest.raises(ValueProblem, match="broken"):
        from_frame({"name": "v", "encoding": "json", "data": "%%%", "why": None})
    assert from_frame({"name": "v", "encoding": "json", "data": base64.b64encode(b"[1]").decode(), "why": None}) == [1]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(FRAMES["numbers"]).data
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueProblem, match="It needs pyarrow, which this Python lacks"):
        decode("arrow", data, name="v")


def test_no_package_is_imported_for_plain_values() -> None:
    code = (
        "import sys; from mlk_jupyter.worker.values import encode, decode\n"
        "e = encode({'a': [1, (2, b'x')]}); decode(e.encoding, e.data)\n"
        "try: encode(object())\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print({'numpy', 'pandas', 'torch', 'pyarrow', 'cloudpickle', 'pickle'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert out == "ValueProblem\nset()\n"


def test_problems_can_be_pickled() -> None:
    problem = pickle.loads(pickle.dumps(ValueProblem("v", "Why.", "Hint.")))
    assert (problem.name, problem.why, problem.hint) == ("v", "Why.", "Hint.")
    assert repr(Encoded("json", b"1")) == "Encoded('json', 1 bytes)"
