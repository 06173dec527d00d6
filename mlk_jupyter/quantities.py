"""Kubernetes quantities: `500m`, `4`, `16Gi`, `1e3`. Exact, as the API server reads and prints them. Pure."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache
from typing import Literal

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))((?:[eE][+-]?\d{1,2})|[KMGTPE]i|[numkMGTPE])?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Decimal("1e-9")
_EXACT = Context(prec=200)
_LONGEST = 100


def parse(quantity: str | int | float) -> Decimal:
    """The exact number; finer than a billionth is rounded away from zero, as the API server does.

    Raises: ValueError for what is no quantity.
    """
    return _parsed(str(quantity).strip())


@lru_cache(maxsize=4096)  # the pods of a large cluster ask for the same few amounts
def _parsed(text: str) -> Decimal:
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{text[:_LONGEST]!r} is not a quantity; write for example 500m, 4, 512Mi or 16Gi")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _DECIMAL:
        value = _EXACT.scaleb(number, _DECIMAL[suffix])
    elif suffix in _BINARY:
        value = _EXACT.multiply(number, Decimal(1024 ** _BINARY.index(suffix)))
    else:
        value = _EXACT.scaleb(number, int(suffix[1:]))
    return _away_from_zero(value)


def find(quantity: object) -> Decimal | None:
    """As `parse`; None for what is no quantity. For what a cluster says."""
    if isinstance(quantity, bool) or not isinstance(quantity, str | int | float):
        return None
    try:
        return parse(quantity)
    except ValueError:
        return None


def printed(value: Decimal | int, form: Literal["decimal", "binary"] = "decimal") -> str:
    """In the API server's canonical form: no fraction, and the largest suffix that leaves none.

    Args: form: `binary` prints multiples of 1024 (`1536Mi`); as in Kubernetes, only whole numbers from 1024 on.
    """
    exact = _away_from_zero(Decimal(value))
    if form == "binary" and exact == exact.to_integral_value() and abs(exact) >= 1024:
        number, step = int(exact), 0
        while number % 1024 == 0 and step < len(_BINARY) - 1:
            number, step = number // 1024, step + 1
        return f"{number}{_BINARY[step]}"
    nanos = int(_EXACT.scaleb(exact, 9))
    if nanos == 0:
        return "0"
    suffixes = list(_DECIMAL)
    step = 0
    while nanos % 1000 == 0 and step < len(suffixes) - 1:
        nanos, step = nanos // 1000, step + 1
    return f"{nanos}{suffixes[step]}"


def form_of(quantity: str) -> Literal["decimal", "binary"]:
    """How a quantity was written, so that a sum or rest of it can be printed alike."""
    return "binary" if quantity.strip().endswith("i") else "decimal"


def cores(quantity: str | int | float) -> float:
    """CPU cores: `500m` is 0.5. Raises: ValueError."""
    return float(parse(quantity))


def size_bytes(quantity: str | int | float) -> int:
    """Bytes, rounded up: `1Gi` is 1073741824. Raises: ValueError."""
    return int(parse(quantity).to_integral_value(ROUND_CEILING))


def whole(quantity: str | int | float) -> int | None:
    """The number if it has no fraction, which is all that extended resources such as GPUs allow (`1000m` is 1).

    Raises: ValueError.
    """
    value = parse(quantity)
    return int(value) if value == value.to_integral_value() else None


def size_in_words(size: int | Decimal) -> str:
    """Bytes as people read them: "512 B", "64 MiB", "1.5 GiB"."""
    amount, unit = Decimal(size), 0
    while abs(amount) >= 1024 and unit < len(_BINARY) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{plain(amount)} {_BINARY[unit]}B"


def cores_in_words(value: Decimal | float) -> str:
    """CPU as people read it: "1 core", "0.5 cores", "16 cores"."""
    text = plain(value)
    return f"{text} core" if text == "1" else f"{text} cores"


def resource_word(resource: str, number: int | None = None) -> str:
    """A resource as people call it: "GPUs" for nvidia.com/gpu, "memory", "CPU"; any other stays as it is."""
    bare = resource.removeprefix("requests.").removeprefix("limits.")
    if bare in ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "nvidia.com/gpu.shared"):
        word = "GPU" if number == 1 else "GPUs"
        return f"shared {word}" if bare.endswith(".shared") else word
    return {
        "cpu": "CPU",
        "memory": "memory",
        "ephemeral-storage": "local disk",
        "pods": "pods",
        "count/pods": "pods",
        "count/jobs.batch": "jobs",
    }.get(bare, bare[:80])


def plain(value: Decimal | float | int) -> str:
    """A number without exponent and needless zeros, to three digits behind the point at most: "0.5", "2", "1.333"."""
    text = f"{Decimal(str(value)):.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _away_from_zero(value: Decimal) -> Decimal:
    """To a billionth; what is smaller never becomes nothing."""
    size = _EXACT.abs(value)
    rounded = size.quantize(_NANO, ROUND_CEILING, context=_EXACT)
    return -rounded if value < 0 else rounded
