"""What a person may write as one text where a spec holds something else: durations, commands, JSON. Pure."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LITERAL = re.compile(r"'[^']*'")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*")


def is_text(text: str) -> bool:
    """Whether it is UTF-8 text: names of the system may be any bytes, and JSON lets halves of characters through."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def seconds(value: Any) -> Any:
    """A duration in seconds from `90`, `"90"`, `"90s"`, `"15m"`, `"2h"` or `"1.5d"`; other types pass through.

    Raises: ValueError for text that is none of these.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    match = _DURATION.fullmatch(value.lower())
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write for example 90s, 15m, 2h or 1d")
    return round(float(match[1]) * _UNITS[match[2] or "s"])


def words(value: Any) -> Any:
    """A command word by word from one line as a shell reads it, e.g. `dvc pull -r "my remote"`.

    No shell runs it, unless it holds what only a shell understands, e.g. `cd /data && dvc pull`.

    Raises: ValueError for a quote that is never closed.
    """
    if not isinstance(value, str):
        return value
    try:
        plain = shlex.split(value)
        return ["sh", "-c", value] if _is_for_a_shell(value) else plain
    except ValueError as error:
        raise ValueError(f"the command cannot be read: {str(error).lower()}") from error


def _is_for_a_shell(command: str) -> bool:
    """Whether it holds what only a shell understands, in a place where a shell would."""
    expanded = _LITERAL.sub("", command)
    return bool(re.search(r"[$`]", expanded) or re.search(r"[|&;<>\n]", _QUOTED.sub("", expanded)))


def parsed(value: Any) -> Any:
    """What a JSON text holds; None for an empty one.

    Raises: ValueError for text that is not JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from error
