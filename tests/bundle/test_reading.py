"""What a person wants to run is read, made valid, or refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.bundle import parse_script, valid_notebook
from mlk_jupyter.bundle.notebook import for_bundle
from mlk_jupyter.errors import BadInput


def test_version_3_is_upgraded() -> None:
    cell = {"cell_type": "code", "input": "print(1)", "language": "python", "collapsed": False, "outputs": []}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}
    notebook = valid_notebook(json.dumps(old), "old.ipynb")
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["cells"][0]["source"] == "print(1)"
    nbformat.validate(notebook)


def test_cells_without_ids_get_the_same_ones_each_time() -> None:
    cells = [{"cell_type": "code", "source": "x", "metadata": {}, "outputs": [], "execution_count": None}] * 2
    old = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": cells}
    first, second = valid_notebook(old, "a.ipynb"), valid_notebook(old, "a.ipynb")
    assert first == second and len({cell["id"] for cell in first["cells"]}) == 2


def test_what_other_tools_left_in_a_cell_is_dropped(make_notebook: Any) -> None:
    notebook = make_notebook("x = 1", "words")
    notebook["cells"][0]["attachments"] = {}
    notebook["cells"][1].update(cell_type="markdown", editable=True)
    notebook["orig"] = 1
    nbformat.validate(valid_notebook(notebook, "a.ipynb"))


def test_a_notebook_is_not_changed_by_reading_it(make_notebook: Any) -> None:
    notebook = make_notebook("x = 1")
    before = json.dumps(notebook)
    valid_notebook(notebook, "a.ipynb")
    assert json.dumps(notebook) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no `nbformat` number"),
        ('{"nbformat": 5}', "format 5"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}', "its cell 1 from the top is none"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no code cell"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "no code cell"),
        ('{"nbformat": 3}', "no code cell"),
        ('{"nbformat": 3, "worksheets": 7}', "cannot be run: what it holds is not as format 3 has it"),
        ('{"nbformat": 0}', "format 0"),
        ('<<<<<<< HEAD\n{"nbformat": 4}', "marks of a merge"),
    ],
)
def test_what_is_no_notebook_is_refused(content: str, words: str) -> None:
    with pytest.raises(BadInput, match=r"a\.ipynb") as refused:
        valid_notebook(content, "a.ipynb")
    assert words in refused.value.detail


@given(st.recursive(st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)))
def test_reading_anything_gives_a_notebook_or_a_refusal(cells: Any) -> None:
    try:
        valid_notebook({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}, "a.ipynb")
    except BadInput:
        return
    raise AssertionError("no notebook has no code")


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}},
        {"language_info": {"name": "julia"}},
    ],
)
def test_another_language_is_refused(make_notebook: Any, metadata: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="only Python"):
        valid_notebook(make_notebook("x", metadata=metadata), "a.ipynb")


@pytest.mark.parametrize("metadata", [{}, {"kernelspec": {"name": "python3", "display_name": "Python"}}])
def test_no_language_means_python(make_notebook: Any, metadata: dict[str, Any]) -> None:
    assert valid_notebook(make_notebook("x", metadata=metadata), "a.ipynb")["metadata"] == metadata


def test_outputs_and_what_belongs_to_them_do_not_go_along(make_notebook: Any) -> None:
    notebook = make_notebook("x", metadata={"mlk": {"options": {}}, "kernelspec": {"name": "k", "display_name": "K"}})
    cell = notebook["cells"][0]
    cell.update(execution_count=7, outputs=[{"output_type": "stream", "name": "stdout", "text": "secret"}])
    cell["metadata"] = {"execution": {"iopub.status.idle": "2026"}, "tags": ["t"]}
    stripped = for_bundle(notebook)
    assert stripped["metadata"] == {"kernelspec": {"name": "k", "display_name": "K"}}
    assert stripped["cells"][0]["metadata"] == {"tags": ["t"]}
    assert stripped["cells"][0]["outputs"] == [] and stripped["cells"][0]["execution_count"] is None


def test_a_plain_script_is_one_cell() -> None:
    notebook = parse_script("import os\n\nprint(os.name)\n", "a.py")
    assert [cell["source"] for cell in notebook["cells"]] == ["import os\n\nprint(os.name)"]
    nbformat.validate(notebook)


def test_percent_markers_make_cells_and_tags() -> None:
    text = (
        '"""Doc."""\n# %% [markdown]\n# # Title\n# words\n'
        '# %% tags=["parameters"]\nlr = 1\n#%% Train\n%time x = lr\n# %%\n'
    )
    cells = parse_script(text, "a.py")["cells"]
    assert [(cell["cell_type"], cell["source"]) for cell in cells] == [
        ("code", '"""Doc."""'),
        ("markdown", "# Title\nwords"),
        ("code", "lr = 1"),
        ("code", "%time x = lr"),
    ]
    assert cells[2]["metadata"] == {"tags": ["parameters"]}


@pytest.mark.parametrize(
    ("text", "words"), [("x = (", "not valid Python, line 1"), ("", "no code"), ("\n# %%\n", "no code")]
)
def test_a_script_that_cannot_run_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_script(text, "a.py")


@given(st.text())
def test_any_text_is_a_script_or_a_refusal(text: str) -> None:
    try:
        nbformat.validate(parse_script(text, "a.py"))
    except BadInput as refused:
        assert refused.hint
