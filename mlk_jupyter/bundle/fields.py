"""What the parts of the submit dialog share: a model's field as a form's, a duration as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
DURATION_HINTS = {"mistake": "a duration, for example 90s, 15m, 2h or 1d"}
"""`ui:options` of a field that holds one: what a form says of text that is none."""
AS_DURATION = r"^\s*\d+(\.\d+)?\s*[smhdSMHD]?\s*$"
"""What a field for a duration takes."""


def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without the null branch: in a form, a field that may be None is one that may be left empty."""
    branches = [branch for branch in schema.get("anyOf", []) if branch.get("type") != "null"]
    field = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if len(branches) == 1:
        field.update(branches[0])
    if field.get("default", 0) is None:
        del field["default"]
    return field


def span(seconds: int) -> str:
    """Seconds in the largest unit that keeps them whole: 7200 is "2h"."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"
