"""The parameters of a notebook: found in the cell tagged `parameters`, replaced as papermill does."""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import json
import keyword
import math
import tokenize
from collections.abc import Mapping
from typing import Any

from ..errors import BadInput
from ..model.api import Parameter
from .code import tree, without_magics
from .notebook import NotebookDict, source_of, tags_of

_HOW_TO_TAG = (
    "Put the assignments into one cell and tag it `parameters` "
    "(in JupyterLab: Property Inspector, the two cogwheels at the right, Cell Tags)."
)
_LIKE_LITERALS = {"none": "None", "null": "None", "nil": "None", "true": "True", "false": "False", "nan": "NaN"}
_DEEPEST = 50
_LARGEST = 10**4000


class UnknownParameter(BadInput):
    """A value for a parameter that the notebook does not have."""

    code = "unknown_parameter"

    def __init__(self, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(
            f"The notebook has no parameter {name!r}.{meant}",
            hint=f"It has: {', '.join(known)}." if known else _HOW_TO_TAG,
            fields={f"parameters.{name}": f"the notebook has no such parameter.{meant}"},
        )
        self.name, self.known = name, known


def parameters_of(notebook: NotebookDict) -> list[Parameter]:
    """The assignments of the cell tagged `parameters`, in order; empty when there is none."""
    cell = _tagged(notebook, "parameters")
    if cell is None:
        return []
    source = without_magics(source_of(notebook["cells"][cell]))
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in tree(source).body:
        for name, value in _assigned(node):
            literal, default = _literal(value)
            found.pop(name, None)  # assigned twice: the last one counts, and stands where it is
            found[name] = Parameter(
                name=name,
                default=default,
                literal=literal,
                source=ast.get_source_segment(source, value) or "",
                help=comments.get(node.end_lineno or node.lineno),
            )
    return list(found.values())


def inject(notebook: NotebookDict, values: Mapping[str, Any]) -> NotebookDict:
    """The notebook with a cell tagged `injected-parameters` behind the one tagged `parameters`.

    A cell that was injected before is replaced, or taken out when there are no values.

    Raises: BadInput when a name is not known, a value is not a literal, or the notebook has no parameters.
    """
    check(notebook, values)
    injected = _tagged(notebook, "injected-parameters")
    cells = [cell for at, cell in enumerate(notebook["cells"]) if at != injected]
    changed = {**notebook, "cells": cells}
    at = _tagged(changed, "parameters")
    defaults = {parameter.name: parameter for parameter in parameters_of(changed)}
    given = {name: value for name, value in values.items() if not _is_tuple_default(defaults[name], value)}
    if given and at is not None:
        source = "\n".join(["# Parameters", *(f"{name} = {_as_python(value)}" for name, value in given.items())])
        cells.insert(
            at + 1,
            {
                "cell_type": "code",
                "id": _free_id(cells, source),
                "metadata": {"tags": ["injected-parameters"]},
                "source": source,
                "outputs": [],
                "execution_count": None,
            },
        )
    return changed


def check(notebook: NotebookDict, values: Mapping[str, Any]) -> None:
    """Whether these values can be given to this notebook.

    Raises: BadInput (UnknownParameter for a name) when not.
    """
    if not values:
        return
    if _tagged(notebook, "parameters") is None:
        raise BadInput(
            f"The notebook has no cell tagged `parameters`, so {', '.join(map(repr, values))} cannot be set.",
            hint=_HOW_TO_TAG,
            fields={"parameters": "the notebook has no cell tagged `parameters`"},
        )
    declared = {parameter.name: parameter for parameter in parameters_of(notebook)}
    known = list(declared)
    for name, value in values.items():
        if name not in known or keyword.iskeyword(name):
            raise UnknownParameter(name, known)
        wrong = _not_carried(value)
        if wrong is not None:
            raise BadInput(
                f"The value of {name!r} cannot be carried into a job: {wrong}.",
                hint="Use numbers, text, True, False, None, and lists or dicts of these.",
                fields={f"parameters.{name}": wrong},
            )
        _check_kind(declared[name], value)


def doubtful(notebook: NotebookDict, values: Mapping[str, Any]) -> list[str]:
    """Sentences about values that may be meant otherwise."""
    declared = {parameter.name: parameter for parameter in parameters_of(notebook)}
    said = []
    for name, value in values.items():
        parameter = declared.get(name)
        if parameter is None or value == parameter.default:
            continue
        if type(value) is float and type(parameter.default) is int and not value.is_integer():
            said.append(f"{name} is a whole number in the notebook ({parameter.source}), and gets {value:g}.")
        elif isinstance(value, str) and value.strip().casefold() in _LIKE_LITERALS:
            meant = _LIKE_LITERALS[value.strip().casefold()]
            said.append(f"{name} gets the text {value!r}, as it is written; {meant} is another value.")
    return said


def _check_kind(parameter: Parameter, value: object) -> None:
    """Raises: BadInput for a value of another kind than the notebook's own. None fits everywhere."""
    wants, has = _kind_of(parameter.default), _kind_of(value)
    if not parameter.literal or parameter.default is None or value is None or wants == has:
        return
    written = json.dumps(value, default=str)[:60]
    text_meant = wants == "text"
    quoted = f"--param \"{parameter.name}='{value}'\""
    raise BadInput(
        f"The parameter {parameter.name!r} is {wants} in the notebook ({parameter.source[:60]}), "
        f"and {written} is {has}.",
        hint=f"Where the text is meant, quote it twice: `{quoted}`." if text_meant else f"Give it {wants}.",
        fields={f"parameters.{parameter.name}": f"{wants}, as {parameter.source[:60]}"},
    )


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, (int, float)):
        return "a number"
    kinds = ((str, "text"), ((list, tuple), "a list"), (dict, "a dict"))
    return next((words for kind, words in kinds if isinstance(value, kind)), "another value")


def _is_tuple_default(parameter: Parameter, value: object) -> bool:
    """Whether a list is the parameter's own default, which JSON made of a tuple: that one stays as it is written."""
    if not parameter.literal or not isinstance(value, (list, dict)) or value != parameter.default:
        return False
    return bool(ast.literal_eval(parameter.source) != value)


def _not_carried(value: object, depth: int = 0) -> str | None:
    """Why JSON cannot carry a value, or None when it can."""
    if depth > _DEEPEST:
        return f"it is nested more than {_DEEPEST} deep"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "it is a number of more than 4,000 digits"  # which Python refuses to write out
    if value is None or isinstance(value, (bool, int, float)):
        return None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "its text holds half a character (a lone surrogate)"
        return None
    if isinstance(value, (list, tuple)):
        return next((wrong for item in value if (wrong := _not_carried(item, depth + 1))), None)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return "a key of a dict is not text"
        items = (item for pair in value.items() for item in pair)
        return next((wrong for item in items if (wrong := _not_carried(item, depth + 1))), None)
    return f"it is a {type(value).__name__}, not a literal"


def _as_python(value: object) -> str:
    """An expression that gives the value back. Subclasses (a numpy number) become the plain type they are."""
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f"float({str(float(value))!r})"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_as_python, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_as_python(key)}: {_as_python(item)}' for key, item in value.items())}}}"
    if isinstance(value, str):
        return repr(str(value))
    return repr(value) if value is None or isinstance(value, bool) else repr(int(value))  # type: ignore[call-overload]


def _tagged(notebook: Mapping[str, Any], tag: str) -> int | None:
    """Index of the first code cell with a tag."""
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and tag in tags_of(cell):
            return index
    return None


def _assigned(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [(node.target.id, node.value)]
    return []


def _literal(node: ast.expr) -> tuple[bool, Any]:
    """Whether an expression is a literal that JSON can carry, and its value."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "float"
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Constant)
        and str(node.args[0].value).strip().lower().lstrip("+-") in ("nan", "inf", "infinity")
    ):
        return False, None  # a value, but none that JSON can carry
    try:
        value = ast.literal_eval(node)
        carried = json.loads(json.dumps(value, allow_nan=False))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None
    if _not_carried(value) is not None:
        return False, None
    return True, carried


def _comments(source: str) -> dict[int, str]:
    """The comment at the end of each line."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
                text = token.string.lstrip("#").strip()
                if text and not text.startswith(("type:", "noqa")):
                    found[token.start[0]] = text
    except (tokenize.TokenError, SyntaxError):
        pass  # what was read until there is still right
    return found


def _free_id(cells: list[dict[str, Any]], source: str) -> str:
    """A cell id made from the content that no other cell bears."""
    taken = {cell.get("id") for cell in cells}
    salt = 0
    while (candidate := hashlib.sha256(f"{salt}\n{source}".encode("utf-8", "replace")).hexdigest()[:12]) in taken:
        salt += 1
    return candidate
