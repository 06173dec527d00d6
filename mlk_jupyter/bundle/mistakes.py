"""What of a notebook's code cannot go well, found before anything runs. Nothing is run."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..model.api import Finding, Level
from .code import cell_magic, tree
from .notebook import numbered, source_of, tags_of

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
SYNTAX = "syntax_error"
"""Code of the finding that depends on the version of Python."""


def mistakes(notebook: Mapping[str, Any]) -> list[Finding]:
    """Cells that are no Python, and shares of `progress()` that are none, by the numbers that a person sees."""
    found: list[Finding] = []
    cells = list(numbered(notebook))
    changes_input = any("input_transform" in source_of(cell) for _, cell in cells)  # then it may be any language
    ours = _Ours()
    for number, cell in cells:
        source = source_of(cell)
        if not changes_input and "raises-exception" not in tags_of(cell):
            found += _syntax(number, source)
        parsed = tree(source)
        ours.learn(parsed)
        found += (_share(number, share) for share in ours.shares(parsed))
    return found


def lowered(findings: Iterable[Finding]) -> list[Finding]:
    """As warnings where they are errors of this Python, and the job's may be another."""
    return [
        finding.model_copy(update={"level": Level.WARNING, "hint": "Correct it, unless the job's Python is newer."})
        if finding.code == SYNTAX
        else finding
        for finding in findings
    ]


def _syntax(number: int, source: str) -> list[Finding]:
    error = _error(source)
    if error is None:
        return []
    line = f", line {error.lineno}" if error.lineno else ""
    code = f": {error.text.strip()[:100]}" if error.text and error.text.strip() else "."
    return [
        Finding(
            level=Level.ERROR,
            code=SYNTAX,
            text=f"Cell {number}{line} is no Python ({error.msg}){code}",
            hint="Correct it; where it is meant, tag the cell `raises-exception` or `skip-execution`.",
            field="notebook",
        )
    ]


# IPython takes a cell of one line for a magic without its %, where there is one of that name: `pip install pandas`.
_AUTOMAGIC = re.compile(r"\s*[A-Za-z_]\w*[ \t]+[\w./~$'\"-][^\n]*\s*")


def _error(source: str) -> SyntaxError | None:
    """Why a cell cannot be compiled, as IPython would; None where it can."""
    magic = cell_magic(source)
    if magic is not None:
        name, body = magic
        return _error(f"\n{body}") if name in ("time", "capture", "prun") else None
    first = _compiled(source)
    if first is None:
        return None
    from IPython.core.inputtransformer2 import TransformerManager

    transformer: Any = TransformerManager
    try:
        error = _compiled(transformer().transform_cell(source))
    except SyntaxError as refused:
        error = refused
    if _AUTOMAGIC.fullmatch(source) and not keyword.iskeyword(source.split()[0]):
        return None  # which magics there will be, only the shell that runs it knows
    return first if error is not None and error.msg == first.msg else error  # whose lines are those of the cell


def _compiled(source: str) -> SyntaxError | None:
    try:
        with warnings.catch_warnings():  # a person's `"\d"` is not our warning
            warnings.simplefilter("ignore")
            compile(source, "cell", "exec", _FLAGS, dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return None  # it cannot be told here
    return None


class _Ours:
    """Under which names a notebook has `mlk_jupyter.progress`."""

    def __init__(self) -> None:
        self._modules: set[str] = set()
        self._functions: set[str] = set()

    def learn(self, parsed: ast.Module) -> None:
        for node in ast.walk(parsed):
            if isinstance(node, ast.Import):
                names = [alias.asname or alias.name for alias in node.names if alias.name == "mlk_jupyter"]
                self._modules.update(names)
            elif isinstance(node, ast.ImportFrom) and node.module == "mlk_jupyter":
                self._functions.update(alias.asname or alias.name for alias in node.names if alias.name == "progress")

    def shares(self, parsed: ast.Module) -> Iterator[float]:
        """Those written out that are none."""
        for node in ast.walk(parsed):
            if isinstance(node, ast.Call) and self._is_progress(node.func):
                given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "fraction")]
                for value in given:
                    try:
                        share = ast.literal_eval(value)
                    except (ValueError, TypeError):
                        continue
                    if isinstance(share, (int, float)) and not 0 <= share <= 1:
                        yield float(share)

    def _is_progress(self, called: ast.expr) -> bool:
        if isinstance(called, ast.Attribute):
            return called.attr == "progress" and isinstance(called.value, ast.Name) and called.value.id in self._modules
        return isinstance(called, ast.Name) and called.id in self._functions


def _share(number: int, share: float) -> Finding:
    text = f"Cell {number} calls progress({share:g}): a share is from 0 to 1, so {min(1, max(0, share))} is shown."
    return Finding(level=Level.WARNING, code="progress_share", text=text, hint="Divide by the total.", field="notebook")
