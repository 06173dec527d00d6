"""A call of a function -> the notebook of a job."""

from __future__ import annotations

import functools
import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import BuiltinFunctionType, MethodType
from typing import Any

from .carried import import_of
from .notebooks import Parcel, call_of, parcel
from .search import Search, globals_of, space_of

_TAKEN = frozenset({"_shipped", "_returned"})


class Unshippable(Exception):
    """A callable that cannot go along. Attributes: what: it in words. why: a sentence. hint: the way out."""

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(f"{what}: {why} {hint}".rstrip())
        self.what, self.why, self.hint = what, why, hint

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.why, self.hint)


def notebook_of_function(
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    history: Sequence[str] = (),
    directory: Path | None = None,
    pickle: bool = False,
    key: bytes | None = None,
) -> Parcel:
    """The job of one call of a function, whose value comes back as the `value` frame `values.RETURNED`.

    Its source goes along, with that of the functions and classes it uses; its free variables and the globals it uses
    go along as values, as they are now. A function of an installed module, or of one beside the notebook, is imported.

    Args:
        history:   the cells that ran, oldest first (IPython's `In`); none for a function of a file.
        directory: the folder whose modules go along with the bundle; None means the working folder.
        pickle:    whether values may be pickled; then `key` (32 random bytes of this job) goes along and signs them.

    Raises: ValueProblem for a value that cannot travel; Unshippable when the function, or something that it uses,
            cannot go along.
    """
    args, kwargs = tuple(args), dict(kwargs or {})
    while isinstance(function, functools.partial):
        args, kwargs, function = (*function.args, *args), {**function.keywords, **kwargs}, function.func
    what = f"{getattr(function, '__qualname__', type(function).__name__)}"
    directory = directory or Path.cwd()
    _check_callable(function, what, directory)
    _check_arguments(function, what, args, kwargs)
    name = _name_of(function)
    search = Search(directory, set(), takes_values=True)
    names = globals_of(function)
    space = space_of(names, list(history) if names.get("__name__") == "__main__" else None)
    search.root(name, function, space)
    needed = search.found()
    hopeless = [missing for missing in needed.missing if missing.kind == "unshippable"]
    if hopeless:
        first, *others = hopeless
        also = f" {', '.join(missing.name for missing in others)} cannot go along either." if others else ""
        raise Unshippable(first.name, f"{first.why}{also}", first.hint)
    call, sent = call_of(name, args, kwargs)
    waits = "await " if inspect.iscoroutinefunction(inspect.unwrap(function)) else ""
    return parcel(f"_returned = {waits}{call}", needed, sent, "_shipped.give_back(_returned)", pickle=pickle, key=key)


def _check_callable(function: Any, what: str, directory: Path) -> None:
    """Raises: Unshippable for what is no function that can be found again in a job."""
    if isinstance(function, MethodType) and not isinstance(function.__self__, type):
        raise Unshippable(
            what,
            "It is a method of an object, which stays here.",
            "Write a function that makes the object and calls it.",
        )
    if isinstance(function, MethodType):
        raise Unshippable(what, "It is a method of a class.", "Write a function that calls it.")
    is_builtin = isinstance(function, BuiltinFunctionType) or inspect.isroutine(function)
    if inspect.isfunction(inspect.unwrap(function)) or isinstance(function, type):
        return
    if is_builtin and import_of(function, directory) is not None:
        return
    if not callable(function):
        raise Unshippable(what, "It cannot be called.", "Give a function, a notebook (.ipynb) or a script (.py).")
    raise Unshippable(
        what,
        f"It is a {type(function).__name__}, of which there is no source.",
        "Write a function that makes and calls it.",
    )


def _check_arguments(function: Callable[..., Any], what: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raises: Unshippable when the function does not take these arguments: better said now than by a job."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return  # some functions written in C do not tell theirs
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise Unshippable(what, f"It does not take these arguments: {error}.", f"It takes {signature}.") from error


def _name_of(function: Any) -> str:
    """What the function is called in the job's notebook."""
    name = getattr(function, "__name__", "")
    usable = name.isidentifier() and not keyword.iskeyword(name) and name not in _TAKEN
    return name if usable else "function"
