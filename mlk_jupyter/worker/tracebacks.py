"""Tracebacks as a person reads them: their own frames and those of libraries, none of ours."""

from __future__ import annotations

import re
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Set

_PACKAGE = __name__.partition(".")[0] + "."
_CODE_NAME = re.compile(r"\(\d+\.py, line (\d+)\)$")  # of a cell, whose text IPython names by a number


def hide_ours(error: Optional[BaseException], known: Optional[Set[int]] = None) -> None:
    """Takes our frames out of the traceback of an exception, and of those that led to it."""
    known = set() if known is None else known
    if error is None or id(error) in known:
        return
    known.add(id(error))
    error.__traceback__ = without_ours(error.__traceback__)
    hide_ours(error.__cause__, known)
    hide_ours(error.__context__, known)


def without_ours(frames: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    """A traceback without frames of this package; as it is where it has no others."""
    kept = []
    at = frames
    while at is not None:
        if not str(at.tb_frame.f_globals.get("__name__")).startswith(_PACKAGE):
            kept.append(at)
        at = at.tb_next
    if not kept:
        return frames
    made: Optional[types.TracebackType] = None
    for frame in reversed(kept):
        made = types.TracebackType(made, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return made


def said(error: BaseException) -> str:
    """What an exception says of itself, where its own `__str__` works; a cell is no file with a number for a name."""
    try:
        text = str(error)
    except Exception:
        return "<exception str() failed>"  # as Python's own tracebacks say it
    return _CODE_NAME.sub(r"(line \1)", text) if isinstance(error, SyntaxError) else text
