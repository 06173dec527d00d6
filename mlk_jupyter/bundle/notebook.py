"""Reading what a person wants to run: a notebook or a script, as a valid nbformat 4.5 notebook of Python."""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import importlib.util
import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import BadInput

NotebookDict = dict[str, Any]

_PERCENT = re.compile(r"#\s*%%(?P<rest>.*)")
_TAGS = re.compile(r"tags\s*=\s*(\[[^\]]*\])")
_CELL_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_CODE_KEYS = frozenset({"id", "cell_type", "metadata", "source", "outputs", "execution_count"})
_TEXT_KEYS = frozenset({"id", "cell_type", "metadata", "source", "attachments"})
_VOLATILE_CELL = ("execution", "ExecuteTime", "papermill", "mlk", "collapsed", "scrolled", "execution_time")
_VOLATILE_NOTEBOOK = ("papermill", "mlk", "widgets", "signature", "toc", "toc-autonumbering", "vscode")


def parse_notebook(text: str | bytes, path: str) -> NotebookDict:
    """A notebook from a file's content, made valid nbformat 4.5.

    Raises: BadInput when it is no notebook, or one that Python cannot run.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{path} is not a notebook: its content is not valid JSON ({error}).",
            hint="Open it in JupyterLab and save it again.",
        ) from error
    return valid_notebook(raw, path)


def valid_notebook(raw: object, path: str) -> NotebookDict:
    """A copy of a notebook, upgraded to nbformat 4.5 and checked.

    Raises: BadInput when it is no notebook, is written in another language than Python, or has no code.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("nbformat"), int):
        raise BadInput(f"{path} is not a notebook: it has no `nbformat` number.", hint="Choose an .ipynb or .py file.")
    if raw["nbformat"] > 4:
        raise BadInput(
            f"{path} is a notebook of format {raw['nbformat']}; formats 1 to 4 can be run.",
            hint="Save it as nbformat 4.",
        )
    try:
        notebook = _completed(raw if raw["nbformat"] == 4 else _upgraded(raw))
        _validator()(notebook)
    except Exception as error:  # the upgrade of an old format raises whatever it stumbles over
        reason = str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
        raise BadInput(
            f"{path} is not a valid notebook: {reason}.", hint="Open it in JupyterLab and save it again."
        ) from error
    _check_language(notebook, path)
    if not any(cell["cell_type"] == "code" and source_of(cell).strip() for cell in notebook["cells"]):
        raise BadInput(f"{path} has no code cell with anything in it.", hint="Write a code cell first.")
    return notebook


def parse_script(text: str, path: str) -> NotebookDict:
    """A script as a notebook: one cell, or one for each `# %%` marker (`# %% tags=["parameters"]` tags it).

    Raises: BadInput when it has no code, or is not Python.
    """
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        # In percent format a cell may hold a magic, so only a script without markers has to be plain Python.
        if not any(_PERCENT.match(line) for line in text.splitlines()):
            where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise BadInput(f"{path} is not valid Python{where}: {error}.", hint="Correct the script.") from error
    cells: list[dict[str, Any]] = []
    lines: list[str] = []
    head: dict[str, Any] = {"cell_type": "code", "metadata": {}}
    for line in text.splitlines():
        match = _PERCENT.match(line)
        if match is None:
            lines.append(line)
            continue
        _add_cell(cells, head, lines)
        head, lines = _percent_head(match["rest"]), []
    _add_cell(cells, head, lines)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return valid_notebook({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}, path)


def source_of(cell: Mapping[str, Any]) -> str:
    """The text of a cell, however it is stored."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """The tags of a cell."""
    tags = cell.get("metadata", {}).get("tags", [])
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def kernel_of(notebook: Mapping[str, Any]) -> str | None:
    """Name of the kernelspec that the notebook asks for."""
    spec = notebook.get("metadata", {}).get("kernelspec", {})
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return name if isinstance(name, str) and name else None


def for_bundle(notebook: NotebookDict) -> NotebookDict:
    """The notebook without outputs and without what changes from save to save."""
    stripped = _without_outputs(notebook)
    stripped["metadata"] = _kept(notebook.get("metadata", {}), _VOLATILE_NOTEBOOK)
    for cell in stripped["cells"]:
        cell["metadata"] = _kept(cell.get("metadata", {}), _VOLATILE_CELL)
        cell["source"] = source_of(cell)
    return stripped


def _without_outputs(notebook: Mapping[str, Any]) -> NotebookDict:
    stripped = {**notebook, "cells": []}
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, Mapping) and cell.get("cell_type") == "code":
            cell = {**cell, "outputs": [], "execution_count": None}
        stripped["cells"].append(dict(cell) if isinstance(cell, Mapping) else cell)
    return stripped


def _kept(metadata: Mapping[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in without}


def _upgraded(raw: Mapping[str, Any]) -> NotebookDict:
    """A notebook of format 1 to 3 in format 4."""
    import nbformat  # seconds, where jsonschema brings a grammar of all URIs: only for notebooks that need it

    with warnings.catch_warnings():  # it warns of missing cell ids
        warnings.simplefilter("ignore")
        upgraded = nbformat.convert(nbformat.from_dict(copy.deepcopy(dict(raw))), 4)  # type: ignore[no-untyped-call]
    notebook: NotebookDict = json.loads(json.dumps(upgraded))
    return notebook


def _completed(raw: Mapping[str, Any]) -> NotebookDict:
    """A copy without outputs, with what 4.5 asks for and without what it does not know.

    Cells that have no id get the same one each time: random ones, as nbformat gives, would change the bundle.
    """
    notebook = json.loads(json.dumps(_without_outputs(raw)))
    notebook = {key: value for key, value in notebook.items() if key in ("metadata", "cells")}
    notebook.update(nbformat=4, nbformat_minor=5)
    known: set[str] = set()
    for position, cell in enumerate(notebook["cells"]):
        own = _CODE_KEYS if cell.get("cell_type") == "code" else _TEXT_KEYS
        for key in [key for key in cell if key not in own]:
            del cell[key]
        cell.setdefault("metadata", {})
        cell_id = cell.get("id")
        if not isinstance(cell_id, str) or cell_id in known or not _CELL_ID.fullmatch(cell_id):
            cell_id = hashlib.sha256(f"{position}\n{source_of(cell)}".encode("utf-8", "replace")).hexdigest()[:12]
        known.add(cell_id)
        cell["id"] = cell_id
    return notebook


@functools.cache
def _validator() -> Callable[[NotebookDict], object]:
    """Checks a notebook against nbformat's schema, which is read without importing nbformat (see `_upgraded`).

    What it gives raises ValueError for what is not valid.
    """
    import fastjsonschema

    spec = importlib.util.find_spec("nbformat")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nbformat is not installed")
    schema = json.loads((Path(spec.origin).parent / "v4" / "nbformat.v4.5.schema.json").read_bytes())
    return cast("Callable[[NotebookDict], object]", fastjsonschema.compile(schema))


def _check_language(notebook: NotebookDict, path: str) -> None:
    metadata = notebook["metadata"]
    named = (metadata.get("kernelspec", {}).get("language"), metadata.get("language_info", {}).get("name"))
    language = next((name for name in named if isinstance(name, str) and name), "python")
    if language.lower() not in ("python", "ipython", "python3"):
        raise BadInput(
            f"{path} is written in {language}; only Python notebooks can be run as a job.",
            hint="Choose a Python kernel for the notebook, or another notebook.",
        )


def _percent_head(rest: str) -> dict[str, Any]:
    """Cell type and tags of a `# %%` line; Jupytext writes `[markdown]` and `tags=[...]` behind it."""
    kind = "markdown" if re.search(r"\[(markdown|md)\]", rest) else "raw" if "[raw]" in rest else "code"
    metadata: dict[str, Any] = {}
    match = _TAGS.search(rest)
    if match:
        try:
            tags = ast.literal_eval(match[1])
        except (ValueError, SyntaxError):
            tags = []
        metadata["tags"] = [tag for tag in tags if isinstance(tag, str)]
    return {"cell_type": kind, "metadata": metadata}


def _add_cell(cells: list[dict[str, Any]], head: dict[str, Any], lines: list[str]) -> None:
    source = "\n".join(lines).strip("\n")
    if not source.strip():
        return
    if head["cell_type"] == "code":
        head = {**head, "outputs": [], "execution_count": None}
    else:
        source = "\n".join(re.sub(r"^# ?", "", line) for line in source.splitlines())
    cell_id = hashlib.sha256(f"{len(cells)}\n{source}".encode("utf-8", "replace")).hexdigest()[:12]
    cells.append({**head, "id": cell_id, "source": source})
