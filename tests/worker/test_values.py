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
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlk_jupyter.worker import values
from mlk_jupyter.worker.values import Encoded, ValueProblem, decode, encode, from_frame

from .samplevalues import FRAMES, KEY, Plain, Point, itself, there_and_back


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


class Colour(enum.IntEnum):
    RED = 1


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
