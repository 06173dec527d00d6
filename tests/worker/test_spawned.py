"""Processes that a notebook starts by `spawn` or `forkserver`, which cannot see what its cells define."""

from __future__ import annotations

from pathlib import Path

import pytest

from .ranks import PACKAGE, Rank, bundle, notebook

HERE = {"PYTHONPATH": str(PACKAGE.parent)}  # as if it were installed

DEFINED = (
    "import multiprocessing\ndef double(x):\n    return 2 * x\n"
    "class Point:\n    def __init__(self, x):\n        self.x = x\n"
    "import collections, enum, operator\nPair = collections.namedtuple('Pair', 'x y')\n"
    "Colour = enum.Enum('Colour', 'RED')\nclass Old(enum.Enum):\n    RED = 1\n"
    "    def __reduce_ex__(self, protocol):\n        return getattr, (Old, 'RED')\n"
    "class Outer:\n    class Inner:\n        pass\n    @classmethod\n    def make(cls, x):\n        return x\n"
)


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("double, range(3)", "double"),
        ("Point, range(3)", "Point"),
        ("print, [Point(1)]", "Point"),
        ("operator.attrgetter('x'), [Pair(1, 2)]", "Pair"),
        ("str, [Colour.RED]", "Colour"),
        ("str, [Old.RED]", "Old"),
        ("str, [Outer.Inner()]", "Outer"),
        ("Outer.make, range(3)", "Outer"),
        ("abs, range(3)", None),
    ],
)
def test_a_pool_that_cannot_see_what_cells_define_says_so_instead_of_waiting(
    tmp_path: Path, how: str, task: str, name: str | None
) -> None:
    source = f"with multiprocessing.get_context({how!r}).Pool(2) as pool:\n    print(pool.map({task}))"
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(DEFINED, source)), env=HERE) as rank:
        rank.wait()
    if name is None:
        assert rank.code == 0 and rank.text() == "[0, 1, 2]\n"
        return
    (error,) = rank.of("error")
    assert error["ename"] == "RuntimeError" and error["evalue"].startswith(f"`{name}` is defined in the notebook")
    assert "module beside the notebook" in error["evalue"]


def test_a_process_that_cannot_see_what_cells_define_ends_and_says_so(tmp_path: Path) -> None:
    source = (
        f"{DEFINED}child = multiprocessing.get_context('spawn').Process(target=double, args=(1,))\n"
        "child.start()\nchild.join()\nprint(child.exitcode)"
    )
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(source)), env=HERE) as rank:
        rank.wait()
    assert "`double` is defined in the notebook" in rank.text("stderr") and "1\n" in rank.text()


def test_in_a_pod_a_script_is_there_for_its_spawned_children(tmp_path: Path) -> None:
    source = (
        "import multiprocessing\n\ndef square(x):\n    return x * x\n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n        print(pool.map(square, [3]))\n"
    )
    archive = bundle(tmp_path / "bundle.pyz", notebook(source), script="work/train.py")
    with Rank(archive, env={"MLK_WORKERS": "1"}) as rank:
        rank.wait()
    assert rank.code == 0 and rank.text() == "[9]\n"
