"""The search for what code needs: each global that it reads is an import, a definition, a value, or missing."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import linecache
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal

from ..worker import values
from .carried import import_of, is_carried
from .cells import Binding, History, commands_in, tree_of
from .found import Definition, Missing, Needed
from .names import Names, names_of
from .sources import NoSource, source_of

Kind = Literal["function", "class", "statement"]

LOAD = "_shipped.load"
"""What a job's notebook calls to get a value (worker/shipped.py)."""

# A notebook has these in a job, too.
_OF_IPYTHON = frozenset({"get_ipython", "In", "Out", "exit", "quit", "display", "open", "_dh", "_oh", "_ih"})
_OUTPUTS = ("_", "__", "___", "_i", "_ii", "_iii")
# Values that only a statement can make again: types, and what stands for one in annotations.
_MADE_BY_STATEMENTS = frozenset({"typing", "types", "typing_extensions"})


@dataclass(frozen=True)
class Space:
    """Where names are looked up: a kernel's or a module's globals, and the statements that bound them."""

    names: Mapping[str, Any]
    history: History


class Search:
    """Collects what code needs. `takes_values`: global values go along unasked (a function's; a cell's are pushed)."""

    def __init__(self, directory: Path, pushed: set[str], *, takes_values: bool = False) -> None:
        self._directory, self._pushed, self._takes_values = directory, pushed, takes_values
        self._bound: dict[str, Any] = {}  # names in the job, and what they stand for here
        self._imports: dict[str, None] = {}
        self._definitions: list[Definition] = []
        self._values: dict[str, Any] = {}
        self._missing: dict[str, Missing] = {}
        self._modules: set[str] = set()
        self._notices: dict[str, None] = {}
        self._features: dict[str, None] = {}

    def found(self) -> Needed:
        """All that was found."""
        future = [f"from __future__ import {', '.join(self._features)}"] if self._features else []
        return Needed(
            imports=[*future, *sorted(self._imports, key=lambda text: (text.startswith("from "), text))],
            definitions=self._definitions,
            values=self._values,
            missing=list(self._missing.values()),
            modules=sorted(self._modules),
            notices=list(self._notices),
        )

    def code(self, tree: ast.Module, space: Space) -> None:
        """Looks for all that a piece of code reads. Raises: SyntaxError."""
        names = names_of(tree, space.history.flags)
        self._all(names, space, later=True)
        for command in commands_in(tree):
            for name in names_of(command).now:
                if name in space.names and name not in names.bound:
                    self.name(name, space, names)
        self._features.update(dict.fromkeys(space.history.features))

    def name(self, name: str, space: Space, names: Names) -> None:
        """Looks for one name that the code reads."""
        if name in self._pushed:
            return
        if name not in space.names:
            if name not in self._bound:  # else it is one of ours
                self._unknown(name, names)
            return
        value = space.names[name]
        if getattr(builtins, name, self) is value or (name in _OF_IPYTHON and not space.history.of(name)):
            return
        if name in self._bound:
            if self._bound[name] is not value:
                self._lacks(name, "unshippable", "Two different things of this name are used.", "Rename one of them.")
            return
        self._bound[name] = value
        self.bind(name, value, space, names)

    def root(self, name: str, value: Any, space: Space) -> None:
        """Looks for all that one function or class needs, which the job calls by this name."""
        self._bound[name] = value
        self.bind(name, value, space)

    def bind(self, name: str, value: Any, space: Space, names: Names | None = None) -> None:
        """Makes `name` stand for `value` in the job."""
        if isinstance(value, ModuleType):
            self._module(name, value, space, names or Names())
        elif self._imported(name, value, space):
            return
        elif inspect.isroutine(value) or isinstance(value, (type, functools.partial)) or _is_wrapper(value):
            self._callable(name, value, space)
        elif type(value).__module__ in _MADE_BY_STATEMENTS and self._by_statement(name, value, space):
            return
        else:
            self._value(name, value)

    # -- kinds of values ----------------------------------------------------------------------------------------------

    def _module(self, name: str, module: ModuleType, space: Space, names: Names) -> None:
        path = module.__name__
        if path == "__main__":
            self._lacks(name, "unshippable", "It is the notebook itself, as a module.", "Use its names directly.")
            return
        self._import(f"import {path}" if path == name else f"import {path} as {name}", path)
        if "." in path and path != name:
            package, _, last = path.rpartition(".")
            if last == name:  # reads better, and is the same
                self._imports.pop(f"import {path} as {name}", None)
                self._import(f"from {package} import {name}", path)
        for chain in sorted(names.chains):
            first, *parts = chain.split(".")
            at: Any = module
            for part in parts if first == name else []:
                at = getattr(at, part, None)
                if not isinstance(at, ModuleType) or not at.__name__.startswith(f"{path}."):
                    break
                if at.__name__ in space.history.modules or (path == name and not space.history.modules):
                    self._import(f"import {at.__name__}", at.__name__)

    def _imported(self, name: str, value: Any, space: Space) -> bool:
        """Whether a job gets it by an import: the one that was run here, or one from where it was defined."""
        for binding in space.history.of(name):  # any that gives this very value
            if isinstance(binding.node, ast.ImportFrom) and binding.node.module and not binding.node.level:
                module = binding.node.module
                for alias in binding.node.names:
                    same = (alias.asname or alias.name) == name and _attribute(module, alias.name) is value
                    if same and is_carried(module, self._directory):
                        self._import_from(module, alias.name, name)
                        return True
        home = import_of(value, self._directory) if callable(value) else None
        if home is not None:
            self._import_from(*home, name)
        return home is not None

    def _callable(self, name: str, value: Any, space: Space) -> None:
        space = self._home_of(value, space)
        last = next(iter(space.history.of(name)), None)
        try:
            if isinstance(value, type):
                self._class(name, value, space)
            elif isinstance(value, FunctionType) and not (_is_decorated(value, last) or _is_remote(value)):
                self._function(name, value, space)
            elif not self._by_statement(name, value, space):
                inner = inspect.unwrap(value)
                if not isinstance(inner, FunctionType):
                    raise NoSource(f"It is {_kind(value)} whose source cannot be found.", "Define it as a function.")
                self._function(name, inner, space)
        except NoSource as problem:
            self._lacks(name, "unshippable", problem.why, problem.hint)

    def _function(self, name: str, value: FunctionType, space: Space) -> None:
        closure = _closure(value)
        inside = "<locals>" in value.__qualname__
        try:
            source = source_of(value, bare=inside)
        except NoSource:
            if inside or not self._by_statement(name, value, space, kinds=(ast.FunctionDef, ast.AsyncFunctionDef)):
                raise
            return
        if source.name == name and not closure and not source.text[:1].isspace():
            text = source.text
        else:
            text = self._made(name, value, source.text, source.name, closure, space)
        self._define(name, "function", text, space)

    def _made(
        self, name: str, value: FunctionType, text: str, own: str | None, closure: dict[str, Any], space: Space
    ) -> str:
        """Source that makes a function which cannot stand at the top of a cell as it is: it has free variables, or
        another name there."""
        if own is None and not closure:
            return f"{name} = ({text})" if "\n" in text else f"{name} = {text}"
        given = []
        for variable, content in closure.items():
            if content is value:
                continue  # it calls itself by this name
            inner = f"{name}_{variable}"
            while inner in space.names or self._bound.get(inner, content) is not content:
                inner += "_"
            if isinstance(content, (FunctionType, type, ModuleType)) or inspect.isroutine(content):
                self._bound.setdefault(inner, content)
                self.bind(inner, content, self._home_of(content, space))
                given.append(f"{variable}={inner}")
            else:
                label = f"{name}.{variable}"
                self._value(label, content, always=True)
                given.append(f"{variable}={LOAD}({label!r})")
        parameters = ", ".join(item.partition("=")[0] for item in given)
        if own is None:
            itself = next((variable for variable, content in closure.items() if content is value), "_it")
            body = f"    {itself} = ({text})\n    return {itself}"
        else:
            indent = text[: len(text) - len(text.lstrip())] or "    "
            lines = text if text[:1].isspace() else _indented(text)
            body = f"{lines}\n{indent}return {own}"
        return f"def _make_{name}({parameters}):\n{body}\n\n\n{name} = _make_{name}({', '.join(given)})"

    def _class(self, name: str, value: type, space: Space) -> None:
        if "<locals>" in value.__qualname__:
            raise NoSource("It is a class defined inside of a function.", "Define it at the top of a cell.")
        for binding in space.history.of(value.__name__):
            node = binding.node
            if not isinstance(node, ast.ClassDef) or _is_other(node, value):
                continue
            alias = "" if value.__name__ == name else f"\n\n\n{name} = {value.__name__}"
            self._define(name, "class", binding.whole + alias, space)
            return
        if not self._by_statement(name, value, space):
            raise NoSource("It is a class whose source cannot be found.", "Define it in a cell or a file.")

    def _by_statement(self, name: str, value: Any, space: Space, kinds: tuple[type, ...] = ()) -> bool:
        """Whether the statement that bound it last goes along: a decorated definition, `partial(…)`, a type."""
        for binding in space.history.of(name)[:1]:
            kinds = kinds or (ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign)
            if isinstance(binding.node, kinds) or type(binding.node).__name__ == "TypeAlias":
                is_def = isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef))
                self._define(name, "function" if is_def else "statement", binding.whole, space, binding)
                return True
        return False

    def _value(self, name: str, value: Any, *, always: bool = False) -> None:
        bound = values.bound_here(value)
        if bound is not None:
            self._lacks(name, "unshippable", *bound)
        elif always or self._takes_values:
            self._values[name] = value
        else:
            why = f"It is {_kind(value)} of the notebook, which does not go along unasked."
            self._lacks(name, "value", why, f"Send it: `--push {name}`.")

    # -- noting -------------------------------------------------------------------------------------------------------

    def _all(self, names: Names, space: Space, *, later: bool) -> None:
        self._modules.update(names.modules)
        for name in names.now:
            self.name(name, space, names)
        for name in names.perhaps:
            if name in space.names:
                self.name(name, space, names)
        for name in names.later if later else ():
            self.name(name, space, names)

    def _define(
        self,
        name: str,
        kind: Literal["function", "class", "statement"],
        text: str,
        space: Space,
        by: Binding | None = None,
    ) -> None:
        """Takes a definition; before it what it needs when it is run, after it what it needs when it is called."""
        names = names_of(tree_of(text), space.history.flags)
        for other in names.bound - {name, f"_make_{name}", LOAD.partition(".")[0]}:
            if by is not None and other in space.names:
                self._bound.setdefault(other, space.names[other])  # `a, b = …` makes both
        names.now.pop(LOAD.partition(".")[0], None)
        self._features.update(dict.fromkeys(space.history.features))
        self._all(names, space, later=False)
        self._definitions.append(Definition(name, kind, text))
        for later in names.later:
            self.name(later, space, names)

    def _unknown(self, name: str, names: Names) -> None:
        if hasattr(builtins, name) or name in _OF_IPYTHON or names.stars:
            return
        if name in _OUTPUTS or (name[:1] == "_" and name.lstrip("_i").isdigit()):
            self._lacks(
                name, "undefined", "It is an output or input of the notebook.", "Give it a name, and push that."
            )
        else:
            self._lacks(name, "undefined", "It is not defined here.", "Define it, or run the cell that does.")

    def _lacks(self, name: str, kind: Literal["value", "undefined", "unshippable"], why: str, hint: str) -> None:
        self._missing.setdefault(name, Missing(name, kind, why, hint))

    def _import(self, statement: str, module: str) -> None:
        self._imports[statement] = None
        self._modules.add(module)
        if not is_carried(module, self._directory):
            top = module.partition(".")[0]
            self._notices[f"Module {top} is neither installed nor beside the notebook: the job has it only where its "
                          "environment does. Move it beside the notebook, or name it in `files`."] = None  # fmt: skip

    def _import_from(self, module: str, attribute: str, name: str) -> None:
        self._import(f"from {module} import {attribute}" + (f" as {name}" if attribute != name else ""), module)

    def _home_of(self, value: Any, space: Space) -> Space:
        """Where the names of a definition are looked up: in its own module, where that is another one."""
        own = globals_of(value)
        if not own or own is space.names or own.get("__name__") == space.names.get("__name__"):
            return space
        return space_of(own)


def globals_of(value: Any) -> Mapping[str, Any]:
    """The names that a function's or a class' code reads; empty where they cannot be found."""
    if isinstance(value, type):
        return vars(sys.modules[value.__module__]) if value.__module__ in sys.modules else {}
    found: Mapping[str, Any] = getattr(inspect.unwrap(value) if callable(value) else value, "__globals__", {})
    return found


def space_of(names: Mapping[str, Any], history: list[str] | None = None) -> Space:
    """A module's globals, and its file as what was run."""
    if not history:
        file = names.get("__file__")
        history = ["".join(linecache.getlines(file))] if isinstance(file, str) else []
    space = Space(names, History(history))
    space.history.read()
    return space


def _closure(function: FunctionType) -> dict[str, Any]:
    """The free variables of a function. Raises: NoSource for one that is not set, or a method's class."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name == "__class__":
            raise NoSource("It is a method that needs its class.", "Write a function that makes the object.")
        try:
            found[name] = cell.cell_contents
        except ValueError:
            raise NoSource(f"Its variable {name!r} is not set yet.", "Use it after that is set.") from None
    return found


def _is_wrapper(value: Any) -> bool:
    return callable(value) and isinstance(getattr(value, "__wrapped__", None), FunctionType)


def _is_remote(value: FunctionType) -> bool:
    """Whether it is what `@mlk_jupyter.remote` made of a function: in a job, that is the function as it is."""
    return "__mlk_remote__" in vars(value)


def _is_decorated(value: FunctionType, last: Binding | None) -> bool:
    """Whether a function is what a decorator made of the definition that bound its name."""
    if last is None or not isinstance(last.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return bool(last.node.decorator_list) and value.__code__.co_name != last.node.name


def _is_other(node: ast.ClassDef, value: type) -> bool:
    """Whether a class cannot come from this statement: it has a method that the class lacks."""
    methods = {part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return not methods <= set(vars(value))


def _attribute(module: str, name: str) -> Any:
    found = getattr(sys.modules.get(module), name, None)
    return found if found is not None else sys.modules.get(f"{module}.{name}")


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _indented(text: str) -> str:
    """A definition one level deeper, texts over several lines in it left as they are."""
    import io
    import tokenize

    inside: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
        if token.start[0] != token.end[0]:
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = text.split("\n")
    return "\n".join(line if at in inside or not line else f"    {line}" for at, line in enumerate(lines, 1))
