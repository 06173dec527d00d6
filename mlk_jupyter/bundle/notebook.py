"""Reading what a person wants to run: a notebook or a script, as a valid nbformat 4.5 notebook of Python."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import BadInput
from .mending import in_words, mend

NotebookDict = dict[str, Any]

_PERCENT = re.compile(r"#\s*%%(?P<rest>.*)")
_TAGS = re.compile(r"tags\s*=\s*(\[[^\]]*\])")
_CELL_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_CODE_KEYS = frozenset({"id", "cell_type", "metadata", "source", "outputs", "execution_count"})
_TEXT_KEYS = frozenset({"id", "cell_type", "metadata", "source", "attachments"})
# What tells of an earlier execution, which this one tells anew. Everything else is the person's and comes back.
_OF_EXECUTION = ("execution", "mlk")
_OF_OUTPUTS = ("mlk", "widgets", "signature")


def valid_notebook(content: object, path: str) -> NotebookDict:
    """The notebook alone of `read_notebook`."""
    return read_notebook(content, path)[0]


def read_notebook(content: object, path: str) -> tuple[NotebookDict, list[str]]:
    """A notebook, upgraded to nbformat 4.5 and checked, and what of it had to be mended, as a sentence.

    Args:   content: the notebook as an object, which stays as it is, or the text of its file.
    Raises: BadInput when it is no notebook, is written in another language than Python, or has no code.
    """
    raw = _parsed(content, path) if isinstance(content, (str, bytes)) else content
    version = _version(raw) if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or version is None:
        raise BadInput(f"{path} is not a notebook: it has no `nbformat` number.", hint="Choose an .ipynb or .py file.")
    if not 1 <= version <= 4:
        raise BadInput(
            f"{path} is a notebook of format {version}; formats 1 to 4 can be run.", hint="Save it as nbformat 4."
        )
    try:
        notebook, mends = _completed(raw if version == 4 else _upgraded(raw, version))
        _validator()(notebook)
    except Exception as error:  # the upgrade of an old format raises whatever it stumbles over
        raise BadInput(
            f"{path} cannot be run: {_damage(error, version)}.", hint="Open it in JupyterLab and save it again."
        ) from error
    _check_language(notebook, path)
    if not any(cell["cell_type"] == "code" and source_of(cell).strip() for cell in notebook["cells"]):
        raise BadInput(f"{path} has no code cell with anything in it.", hint="Write a code cell first.")
    return notebook, in_words(mends)


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


def numbered(notebook: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The cells that run, each with the number that a person sees: an injected cell has none."""
    number = 0
    for cell in notebook["cells"]:
        tags = tags_of(cell)
        counts = "skip-execution" not in tags and "injected-parameters" not in tags
        if cell["cell_type"] == "code" and source_of(cell).strip() and counts:
            number += 1
            yield number, cell


def kernel_of(notebook: Mapping[str, Any]) -> str | None:
    """Name of the kernelspec that the notebook asks for."""
    spec = notebook.get("metadata", {}).get("kernelspec", {})
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return name if isinstance(name, str) and name else None


def for_bundle(notebook: NotebookDict) -> NotebookDict:
    """The notebook without outputs and without what belongs to them."""
    stripped = _without_outputs(notebook)
    stripped["metadata"] = _kept(notebook.get("metadata", {}), _OF_OUTPUTS)
    for cell in stripped["cells"]:
        cell["metadata"] = _kept(cell.get("metadata", {}), _OF_EXECUTION)
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


def _parsed(text: str | bytes, path: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        merged = "<<<<<<< " in (text if isinstance(text, str) else text.decode("utf-8", "replace"))
        why = "it holds the marks of a merge that was not finished" if merged else f"it is no JSON ({error})"
        raise BadInput(
            f"{path} is not a notebook: {why}.",
            hint="Finish the merge first." if merged else "Open it in JupyterLab and save it again.",
        ) from error


def _version(raw: Mapping[str, Any]) -> int | None:
    """The number of the format, however it is written."""
    number = raw.get("nbformat")
    if isinstance(number, float) and number.is_integer():
        return int(number)
    if isinstance(number, str) and number.isdecimal() and number.isascii() and len(number) < 4:
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _damage(error: Exception, version: int) -> str:
    """What is wrong, about the notebook and not about the schema."""
    if type(error) is ValueError and error.args:
        return str(error)
    path = getattr(error, "path", None)  # fastjsonschema's: ["data", "cells", "3", …]
    if isinstance(path, list) and path[1:2] == ["cells"] and len(path) > 2 and str(path[2]).isdecimal():
        return f"its cell {int(path[2]) + 1} from the top is damaged"
    return "what it holds is damaged" if version == 4 else f"what it holds is not as format {version} has it"


def _upgraded(raw: Mapping[str, Any], version: int) -> NotebookDict:
    """A notebook of format 1 to 3 in format 4."""
    import nbformat  # seconds, where jsonschema brings a grammar of all URIs: only for notebooks that need it

    old = json.loads(json.dumps(raw))
    old.update(nbformat=version, nbformat_minor=0)
    if not isinstance(old.get("metadata"), dict):
        old["metadata"] = {}
    if version > 1 and "worksheets" not in old:
        old["worksheets"] = [{"cells": old.pop("cells", None) or []}]
    for sheet in [old] if version == 1 else old["worksheets"]:
        for cell in sheet["cells"]:
            for key in ("input", "source"):  # a list of lines, as their files have it
                if key in cell:
                    cell[key] = source_of({"source": cell[key] or ""})
            if cell.get("cell_type") == "code":
                cell["outputs"] = []  # which are not carried
                cell.setdefault("input", cell.pop("source", ""))
            else:
                cell.setdefault("source", cell.pop("input", ""))
                cell["level"] = cell["level"] if isinstance(cell.get("level"), int) else 1
    with warnings.catch_warnings():  # it warns of missing cell ids
        warnings.simplefilter("ignore")
        upgraded = nbformat.convert(nbformat.from_dict(old), 4)  # type: ignore[no-untyped-call]
    notebook: NotebookDict = json.loads(json.dumps(upgraded))
    return notebook


def _completed(raw: Mapping[str, Any]) -> tuple[NotebookDict, list[str]]:
    """A copy without outputs, with what 4.5 asks for and without what it does not know; and what was mended.

    Cells that have no id get the same one each time: random ones, as nbformat gives, would change the bundle.
    """
    notebook = json.loads(json.dumps(_without_outputs(raw)))
    notebook = {key: value for key, value in notebook.items() if key in ("metadata", "cells")}
    notebook.update(nbformat=4, nbformat_minor=5)
    mends = mend(notebook)
    known: set[str] = set()
    for position, cell in enumerate(notebook["cells"]):
        own = _CODE_KEYS if cell["cell_type"] == "code" else _TEXT_KEYS
        for key in [key for key in cell if key not in own]:
            del cell[key]
        cell_id = cell.get("id")
        if not isinstance(cell_id, str) or cell_id in known or not _CELL_ID.fullmatch(cell_id):
            cell_id = hashlib.sha256(f"{position}\n{source_of(cell)}".encode("utf-8", "replace")).hexdigest()[:12]
        known.add(cell_id)
        cell["id"] = cell_id
    return notebook, mends


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
