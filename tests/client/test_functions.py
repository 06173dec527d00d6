"""Functions as jobs: with their closure, what they use and the modules beside them; what cannot go along is named."""

from __future__ import annotations

import functools
import linecache
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ordinary import Model, double, fails, makes_model, train

import mlk_jupyter as mlk
from mlk_jupyter.client import ValuesMissing
from mlk_jupyter.client.functions import folder_of
from mlk_jupyter.errors import BadInput
from mlk_jupyter.worker.values import frame_of


def closure() -> Callable[[int], int]:
    factor = 10

    def scaled(x: int) -> int:
        return x * factor

    return scaled


def test_a_function_is_called_in_a_job_and_gives_back_its_value(anywhere: Path) -> None:
    job = mlk.train(train, [1, 2], kwargs={"lr": 0.25}, mlflow=False)
    assert job.result(60) == {"x": [1, 2, 1, 2], "lr": 0.25}
    assert job.name == "train" and job.logs().splitlines() == ["training"]


def test_a_closure_and_bound_arguments_go_along(here: Path) -> None:
    assert mlk.train(closure(), 4, mlflow=False).result() == 40
    assert mlk.train(functools.partial(train, 3, lr=2.0), mlflow=False).result() == {"x": 6, "lr": 2.0}


def test_arrays_and_frames_come_back_as_what_they_are(here: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    given = numpy.arange(6, dtype="float32").reshape(2, 3)
    back = mlk.train(double, given, mlflow=False).result()
    assert back.dtype == given.dtype and (back == given * 2).all()
    frame = pandas.DataFrame({"a": [1, 2]})
    assert mlk.train(double, frame, mlflow=False).result().equals(frame * 2)


def test_the_modules_beside_a_function_go_along(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "lib_of_test.py").write_text("import part_of_test\ndef f(x): return part_of_test.g(x)\n")
    (here / "part_of_test.py").write_text("def g(x): return x + 1\n")
    monkeypatch.syspath_prepend(str(here))
    import lib_of_test  # type: ignore[import-not-found]

    try:
        assert folder_of(lib_of_test.f) == here
        monkeypatch.chdir("/")
        assert mlk.train(lib_of_test.f, 1, mlflow=False).result() == 2
    finally:
        del sys.modules["lib_of_test"], sys.modules["part_of_test"]


def test_the_exception_of_a_function_is_raised_here(anywhere: Path) -> None:
    with pytest.raises(ValueError, match="from there") as caught:
        mlk.train(fails, "from there", mlflow=False).result(60)
    assert "raise ValueError(text)" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("function", "argument", "words"),
    [
        (double, (n for n in "ab"), "argument 1: It is a generator"),
        (double, threading.Lock(), "argument 1: It is a thread or lock"),
        (double, sys, "argument 1: It is a module"),
        (Model(1).__init__, 2, "It is a method of an object"),  # type: ignore[misc]
        (fails, (1, 2, object()), "argument 1"),
    ],
    ids=["generator", "lock", "module", "method", "object"],
)
def test_what_cannot_be_shipped_is_named_before_anything_is_made(
    here: Path, function: Callable[..., Any], argument: Any, words: str
) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        mlk.train(function, argument)
    assert caught.value.hint
    assert mlk.jobs() == []


def test_arguments_that_do_not_fit_are_refused_before_anything_is_made(here: Path) -> None:
    with pytest.raises(BadInput, match="missing a required argument: 'text'"):
        mlk.train(fails)
    assert mlk.jobs() == []


def test_what_has_no_plain_form_comes_back_only_when_pickle_was_asked_for(here: Path) -> None:
    pytest.importorskip("cloudpickle")
    refused = mlk.train(makes_model, mlflow=False)
    with pytest.raises(ValuesMissing, match="Model") as caught:
        refused.result()
    assert "pickle=True" in caught.value.detail
    assert mlk.train(makes_model, pickle=True, mlflow=False).result().weight == 3.5


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_a_pickle_that_was_changed_on_its_way_is_never_opened(here: Path, data_dir: Path) -> None:
    import json
    import pickle

    from mlk_jupyter.worker.values import Encoded

    pytest.importorskip("cloudpickle")
    job = mlk.train(makes_model, pickle=True, mlflow=False)
    job.result()
    frames = data_dir / "jobs" / job.id / "frames.jsonl"
    bomb = Encoded("pickle", b"0" * 32 + pickle.dumps(Bomb(here / "boom")))
    forged = {"kind": "value", "rank": 0, "seq": 999, "time": 1.0, **frame_of("return", bomb)}
    with frames.open("a") as file:
        file.write(json.dumps(forged) + "\n")
    with pytest.raises(ValuesMissing, match="signature"):
        job.result()
    assert not (here / "boom").exists()


def test_pickles_of_a_job_that_was_not_submitted_from_here_are_never_opened(here: Path, data_dir: Path) -> None:
    pytest.importorskip("cloudpickle")
    job = mlk.train(makes_model, pickle=True, mlflow=False)
    job.wait()
    key = data_dir / "jobs" / job.id / "values.key"
    assert key.stat().st_mode & 0o077 == 0
    key.unlink()
    with pytest.raises(ValuesMissing, match="Nothing was unpickled"):
        mlk.job(job.id).result()


REMOTE = """
import mlk_jupyter as mlk
from mlk_jupyter import remote

@remote
def doubled(number):
    return 2 * number

@mlk.remote(workers=2, name="four times", mlflow=False)
def fourfold(number, *, ranks=False):
    "Its words."
    if number < 0:
        raise ValueError("too small")
    return mlk.world_size() if ranks else doubled(number) + doubled(number)
"""


def test_a_decorated_function_is_a_job_each_time_it_is_called(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "remote_of_test.py").write_text(REMOTE)
    monkeypatch.syspath_prepend(str(here))
    from remote_of_test import fourfold  # type: ignore[import-not-found]

    try:
        assert (fourfold.__name__, fourfold.__doc__) == ("fourfold", "Its words.")
        assert fourfold(3) == 12  # in the job, what it calls is no job of its own
        job = fourfold.submit(3, ranks=True)
        assert job.name == "four times" and job.result() == 2
        with pytest.raises(ValueError, match="too small"):
            fourfold(-1)
    finally:
        sys.modules.pop("remote_of_test", None)


def test_a_decorated_function_of_a_cell_goes_along_with_its_source(here: Path) -> None:
    from mlk_jupyter.client.functions import parcel_of

    names: dict[str, Any] = {"__name__": "__main__"}
    code = "import mlk_jupyter as mlk\n@mlk.remote(workers=2)\ndef f(x):\n    return x + 1\n"
    linecache.cache["cell_of_test"] = (len(code), None, code.splitlines(True), "cell_of_test")
    exec(compile(code, "cell_of_test", "exec"), names)
    parcel = parcel_of(names["f"], (1,), {}, pickle=False)
    sources = "\n".join(cell["source"] for cell in parcel.notebook["cells"])
    assert "def f(x):\n    return x + 1" in sources and "_returned = f(1)" in sources
    assert "import mlk_jupyter as mlk" in sources or "@mlk.remote" not in sources


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wrokers": 2}, "wrokers is no option of @remote. Did you mean 'workers'?"),
        ({"wait": True}, "wait is no option of @remote"),
    ],
)
def test_an_option_of_the_decorator_that_is_none_is_told_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        mlk.remote(**options)
    assert words in refused.value.detail
    with pytest.raises(BadInput, match="decorates a function, not int"):
        mlk.remote(3)  # type: ignore[arg-type]
