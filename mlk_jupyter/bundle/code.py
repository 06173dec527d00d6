"""Notebook cells as Python syntax trees, and what they tell about a job. Nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from .notebook import source_of

_LINE_MAGIC = re.compile(r"^(\s*)(?:%|!|\?|,|;|/(?=\w))")
_ASSIGNED_MAGIC = re.compile(r"^(\s*)([\w.\[\]'\", ]+?)\s*=\s*[%!](?!=)")
_HELP = re.compile(r"^(\s*)[\w.]+\?{1,2}\s*$")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_RUN = re.compile(r"^\s*%run\s+(?:-\S+\s+)*([^\s;]+)", re.MULTILINE)
_IMPORT = re.compile(r"^\s*(?:import|from)\s")
# Cell magics whose body is Python; that of others (bash, html, writefile, ...) is not.
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "python", "python3", "memit", "mprun", "lprun"})
_LONGEST_NAME = 255  # characters of a text that may name a file
_CONTEXTS = ("multiprocessing_context", "start_method", "method")


def trees(notebook: Mapping[str, Any]) -> list[ast.Module]:
    """One syntax tree for each code cell that can be read."""
    return [tree(source) for source in sources(notebook)]


def sources(notebook: Mapping[str, Any]) -> list[str]:
    """The code cells as they are written."""
    return [source_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tree(source: str) -> ast.Module:
    """The syntax tree of a cell, its magics and shell lines left out; of broken code, its imports."""
    plain = without_magics(source)
    parsed = _parse(plain)
    if parsed is not None:
        return parsed
    lines = (_parse(line.strip()) for line in plain.splitlines() if _IMPORT.match(line))
    return ast.Module(body=[node for line in lines if line is not None for node in line.body], type_ignores=[])


def without_magics(source: str) -> str:
    """A cell's Python, with the same line numbers: what only IPython understands becomes `pass`."""
    lines = source.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    match = _CELL_MAGIC.match(lines[first])
    if match:
        if match[1] not in _PYTHON_MAGICS:
            return ""
        lines[first] = ""
    if _parse("\n".join(lines)) is not None:
        return "\n".join(lines)
    return "\n".join(_plain_line(line) for line in lines)


def cell_magic(source: str) -> tuple[str, str] | None:
    """Name of a cell's magic and what stands below it; None for a cell without one."""
    match = _CELL_MAGIC.match(source)
    return (match[1], source[match.end() :].partition("\n")[2]) if match else None


def runs_files(notebook: Mapping[str, Any]) -> list[str]:
    """Files that the notebook runs with `%run`, as written."""
    sources = (source_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "code")
    return [name.strip("\"'") for source in sources for name in _RUN.findall(source)]


def nodes(parsed: Iterable[ast.Module]) -> list[ast.AST]:
    """All nodes of these trees, for the questions below: walking is what costs time."""
    return [node for root in parsed for node in ast.walk(root)]


def uses(code: Iterable[ast.AST], module: str) -> bool:
    """Whether the code imports a module (or one in its package)."""
    names: list[str] = []
    for node in code:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return any(name == module or name.startswith(f"{module}.") for name in names)


def texts(code: Iterable[ast.AST]) -> list[str]:
    """The short texts that are written in the code, once each, in its order."""
    found = (node.value for node in code if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return list(dict.fromkeys(text for text in found if 0 < len(text) <= _LONGEST_NAME and text.isprintable()))


def experiments(code: Iterable[ast.AST]) -> list[str | None]:
    """What the code gives to `set_experiment`, once each; None where the name is not written out."""
    found: list[str | None] = []
    for call in _calls(code, "set_experiment"):
        named = [keyword.value for keyword in call.keywords if keyword.arg == "experiment_name"]
        value = next(iter([*call.args, *named]), None)
        name = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
        if name not in found:
            found.append(name)
    return found


def spawns_processes(code: Iterable[ast.AST]) -> bool:
    """Whether the code starts processes by `spawn`, which cannot see what a notebook defines."""
    return (
        any(call.args and _is_spawn(call.args[0]) for call in _calls(code, "set_start_method", "get_context"))
        or any(isinstance(node, ast.keyword) and node.arg in _CONTEXTS and _is_spawn(node.value) for node in code)
        # torch.multiprocessing.spawn(fn, ...), but not pexpect.spawn("command")
        or any(call.args and not isinstance(call.args[0], ast.Constant) for call in _calls(code, "spawn"))
    )


def _is_spawn(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("spawn", "forkserver")


def _calls(code: Iterable[ast.AST], *names: str) -> Iterable[ast.Call]:
    for node in code:
        if isinstance(node, ast.Call):
            called = node.func
            known_as = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
            if known_as in names:
                yield node


def _parse(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():  # a person's `"\d"` is not our warning
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _plain_line(line: str) -> str:
    assigned = _ASSIGNED_MAGIC.match(line)
    if assigned:
        return f"{assigned[1]}{assigned[2]} = None"
    for pattern in (_LINE_MAGIC, _HELP):
        match = pattern.match(line)
        if match:
            return f"{match[1]}pass"
    return line
