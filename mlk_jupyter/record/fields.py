"""Reading fields of frames. A frame may hold anything: what has the wrong type counts as missing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def text_of(frame: Mapping[str, Any], name: str, most: int | None = None) -> str | None:
    """A text field, or None. Lone surrogates, which no file can hold, are replaced; `most`: characters of it."""
    value = frame.get(name)
    if not isinstance(value, str):
        return None
    return clean(value if most is None or len(value) <= most else f"{value[: most - 1]}…")


def clean(text: str) -> str:
    """The text as UTF-8 can carry it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def clean_all(value: Any) -> Any:
    """A value as JSON holds it, each text of it as UTF-8 can carry it."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean_all(name): clean_all(of) for name, of in value.items()}
    return [clean_all(of) for of in value] if isinstance(value, list) else value


def whole_of(frame: Mapping[str, Any], name: str) -> int | None:
    """A whole number, or None."""
    value = frame.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53 else None


def count_of(frame: Mapping[str, Any], name: str) -> int | None:
    """A whole number that is not negative, or None."""
    value = whole_of(frame, name)
    return value if value is not None and value >= 0 else None


def number_of(frame: Mapping[str, Any], name: str) -> float | None:
    """A finite number, or None."""
    value = frame.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def lines_of(frame: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts; anything else is no lines."""
    value = frame.get(name)
    return [clean(line) for line in value if isinstance(line, str)] if isinstance(value, list) else []


def is_plain(value: object) -> bool:
    """Whether a notebook file can hold the value: JSON without NaN, infinities, lone surrogates or endless depth."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def metadata_of(raw: object) -> dict[str, Any]:
    """The metadata as it is, or none when a notebook cannot hold it."""
    return dict(raw) if isinstance(raw, Mapping) and is_plain(raw) else {}
