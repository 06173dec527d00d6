"""Cells as syntax trees, IPython's magics and `!` lines made Python; and which statement bound a name last."""

from __future__ import annotations
import __future__

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_CELL_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*([^\n]*)(?:\n|\Z)")
# Cell magics whose body is Python that runs in the notebook, and line magics whose argument is.
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun", "lprun"})
_COMMANDS = frozenset({"run_line_magic", "run_cell_magic", "system", "getoutput"})
_VALUE = re.compile(r"(?<!\$)\$([A-Za-z_]\w*)|\{([^{}\n]+)\}")
_OPTIONS = re.compile(r"^(?:\s*-[a-zA-Z]\w*(?:\s+\d+)?)+\s+")
_FEATURES = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}


def tree_of(source: str) -> ast.Module:
    """The syntax tree of a cell. A cell magic's line is left out; a body that is not Python gives an empty tree.

    Raises: SyntaxError when it is no Python, commands of IPython aside.
    """
    magic = _CELL_MAGIC.match(source)
    before = ""
    if magic:
        if magic[1] not in _PYTHON_MAGICS:
            return ast.Module(body=[], type_ignores=[])
        source = source[magic.end() :]
        words = [word for word in magic[2].split() if word.isidentifier()]
        if magic[1] == "capture" and words:
            before = f"{words[0]} = None\n"  # the magic binds it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a person's `"\d"` is not our warning
        try:
            return ast.parse(before + source)
        except SyntaxError:
            from IPython.core.inputtransformer2 import TransformerManager

            manager: Any = TransformerManager
            transformed: str = manager().transform_cell(source)
            return ast.parse(before + transformed)


def commands_in(tree: ast.AST) -> Iterator[ast.Module]:
    """Python in the texts of magics and `!` lines: `%time f(x)`, `!ls {folder} $name`."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _COMMANDS):
            continue
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if node.func.attr == "run_line_magic" and texts and texts[0] in _PYTHON_MAGICS:
            texts = [_OPTIONS.sub("", text) for text in texts[1:]]
        else:
            texts = [name or inner for text in texts for name, inner in _VALUE.findall(text)]
        for text in texts:
            try:
                yield ast.parse(text.strip())
            except (SyntaxError, ValueError):
                continue  # a shell's own `${…}`, or braces that mean something else


@dataclass(frozen=True)
class Binding:
    """A statement that bound a name."""

    node: ast.stmt
    source: str
    """Its own lines; indented where it stood inside of another statement."""

    @property
    def whole(self) -> str:
        """Python that does the same at the top of a cell."""
        return f"if True:\n{self.source}" if self.source[:1].isspace() else self.source


class History:
    """The cells that ran, and what they bound. Reads a cell when it is first asked for something."""

    def __init__(self, cells: Sequence[str]) -> None:
        self._cells = [cell for cell in cells if cell.strip()]
        self._bindings: dict[str, list[Binding]] | None = None
        self.modules: set[str] = set()
        """Modules that were imported by name, dotted."""
        self.flags = 0
        """The compiler's, from `from __future__ import …`: they hold for all later cells."""
        self.features: list[str] = []

    def of(self, name: str) -> list[Binding]:
        """The statements that bound a name, the latest first."""
        self.read()
        assert self._bindings is not None
        return self._bindings.get(name, [])[::-1]

    def read(self) -> None:
        """Reads all cells, once. A cell that is no Python bound nothing."""
        if self._bindings is not None:
            return
        self._bindings = {}
        for cell in self._cells:
            try:
                tree = tree_of(cell)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            text = cell
            if tree.body and not _fits(tree, cell):
                text = ast.unparse(tree)
                tree = ast.parse(text)
            lines = text.splitlines(keepends=True)
            for node in _statements(tree.body):
                self._note(node, lines)

    def _note(self, node: ast.stmt, lines: list[str]) -> None:
        assert self._bindings is not None
        names = list(bound_by(node))
        if isinstance(node, ast.Import):
            self.modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            self.modules.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
            if node.module == "__future__":
                for alias in node.names:
                    self.flags |= _FEATURES.get(alias.name, 0)
                    if alias.name not in self.features:
                        self.features.append(alias.name)
                return
        if names:
            binding = Binding(node, source_lines(node, lines))
            for name in names:
                self._bindings.setdefault(name, []).append(binding)


def bound_by(node: ast.stmt) -> Iterator[str]:
    """Names that one simple statement or definition binds."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
    elif type(node).__name__ == "TypeAlias":
        yield node.name.id  # type: ignore[attr-defined]


def source_lines(node: ast.stmt, lines: list[str]) -> str:
    """The text of a statement: whole lines of a definition, decorators included, so that nothing in it changes."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        text = "".join(lines[first - 1 : node.end_lineno]).rstrip()
        try:
            ast.parse(f"if True:\n{text}" if text[:1].isspace() else text)
        except SyntaxError:  # it shares a line with something else
            return ast.unparse(node)
        return text
    return ast.get_source_segment("".join(lines), node) or ast.unparse(node)


def _fits(tree: ast.Module, cell: str) -> bool:
    """Whether the tree's places are places in the cell as it was typed: not where commands were made Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(cell)
    except (SyntaxError, ValueError):
        return False
    return True


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a module's own scope, also those inside of `if`, `try`, `with` and loops."""
    for node in body:
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []))
        for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            yield from _statements(part.body)
