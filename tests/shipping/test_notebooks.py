"""Notebooks of jobs made from cells and functions, run by real ranks."""

from __future__ import annotations

import functools
import json
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pythons import PYTHONS, version_of

from mlk_jupyter.bundle import build, valid_notebook
from mlk_jupyter.model import JobSpec
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.server.records import frame_piece
from mlk_jupyter.shipping import Parcel, Unshippable, needed, notebook_of_cell, notebook_of_function
from mlk_jupyter.worker import values
from mlk_jupyter.worker.values import ValueProblem

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))
from ranks import Rank

KEY = b"k" * 32
RATE = 0.5
TABLE = {"a": (1, 2)}


def run(parcel: Parcel, folder: Path, *, python: str = sys.executable, env: dict[str, str] | None = None) -> Rank:
    """A rank that has run the parcel to its end."""
    spec = JobSpec(name="test", notebook="cell.ipynb")
    notebook = valid_notebook(parcel.notebook, "cell.ipynb")
    path = folder / "bundle.pyz"
    path.write_bytes(build(notebook, spec, folder, extra=parcel.extra).data)
    with Rank(path, env, python, folder) as rank:
        return rank.wait()


def came_back(rank: Rank, key: bytes | None = None) -> dict[str, Any]:
    return {frame["name"]: values.from_frame(frame, key=key) for frame in rank.of("value")}


def cell(code: str, space: dict[str, Any], cells: list[str], **options: Any) -> Parcel:
    push = options.pop("push", [])
    found = needed(code, space, cells, pushed=push, directory=options.pop("directory", None))
    return notebook_of_cell(code, found, {name: space[name] for name in push}, **options)


def in_kernel(*cells: str) -> dict[str, Any]:
    """The names of a kernel that ran these cells."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(cells):
        exec(compile(source, f"<cell {number}>", "exec", dont_inherit=True), space)
    return space


def scaled(values_: list[float], *, by: float = 2) -> list[float]:
    return [value * by * RATE for value in values_]


def adder(n: Any) -> Any:
    def add(x: Any) -> Any:
        return x + n

    return add


async def later(x: int) -> int:
    return x + 1


def fails() -> None:
    raise KeyError("here")


def gives_a_generator() -> Any:
    return (x for x in [1])


def test_a_cell_takes_what_it_needs_and_gives_back_what_was_asked(tmp_path: Path) -> None:
    cells = [
        "import json\nfrom collections import OrderedDict",
        "def twice(x):\n    return helper(x) * 2",
        "def helper(x): return x",
    ]
    space = in_kernel(*cells)
    space["data"] = {1: (2, 3), "x": b"\0"}
    code = "out = OrderedDict(a=twice(data[1][0]))\nprint(json.dumps(out))"
    rank = run(cell(code, space, cells, push=["data"], pull=["out", "data"]), tmp_path)
    assert rank.code == 0, rank.describe()
    assert rank.text() == '{"a": 4}\n'
    assert came_back(rank) == {"out": OrderedDict(a=4), "data": space["data"]}


def test_the_cell_is_unchanged_in_a_cell_of_its_own(tmp_path: Path) -> None:
    code = "%time x = 1\n\n\nraise ValueError(x)  # é\n"
    parcel = cell(code, {}, [], pull=["x"])
    assert parcel.notebook["cells"][parcel.code_cell]["source"] == code
    rank = run(parcel, tmp_path)
    assert rank.code == 1
    error = rank.of("error")[0]
    assert error["cell"] == parcel.code_cell and error["ename"] == "ValueError"
    assert not rank.of("value")


def test_what_cannot_come_back_is_said_and_the_rest_comes(tmp_path: Path) -> None:
    parcel = cell(
        "good = 1\nfile = open('x', 'w')\nbig = b'x' * 5_000_000", {}, [], pull=["file", "big", "none", "good"]
    )
    rank = run(parcel, tmp_path)
    assert rank.code == 0
    frames = {frame["name"]: frame for frame in rank.of("value")}
    assert values.from_frame(frames["good"]) == 1
    for name, word in [("file", "open file"), ("big", "4,194,304"), ("none", "did not define")]:
        with pytest.raises(ValueProblem, match=word):
            values.from_frame(frames[name])
    assert sum("does not come back" in frame["text"] for frame in rank.of("notice")) == 3


def test_values_up_to_the_limit_come_back_whole(tmp_path: Path) -> None:
    rank = run(cell("x = bytes(range(256)) * (4 * 4096 - 1)", {}, [], pull=["x"]), tmp_path)
    assert came_back(rank) == {"x": bytes(range(256)) * (4 * 4096 - 1)}


def test_only_rank_zero_gives_values_back(tmp_path: Path) -> None:
    parcel = cell("x = 1", {}, [], pull=["x"])
    rank = run(parcel, tmp_path, env={"RANK": "1", "WORLD_SIZE": "2"})
    assert rank.code == 0 and not rank.of("value")


def test_values_are_pickled_only_on_demand_and_signed(tmp_path: Path) -> None:
    space = in_kernel("class Point:\n    def __init__(self, x): self.x = x")
    space["p"] = space["Point"](3)
    with pytest.raises(ValueProblem, match="--pickle"):
        cell("p.x", space, [], push=["p"])
    parcel = cell("q = p\nq.x += 1", space, [], push=["p"], pull=["q"], pickle=True, key=KEY)
    rank = run(parcel, tmp_path)
    assert rank.code == 0, rank.describe()
    assert came_back(rank, KEY)["q"].x == 4
    with pytest.raises(ValueProblem, match="signature"):
        came_back(rank, b"j" * 32)


def test_a_tampered_push_is_not_unpickled_in_the_job(tmp_path: Path) -> None:
    parcel = cell("p", {"p": {1j: range}}, [], push=["p"], pickle=True, key=KEY)
    name = "values/p.pickle"
    parcel.extra[name] = parcel.extra[name][:-1] + b"!"
    rank = run(parcel, tmp_path)
    assert rank.code == 1 and rank.of("error")[0]["ename"] == "ValueProblem"


def test_the_same_cell_makes_the_same_bundle(tmp_path: Path) -> None:
    spec = JobSpec(name="test", notebook="cell.ipynb")
    made = []
    for _ in range(2):
        parcel = cell("print(s)", {"s": {"b", "a", "c"}}, [], push=["s"])
        made.append(build(valid_notebook(parcel.notebook, "x.ipynb"), spec, None, extra=parcel.extra).sha256)
    assert made[0] == made[1]


def test_values_lie_beside_the_notebook_and_a_bundle_without_them_is_as_before(tmp_path: Path) -> None:
    spec = JobSpec(name="test", notebook="cell.ipynb")
    parcel = cell("print(s)", {"s": 1}, [], push=["s"])
    notebook = valid_notebook(parcel.notebook, "x.ipynb")
    path = tmp_path / "bundle.pyz"
    path.write_bytes(build(notebook, spec, None, extra=parcel.extra).data)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("job/values/s.json") == b"1"
        assert json.loads(archive.read("job/job.json"))["extra"] == sorted(parcel.extra)
    path.write_bytes(build(notebook, spec, None).data)
    with zipfile.ZipFile(path) as archive:
        assert "extra" not in json.loads(archive.read("job/job.json"))


def test_other_versions_than_the_kernels_are_noticed(tmp_path: Path) -> None:
    parcel = cell("1", {}, [])
    rank = run(parcel, tmp_path)
    assert not [frame for frame in rank.of("notice") if "versions" in frame["text"]]
    parcel.extra["values/versions.json"] = json.dumps({"python": "3.1.4", "no-such-package": "1.0"}).encode()
    rank = run(parcel, tmp_path)
    (notice,) = [frame["text"] for frame in rank.of("notice") if "versions" in frame["text"]]
    assert "python 3.1.4" in notice and "no-such-package 1.0 there, missing here" in notice


def test_too_much_to_push_is_refused_with_the_figures() -> None:
    space = {"a": b"x" * (40 << 20), "b": b"x" * (40 << 20)}
    with pytest.raises(ValueProblem, match=r"b: It has more than 25,165,\d+ bytes.*67,108,864"):
        cell("a, b", space, [], push=["a", "b"])


def test_a_function_brings_its_globals_and_gives_its_value_back(tmp_path: Path) -> None:
    parcel = notebook_of_function(scaled, [[1.0, 2.0]], {"by": 4.0}, directory=tmp_path)
    rank = run(parcel, tmp_path)
    assert rank.code == 0, rank.describe()
    assert came_back(rank) == {values.RETURNED: [2.0, 4.0]}
    assert parcel.notebook["cells"][parcel.code_cell]["source"].startswith("_returned = scaled(")


@pytest.mark.parametrize(
    ("function", "args", "expected"),
    [
        (adder((1, 2)), [(0,)], (0, 1, 2)),
        (adder("b"), ["a"], "ab"),
        (lambda x: (x, RATE), [1], (1, RATE)),
        (functools.partial(scaled, by=2.0), [[1.0]], [1.0]),
        (later, [1], 2),
        (json.dumps, [[1]], "[1]"),
        (len, [[1, 2]], 2),
        (OrderedDict, [{"a": 1}], OrderedDict(a=1)),
    ],
    ids=["closure", "closure of text", "lambda", "partial", "async", "standard library", "builtin", "class"],
)
def test_a_callable_runs_there_as_here(function: Any, args: list[Any], expected: Any, tmp_path: Path) -> None:
    rank = run(notebook_of_function(function, args, directory=tmp_path), tmp_path)
    assert rank.code == 0, rank.describe()
    (value,) = came_back(rank).values()
    assert value == expected and type(value) is type(expected)


def test_a_function_of_a_module_beside_the_notebook_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "besidemod.py").write_text("import besideother\ndef f(x): return besideother.g(x)\n")
    (tmp_path / "besideother.py").write_text("def g(x): return x + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import besidemod  # type: ignore[import-not-found]

    parcel = notebook_of_function(besidemod.f, [1], directory=tmp_path)
    assert "from besidemod import f" in parcel.notebook["cells"][0]["source"]
    rank = run(parcel, tmp_path)
    assert came_back(rank) == {values.RETURNED: 2}, rank.describe()


def test_a_failing_function_shows_its_own_lines(tmp_path: Path) -> None:
    rank = run(notebook_of_function(fails, directory=tmp_path), tmp_path)
    error = rank.of("error")[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    assert error["ename"] == "KeyError" and 'raise KeyError("here")' in text and "_returned = fails()" in text


def test_a_value_that_no_encoding_carries_does_not_fail_the_job(tmp_path: Path) -> None:
    rank = run(notebook_of_function(gives_a_generator, directory=tmp_path), tmp_path)
    assert rank.code == 0
    with pytest.raises(ValueProblem, match="generator"):
        came_back(rank)


class Model:
    def fit(self) -> None: ...

    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "word"),
    [
        (Model().fit, [], "method of an object"),
        (Model(), [], "of which there is no source"),
        (3, [], "cannot be called"),
        (adder(sys.__stdout__), [1], "open file"),
        (eval("lambda: 1"), [], "source"),
        (scaled, [], "missing a required argument"),
        (adder, [1, 2], "too many positional"),
    ],
    ids=["method", "callable object", "number", "closure of a file", "lambda from text", "no argument", "too many"],
)
def test_what_cannot_be_shipped_is_named_before_submission(function: Any, args: list[Any], word: str) -> None:
    with pytest.raises(Unshippable, match=word):
        notebook_of_function(function, args)


def test_an_argument_that_cannot_travel_is_named() -> None:
    with pytest.raises(ValueProblem, match=r"^argument by: It is a generator"):
        notebook_of_function(scaled, [[1]], {"by": (x for x in [1])})


@pytest.mark.parametrize("path", PYTHONS, ids=version_of)
def test_parcels_run_in_images_without_ipython_and_numpy(
    path: str, bare_python: Callable[[str], str], tmp_path: Path
) -> None:
    python = bare_python(path)
    space = {"x": {"a": (1, 2.5, b"z")}}
    rank = run(cell("y = {**x, 'b': {1, 2}}", space, [], push=["x"], pull=["y"]), tmp_path, python=python)
    assert rank.code == 0, rank.describe()
    assert came_back(rank) == {"y": {"a": (1, 2.5, b"z"), "b": {1, 2}}}
    import numpy

    rank = run(cell("x", {"x": numpy.arange(3)}, [], push=["x"]), tmp_path, python=python)
    assert rank.code == 1 and "It needs numpy, which this Python lacks" in rank.of("error")[0]["evalue"]


def test_viewers_are_told_of_values_without_their_megabytes(tmp_path: Path) -> None:
    frames = [{"kind": "value", "name": "x", "encoding": "json", "data": "MQ==", "why": None}, {"kind": "notice"}]
    (tmp_path / "frames.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    piece = frame_piece(JobFolder(tmp_path), 0, over=True, world_size=1)
    assert piece.frames == [{**frames[0], "data": None}, frames[1]]
