"""A function and its arguments -> a notebook that calls it."""

from __future__ import annotations

import functools
import inspect
import secrets
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..shipping import Parcel, Unshippable, notebook_of_function
from ..worker.values import KEY_BYTES, ValueProblem

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def parcel_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None, *, pickle: bool
) -> Parcel:
    """The job of one call, with the function's source, closure and what it uses.

    Raises: BadInput that names what cannot be shipped, and the way out.
    """
    key = secrets.token_bytes(KEY_BYTES) if pickle else None
    folder = folder_of(function)
    try:
        return notebook_of_function(function, args, kwargs, history=_cells(), directory=folder, pickle=pickle, key=key)
    except Unshippable as problem:
        raise BadInput(f"{problem.what}: {problem.why}", hint=problem.hint) from None
    except ValueProblem as problem:
        raise BadInput(f"{problem.name}: {problem.why}", hint=problem.hint) from None


def name_of(function: Callable[..., Any]) -> str:
    """What a job of this function is called."""
    name = getattr(_innermost(function), "__name__", "")
    return name if name.isidentifier() else "function"


def folder_of(function: Callable[..., Any]) -> Path:
    """The folder of the modules beside a function: that of its file, else the working folder."""
    code = getattr(_innermost(function), "__code__", None)
    file = Path(code.co_filename) if code is not None else Path()
    if not file.is_file() or _INSTALLED.intersection(file.parts):
        return Path.cwd()
    if file.is_relative_to(sysconfig.get_path("stdlib")):
        return Path.cwd()
    folder = file.absolute().parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _innermost(function: Callable[..., Any]) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function)


def _cells() -> list[str]:
    """The cells that ran in this kernel, oldest first; none outside of IPython."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return [str(cell) for cell in shell.user_ns.get("In", ())] if shell is not None else []
