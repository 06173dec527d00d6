"""Quantities of resources, exactly, and as the API server writes them."""

from __future__ import annotations

import re
from decimal import Decimal

SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?\d*\.?\d*)([eE][+-]?\d+)?(n|u|m|k|[KMGTPE]i?)?")
WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def amount(text: object) -> Decimal:
    """The exact value. Raises `ValueError`."""
    match = _QUANTITY.fullmatch(str(text))
    if not match or not re.search(r"\d", match[1]):
        raise ValueError(WRONG)
    return Decimal(match[1] + (match[2] or "")) * SUFFIXES[match[3] or ""]


def written(value: Decimal, like: str = "") -> str:
    """As the server prints a sum: in the family of suffixes of `like` (binary or decimal)."""
    if value == 0:
        return "0"
    if like.endswith("i"):
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            if value % SUFFIXES[suffix] == 0:
                return f"{int(value / SUFFIXES[suffix])}{suffix}"
    if value != value.to_integral_value():
        for suffix in ("m", "u", "n"):
            if (value / SUFFIXES[suffix]) % 1 == 0:
                return f"{int(value / SUFFIXES[suffix])}{suffix}"
    for suffix in ("E", "P", "T", "G", "M", "k"):
        if value % SUFFIXES[suffix] == 0:
            return f"{int(value / SUFFIXES[suffix])}{suffix}"
    return str(int(value))
