"""An exception of a job, raised here: as the type that it had there, where this process has that type."""

from __future__ import annotations

import ast
import builtins
import contextlib
import re
import sys
from collections.abc import Iterator

from ..record.failure import Failure
from .errors import RemoteError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OS_ERROR = re.compile(r"\[Errno (\d+)\] (.*?)(?:: ('.*?'|\".*?\"))?(?: -> ('.*?'|\".*?\"))?", re.DOTALL)
# Raised in code that waits for a job, these would mean something else to Python.
_NEVER = (StopIteration, StopAsyncIteration)


def as_raised(job_id: str, failure: Failure, module: str | None) -> Exception:
    """What to raise for a failure: of the same type where it can be, else RemoteError.

    Args: module: where its type is defined, if known. It is only looked up among what was imported here already.
    """
    traceback = _COLOUR.sub("", "\n".join(failure.traceback))
    remote = RemoteError(job_id, failure.ename, failure.evalue, traceback, failure.rank, failure.number)
    kind = _type_of(failure.ename, module)
    error = None if kind is None else _made(kind, failure.evalue)
    if error is None:
        return remote
    error.__cause__ = remote
    add_note = getattr(error, "add_note", None)  # Python 3.11
    if add_note is not None:
        where = f"rank {failure.rank}" if failure.number is None else f"rank {failure.rank}, cell {failure.number}"
        add_note(f"It was raised in {where} of {job_id}.")
    return error


def _type_of(ename: str, module: str | None) -> type[Exception] | None:
    """The exception type of this name."""
    found: object = getattr(builtins, ename, None) if module in (None, "builtins") else sys.modules.get(module or "")
    if module not in (None, "builtins"):
        for part in ename.split("."):
            found = vars(found).get(part) if found is not None and hasattr(found, "__dict__") else None
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, _NEVER):
        return found
    return None


def _made(kind: type[Exception], message: str) -> Exception | None:
    """An exception of this type that says the same; None when one message does not make it."""
    for arguments in _arguments(kind, message):
        try:
            error = kind(*arguments)
            if type(error) is kind and str(error) == message:
                return error
        except Exception:  # its constructor wants something else, and may do anything
            continue
    return None


def _arguments(kind: type[Exception], message: str) -> Iterator[tuple[object, ...]]:
    """What its constructor may have been given, the likeliest first."""
    if issubclass(kind, OSError):
        match = _OS_ERROR.fullmatch(message)
        if match is not None:
            files = [ast.literal_eval(text) if text else None for text in match.group(3, 4)]
            yield int(match[1]), match[2], files[0], None, files[1]
            yield int(match[1]), match[2]
    if issubclass(kind, KeyError):
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            yield (ast.literal_eval(message),)
    if not message:
        yield ()
    yield (message,)
