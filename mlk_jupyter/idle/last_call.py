"""Whether a cell has anything left to do after the call that it is in: only then nothing is lost with its kernel."""

from __future__ import annotations

import ast
import linecache
import sys
from types import FrameType
from typing import Any

_ON_THE_WAY = ("mlk_jupyter", "IPython", "contextlib")  # between a cell and the call of ours that it makes, magics too
_CELL = ("<module>", "<cell line")


def ends_its_cell() -> bool:
    """Whether the running cell is over when the call of ours that it makes returns.

    True for a last statement that is nothing but that call, or gives its value a name: `job.wait()`,
    `losses = job.result()["losses"]`, `%%mlk`. False in loops and functions, where something follows, and wherever it
    cannot be told: a loop that submits the next job when one is over is no mere waiting.
    """
    frame = _cell(sys._getframe(1))
    if frame is None:
        return False
    try:
        statements = ast.parse("".join(linecache.getlines(frame.f_code.co_filename))).body
    except (SyntaxError, ValueError, RecursionError):
        return False
    last = statements[-1] if statements else None
    if last is None or not last.lineno <= frame.f_lineno <= (last.end_lineno or last.lineno):
        return False
    # Two statements on one line: the frame's line tells nothing of which runs.
    if len(statements) > 1 and (statements[-2].end_lineno or 0) >= last.lineno:
        return False
    return _is_one_call(last)


def _cell(frame: FrameType | None) -> FrameType | None:
    """The cell's own frame, if nothing but ours and IPython lies between; else None."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return None
    while frame is not None:
        if frame.f_globals is shell.user_ns or frame.f_globals is shell.user_global_ns:
            return frame if frame.f_code.co_name.startswith(_CELL) else None
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _ON_THE_WAY:
            return None
        frame = frame.f_back
    return None


def _is_one_call(statement: ast.stmt) -> bool:
    """Whether a statement is a call, or gives a name to its value or a part of that."""
    value = statement.value if isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)) else None
    while isinstance(value, (ast.Subscript, ast.Attribute)):
        value = value.value
    if not isinstance(value, ast.Call):
        return False
    # An argument that is a call of its own may be the one that waits, and then the rest comes after it.
    calls = [node for node in ast.walk(value) if isinstance(node, ast.Call)]
    inner = [part for call in calls for argument in (*call.args, *call.keywords) for part in ast.walk(argument)]
    busy = (ast.Call, ast.Await, ast.comprehension)
    return not any(isinstance(part, busy) for part in inner)
