"""What of a notebook's code cannot go well is told before anything runs, by the cell that a person sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlk_jupyter.bundle import build
from mlk_jupyter.bundle.mistakes import lowered, mistakes
from mlk_jupyter.errors import BadInput
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Finding, Level

Make = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    "source",
    [
        "await asyncio.sleep(0)\nasync with a as b:\n    pass",
        "%matplotlib inline\n!ls {folder}\nfiles = !ls\nx = %pwd\nname?\n?name",
        "%%bash\nif true; then",
        "%%time\nx = 1",
        "%%sql\nselect * from",
        "for x in y:\n    %time f(x)\n    !echo $x",
        "/f 1\n,g a b",
        "get_ipython().system('ls')",
        "'\\d'",
        ">>> x = 1\n... ",
        "x = 1;",
        "pip install pandas",
        "load_ext autoreload\n",
        "cd ..",
    ],
)
def test_what_ipython_understands_is_no_mistake(make_notebook: Make, source: str) -> None:
    assert mistakes(make_notebook(source)) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = (", "Cell 2, line 1 is no Python ('(' was never closed): x = ("),
        ("a = 1\nif a\n    b", "Cell 2, line 2 is no Python (expected ':'): if a"),
        ("%matplotlib inline\nprint 'x'", "Cell 2, line 2 is no Python"),
        ("for x", "Cell 2, line 1 is no Python"),
        ("cd data\nx = 1", "Cell 2, line 1 is no Python"),
        ("return 3", "Cell 2, line 1 is no Python ('return' outside function)"),
        ("%%time\nx = (", "Cell 2, line 2 is no Python"),
        ("def f():\nreturn", "Cell 2, line 2 is no Python"),
    ],
)
def test_what_it_does_not_understand_is_told_with_its_line(make_notebook: Make, source: str, words: str) -> None:
    (finding,) = mistakes(make_notebook("y = 1", "# words", source) | {})
    assert (finding.level, finding.code) == (Level.ERROR, "syntax_error")
    assert finding.text.startswith(words.replace("Cell 2", "Cell 3"))
    assert lowered([finding])[0].level is Level.WARNING


def test_cells_that_may_fail_or_do_not_run_are_not_looked_at(make_notebook: Make) -> None:
    notebook = make_notebook("x = (", "x = (", "get_ipython().input_transformers_cleanup.append(f)")
    assert mistakes(notebook) == []  # whatever the cells are written in
    notebook = make_notebook("x = (", "x = (")
    notebook["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    notebook["cells"][1]["metadata"]["tags"] = ["skip-execution"]
    assert mistakes(notebook) == []


def test_an_injected_cell_has_no_number(make_notebook: Make) -> None:
    notebook = make_notebook("lr = 1", "", "x = (")
    notebook["cells"][0]["metadata"]["tags"] = ["parameters"]
    found = build(notebook, JobSpec(name="n", notebook="n.ipynb", parameters={"lr": 2}), None)
    assert len(found.notebook["cells"]) == 4
    assert [finding.text[:6] for finding in found.findings] == ["Cell 2"]


@pytest.mark.parametrize(
    ("source", "shares"),
    [
        ("from mlk_jupyter import progress\nprogress(1.2)", ["progress(1.2)"]),
        ("import mlk_jupyter as mlk\nmlk.progress(fraction=-1)\nmlk.progress(0.5)", ["progress(-1)"]),
        ("from mlk_jupyter import progress as p\nfor n in range(9):\n    p(n)\np(100, 'done')", ["progress(100)"]),
        ("from rich import progress\nprogress(3)", []),
        ("progress(3)", []),
    ],
)
def test_a_share_that_is_none_is_a_warning(make_notebook: Make, source: str, shares: list[str]) -> None:
    found = mistakes(make_notebook(source))
    assert [finding.level for finding in found] == [Level.WARNING] * len(shares)
    assert all(share in finding.text for share, finding in zip(shares, found, strict=True))


def given(make_notebook: Make, source: str, value: Any) -> list[str]:
    notebook = make_notebook(source)
    notebook["cells"][0]["metadata"]["tags"] = ["parameters"]
    return build(notebook, JobSpec(name="n", notebook="n.ipynb", parameters={"p": value}), None).notices


@pytest.mark.parametrize(
    ("source", "value", "must"),
    [
        ("p = 3", "many", "a number, as 3"),
        ("p = 0.1", "none", "a number, as 0.1"),
        ("p = 3", True, "a number, as 3"),
        ("p = True", 1, "True or False, as True"),
        ("p = 'adam'", 3, "text, as 'adam'"),
        ("p = [1]", {"a": 1}, "a list, as [1]"),
        ("p = (1, 2)", 3, "a list, as (1, 2)"),
        ("p = {}", "x", "a dict, as {}"),
    ],
)
def test_a_value_of_another_kind_is_refused_at_its_field(
    make_notebook: Make, source: str, value: Any, must: str
) -> None:
    with pytest.raises(BadInput) as refused:
        given(make_notebook, source, value)
    assert refused.value.fields == {"parameters.p": must} and refused.value.hint


@pytest.mark.parametrize(
    ("source", "value"),
    [("p = 3", 4), ("p = 3", None), ("p = None", "x"), ("p = 0.5", 1), ("p = f()", "x"), ("p = 3", 2.0)],
)  # fmt: skip
def test_a_value_of_the_same_kind_is_taken_without_a_word(make_notebook: Make, source: str, value: Any) -> None:
    assert given(make_notebook, source, value) == []


@pytest.mark.parametrize(
    ("source", "value", "words"),
    [
        ("p = 3", 2.5, "p is a whole number in the notebook (3), and gets 2.5."),
        ("p = 'x'", "none", "p gets the text 'none', as it is written; None is another value."),
        ("p = None", "NONE", "p gets the text 'NONE', as it is written; None is another value."),
    ],
)
def test_a_value_that_may_be_meant_otherwise_is_told(make_notebook: Make, source: str, value: Any, words: str) -> None:
    assert given(make_notebook, source, value) == [words]


def test_findings_keep_their_place() -> None:
    other = Finding(level=Level.ERROR, code="other", text="x")
    assert lowered([other]) == [other]
