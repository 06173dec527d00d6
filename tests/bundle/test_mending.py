"""What Jupyter reads, though nbformat's schema forbids it, is read here too, and told once."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from mlk_jupyter.bundle import read_notebook
from mlk_jupyter.bundle.notebook import for_bundle
from mlk_jupyter.errors import BadInput


def code(source: Any = "x = 1", **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": None, **more
    }  # fmt: skip


def raw(**metadata: Any) -> dict[str, Any]:
    return {"cell_type": "raw", "id": "b", "metadata": metadata, "source": "text"}


def of(*cells: Any, **more: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **more}


def named(**spec: Any) -> dict[str, Any]:
    return of(code(), metadata={"kernelspec": spec})


@pytest.mark.parametrize(
    ("notebook", "said"),
    [
        (named(name="python3"), "no display name"),
        (named(name="python3", display_name=None), "no display name"),
        (named(), "its kernelspec has no name"),
        (named(display_name="Python 3"), "its kernelspec has no name"),
        (of(code(), metadata={"kernelspec": None}), "its kernelspec has no name"),
        (of(code(), metadata={"language_info": {}}), "its language_info has no name"),
        (of(code(), metadata={"language_info": {"name": "python", "mimetype": 1}}), "`mimetype`"),
        (of(code(), metadata={"title": None, "orig_nbformat": 0}), "`title` of its metadata is null; `orig_nbformat`"),
        (of(code(), metadata=[]), "it has no metadata"),
        (of(code(), raw(format=None)), "`format` of cell 2 from the top is null"),
        (of(code(metadata={"tags": ["a", "a"]})), "cell 1 from the top repeats a tag"),
        (of(code(metadata={"tags": "a"})), "the tags of cell 1"),
        (of(code(metadata={"tags": None})), "the tags of cell 1"),
        (of(code(metadata={"tags": ["a", 3, "", "b,c"]})), "the tags of cell 1"),
        (of(code(metadata={"collapsed": None, "scrolled": "yes"})), "`collapsed` of cell 1 from the top is null; `scr"),
        (of(code(metadata={"name": ""})), "`name` of cell 1"),
        (of(code(metadata=None)), "cell 1 from the top has no metadata"),
        (of(code(metadata={"jupyter": None, "execution": {"a": 1}})), "`jupyter` of cell 1 from the top is null; `ex"),
        (of(code(), {"cell_type": "markdown", "source": "", "attachments": None}), "attachments of cell 2"),
        (of(code(), {"cell_type": "heading", "level": 2, "source": ["A", "B"]}), "'heading', which is not run"),
        (of(code(["x", " = ", 1])), "the source of cell 1"),
    ],
)  # fmt: skip
def test_what_the_schema_forbids_is_mended_and_said_in_one_sentence(notebook: dict[str, Any], said: str) -> None:
    before = json.dumps(notebook)
    read, mends = read_notebook(notebook, "a.ipynb")
    nbformat.validate(read)
    assert len(mends) == 1 and said in mends[0] and "must" not in mends[0]
    assert json.dumps(notebook) == before
    assert read_notebook(read, "a.ipynb") == (read, [])


@pytest.mark.parametrize(
    "notebook",
    [
        of(code(), nbformat_minor=99),
        of(code(), nbformat_minor=None),
        of(code(), nbformat="4"),
        of(code(), nbformat=4.0),
        of(code(outputs=None, execution_count="7")),
        of({"cell_type": "code", "source": "x"}),
        of(code(), code()),
        of(code(id=None), code(id="a b")),
        of(code(), {"cell_type": "markdown", "source": None}),
        of(code(["x = 1\n", "y = 2"], collapsed=True, prompt_number=3)),
        {"nbformat": 4, "cells": [code()]},
    ],
)
def test_what_no_one_would_miss_is_mended_without_a_word(notebook: dict[str, Any]) -> None:
    read, mends = read_notebook(notebook, "a.ipynb")
    nbformat.validate(read)
    assert mends == []


def test_many_mends_are_counted() -> None:
    _, mends = read_notebook(of(code(), *(raw(format=None) for _ in range(9))), "a.ipynb")
    assert mends[0].endswith("; and 6 more.")


@pytest.mark.parametrize(
    "cells",
    [
        [{"cell_type": "heading", "level": 1, "source": ["Title ", "goes on"], "metadata": {}}],
        [{"cell_type": "heading", "source": "no level"}],
        [{"cell_type": "markdown", "source": None}],
        [{"cell_type": "html", "source": "<b>x</b>", "metadata": {}}],
        [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}],
        [{"cell_type": "code", "input": "a", "outputs": None, "prompt_number": None, "language": "python"}],
    ],
)
def test_an_old_notebook_is_read_as_its_writers_left_it(cells: list[dict[str, Any]]) -> None:
    last = {"cell_type": "code", "input": ["print(1)\n", "print(2)"], "outputs": []}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": None, "worksheets": [{"cells": [*cells, last]}]}
    read, _ = read_notebook(json.dumps(old), "old.ipynb")
    nbformat.validate(read)
    assert read["cells"][-1]["source"] == "print(1)\nprint(2)"


def test_what_others_wrote_into_the_metadata_comes_back_untouched() -> None:
    theirs = {"toc": {"base_numbering": 1}, "vscode": {"interpreter": 1}, "papermill": {"duration": 2}, "x": [None]}
    own = {"collapsed": True, "scrolled": "auto", "ExecuteTime": {"start_time": "2026"}, "slideshow": {"a": 1}}
    read, mends = read_notebook(of(code(metadata=own), metadata=theirs), "a.ipynb")
    carried = for_bundle(read)
    assert (carried["metadata"], carried["cells"][0]["metadata"], mends) == (theirs, own, [])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([code(), "text"], "its cell 2 from the top is none"),
        ([code(), None], "its cell 2 from the top is none"),
        ([{"source": "x"}], "its cell 1 from the top is none"),
        ([{"cell_type": None}], "its cell 1 from the top is none"),
    ],
)
def test_what_is_no_cell_is_refused_with_its_place(cells: list[Any], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_notebook(of(*cells), "a.ipynb")
    assert words in refused.value.detail and "must" not in refused.value.detail
