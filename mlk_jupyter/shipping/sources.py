"""The source of a function that lives in this process: exactly its own text, or a reason why it cannot be had."""

from __future__ import annotations

import ast
import linecache
import warnings
from dataclasses import dataclass
from types import CodeType, FunctionType

from .cells import source_lines


class NoSource(Exception):
    """Attributes: why: a sentence. hint: the way out."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.why, self.hint = why, hint


@dataclass(frozen=True)
class Source:
    """A function's own text."""

    text: str
    """A definition in whole lines (indented as it was), or the expression of a lambda."""
    name: str | None
    """What the definition calls it; None for a lambda."""


def source_of(function: FunctionType, *, bare: bool = False) -> Source:
    """The text of a function.

    Args: bare: leaves its decorators out: the function is what they were given, not what they gave.

    Raises: NoSource.
    """
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    where = "It was typed at a prompt or made from text, so its source is not kept."
    if not lines:
        raise NoSource(where, "Define it in a cell or a file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError) as error:
        raise NoSource("Its source cannot be read any more.", "Run the cell, or import the file, again.") from error
    if code.co_name == "<lambda>":
        return Source(_lambda(code, tree, "".join(lines)), None)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                if bare and node.decorator_list:
                    lines = [*("\n" for _ in lines[: node.lineno - 1]), *lines[node.lineno - 1 :]]
                    node.decorator_list = []
                return Source(source_lines(node, lines), node.name)
    raise NoSource("Its file has changed since it was read.", "Import it again, or restart the kernel.")


def _lambda(code: CodeType, tree: ast.Module, text: str) -> str:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno]
    if len(found) > 1:
        found = _by_place(code, found) or found
    texts = {ast.get_source_segment(text, node) or ast.unparse(node) for node in found}
    if not texts:
        raise NoSource("Its file has changed since it was read.", "Import it again, or restart the kernel.")
    if len(texts) > 1:
        raise NoSource("Several lambdas stand in its line: Python does not say which it is.", "Write it as a `def`.")
    return texts.pop()


def _by_place(code: CodeType, nodes: list[ast.Lambda]) -> list[ast.Lambda]:
    """Those whose body is where the code says that it is (Python 3.11 and later)."""
    positions = getattr(code, "co_positions", None)
    if positions is None:
        return []
    places = [
        (line, column, end_line, end_column)
        for line, end_line, column, end_column in positions()
        if None not in (line, end_line, column, end_column) and end_column
    ]
    inner = []
    for node in nodes:
        body = node.body
        begin, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
        if places and all(begin <= place[:2] and place[2:] <= end for place in places):
            inner.append(node)
    # Of lambdas inside of each other, all that hold the place are found: the code's own is the last to begin.
    return inner[-1:] if inner and all(_holds(node, inner[-1]) for node in inner) else inner


def _holds(outer: ast.Lambda, inner: ast.Lambda) -> bool:
    return inner in ast.walk(outer)
