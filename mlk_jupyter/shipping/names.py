"""Which global names a piece of code reads and binds. Python's own compiler says so: code is compiled, never run."""

from __future__ import annotations

import ast
import dis
import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType

_READS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_DELETES = frozenset({"DELETE_NAME", "DELETE_GLOBAL"})
_BINDS = frozenset({"STORE_NAME", "STORE_GLOBAL"})
# Code of these names runs as soon as it is reached; that of functions and lambdas when it is called.
_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<generic parameters")
# What Python itself puts into a module or the body of a class.
_OF_PYTHON = frozenset(
    {
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__conditional_annotations__",
        "__builtins__",
        "__class__",
        "__classdict__",
        "__debug__",
        "__spec__",
        "__loader__",
        "__package__",
    }
)


@dataclass
class Names:
    """The names of one piece of code."""

    now: dict[str, None] = field(default_factory=dict)
    """Read while the code runs, in that order, and bound nowhere in it."""
    later: dict[str, None] = field(default_factory=dict)
    """Read by functions that it defines, when they are called."""
    perhaps: dict[str, None] = field(default_factory=dict)
    """Read before the place where it is bound: whether it is needed depends on what happens."""
    bound: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    """Modules that it imports, dotted."""
    stars: list[str] = field(default_factory=list)
    """Modules of which it imports `*`."""
    chains: set[str] = field(default_factory=set)
    """Attributes that it reads from names, dotted: `os.path.join`."""


def names_of(tree: ast.Module, flags: int = 0) -> Names:
    """The names of a module, a cell or a definition.

    Args: flags: of the compiler (`from __future__ import …` of earlier cells).

    Raises: SyntaxError for what the parser lets through and the compiler does not.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(tree, "<cell>", "exec", flags, dont_inherit=True)
    reads: list[tuple[str, bool]] = []  # in order: the name, whether it is read now and was not bound by then
    bound: set[str] = set()
    for what, name, at_once in _walk(code, True):
        if what == "bind":
            bound.add(name)
        elif name not in _OF_PYTHON:
            reads.append((name, at_once and name not in bound))
    names = Names(bound=bound)
    for name, unbound in reads:
        if name not in bound:
            (names.now if unbound else names.later)[name] = None
        elif unbound:
            names.perhaps[name] = None
    for name in names.now:
        names.later.pop(name, None)
    _imports(tree, names)
    return names


def _walk(code: CodeType, at_once: bool) -> Iterator[tuple[str, str, bool]]:
    """("read" | "bind", name, whether this happens at once), in the order of the code."""
    is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)
    is_class = not is_function and code.co_name != "<module>"
    own: set[str] = set()  # what the body of a class binds for itself
    for step in dis.get_instructions(code):
        if isinstance(step.argval, CodeType):
            nested = step.argval
            runs_now = not nested.co_flags & inspect.CO_OPTIMIZED or nested.co_name.startswith(_AT_ONCE)
            yield from _walk(nested, at_once and runs_now)
        elif step.opname in _BINDS:
            if is_class and step.opname == "STORE_NAME":
                own.add(step.argval)
            else:
                yield "bind", step.argval, at_once
        elif step.opname in _READS | _DELETES and not (is_class and step.argval in own):
            yield "read", step.argval, at_once


def _imports(tree: ast.Module, names: Names) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.modules.add(node.module)
            if node.names[0].name == "*":
                names.stars.append(node.module)
        elif isinstance(node, ast.Attribute):
            parts = [node.attr]
            value = node.value
            while isinstance(value, ast.Attribute):
                parts.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name):
                names.chains.add(".".join([value.id, *reversed(parts)]))
