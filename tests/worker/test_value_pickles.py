"""Values that travel as pickles: only what has no plain form, and only with the signature of the job's key."""

from __future__ import annotations

import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlk_jupyter.worker.values import ValueProblem, decode, encode

from .samplevalues import KEY, Plain, Point, itself, there_and_back


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


def test_an_object_array_in_a_tampered_stream_is_not_unpickled(tmp_path: Path) -> None:
    import io

    path = tmp_path / "boom"
    file = io.BytesIO()
    np.save(file, np.array([Bomb(path)], object), allow_pickle=True)
    with pytest.raises(ValueProblem, match="broken"):
        decode("npy", file.getvalue(), name="v")
    assert not path.exists()
