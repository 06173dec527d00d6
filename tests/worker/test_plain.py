"""A rank without IPython, on the oldest Python that a job may have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pythons import NEWEST, OLDEST, version_of

from .ranks import Rank, run


@pytest.fixture(params=list(dict.fromkeys([OLDEST, NEWEST])), ids=version_of)
def python(request: pytest.FixtureRequest, bare_python: Callable[[str], str]) -> str:
    """An interpreter without IPython."""
    return bare_python(request.param)


def shown(rank: Rank) -> list[str]:
    return [frame["output"]["data"]["text/plain"] for frame in rank.of("output")]


def test_the_essentials_work_and_a_notice_says_what_is_missing(tmp_path: Path, python: str) -> None:
    rank = run(
        tmp_path,
        "print('text')\n6 * 7",
        "_, Out[1], In[1]",
        "x = 3\n!echo $x {x + 1} $HOME_OF_NOBODY\nlines = !printf 'a\\nb\\n'\nlines",
        "%%bash\necho bash; exit 0",
        "import asyncio\nloop = asyncio.get_running_loop()\nawait asyncio.sleep(0.01, 'slept')",
        "asyncio.get_running_loop() is loop",
        "%matplotlib inline\n%env MLK_TEST=1\n%cd .\n'silent';",
        "text = '''\n!echo no command\n%time\n'''\ntext.count('!')",
        "%time sum(range(5))",
        "%%time\nvalue = 5\nvalue",
        "for n in range(2):\n    !echo {n} \\\n      more",
        python=python,
    )
    assert rank.code == 0, rank.of("error")
    assert "no IPython" in rank.of("notice")[0]["text"] and rank.of("rank_started")[0]["ipython"] is None
    assert [shown(rank)[0], *shown(rank)[2:]] == ["42", "['a', 'b']", "'slept'", "True", "1", "10", "5"]
    assert shown(rank)[1].startswith("(42, 42, ")
    assert rank.text(cell=2) == "3 4\n" and rank.text(cell=3) == "bash\n"
    assert "Wall time" in rank.text(cell=8) and "Wall time" in rank.text(cell=9)
    assert rank.text(cell=10).split() == ["0", "more", "1", "more"]


def test_displays_updates_and_rich_values_work(tmp_path: Path, python: str) -> None:
    rank = run(
        tmp_path,
        "class Both:\n    def _repr_html_(self):\n        return '<b>'\n"
        "    def __repr__(self):\n        return 'both'\nBoth()",
        "handle = display(Both(), display_id=True); handle.update(1)",
        "clear_output(wait=True); print('new')",
        "class Own:\n    def _ipython_display_(self):\n        print('own')\nOwn()",
        python=python,
    )
    assert rank.of("output")[0]["output"]["data"] == {"text/plain": "both", "text/html": "<b>"}
    assert rank.of("update_display")[0]["display_id"] == rank.of("output")[1]["display_id"]
    assert rank.of("clear_output")[0]["wait"] is True and rank.text(cell=3) == "own\n"


def test_failures_name_the_cells_line_and_input_is_refused(tmp_path: Path, python: str) -> None:
    rank = run(
        tmp_path, "def f():\n    raise KeyError('train')", ("f()", ["raises-exception"]), "input()", python=python
    )
    first, second = (frame["output"] for frame in rank.of("output"))
    assert "raise KeyError('train')" in "\n".join(first["traceback"]) and "Cell In[1]" in "\n".join(first["traceback"])
    assert "plain.py" not in "\n".join(first["traceback"])
    assert second["ename"] == "StdinNotImplementedError" and rank.code == 1


@pytest.mark.parametrize(
    ("source", "words"), [("%no_such 1", "needs IPython"), ("x = (", "never closed|unexpected EOF|EOF")]
)
def test_what_is_not_known_is_refused_in_words(tmp_path: Path, python: str, source: str, words: str) -> None:
    import re

    error = run(tmp_path, source, python=python).of("error")[0]
    assert re.search(words, error["evalue"])


def test_classes_can_be_pickled_and_forked_and_exits_end_well(tmp_path: Path, python: str) -> None:
    rank = run(
        tmp_path,
        "import pickle, multiprocessing\nclass Point:\n    x = 1\ndef double(n):\n    return n * 2\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    print(pool.map(double, [1, 2]))\n"
        "pickle.loads(pickle.dumps(Point())).x",
        "import sys; sys.exit(0)",
        "print('never')",
        python=python,
    )
    assert rank.text() == "[2, 4]\n" and shown(rank) == ["1"] and rank.code == 0


def test_an_injected_cell_has_no_number_and_no_frame_of_ours_is_shown(tmp_path: Path, python: str) -> None:
    injected = ("lr = 2", ["injected-parameters"])
    rank = run(tmp_path, "lr = 1", injected, "import mlk_jupyter", "mlk_jupyter.result({1, 2})", python=python)
    begun = [(frame["number"], frame["count"]) for frame in rank.of("cell_started")]
    assert begun == [(1, 1), (None, None), (2, 2), (3, 3)]
    (error,) = rank.of("error")
    text = "\n".join(error["traceback"])
    assert error["number"] == 3 and "Cell In[3]" in text and "mlk_jupyter/worker" not in text
