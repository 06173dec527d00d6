"""Figures as people read them, the same on every face: `src/components/format.ts` says them in the same words. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

# Ties are rounded as a browser rounds them: away from zero.
_FOUR_FIGURES = Context(prec=4, rounding=ROUND_HALF_UP)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def number(value: float | None) -> str:
    """A measured value to four significant digits, a whole one below a thousand million in full: `0.0015`, `12345`,
    `1.23e-5`; a word where it is no finite number."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return "not a number"
    if abs(value) < 1e9 and value == int(value):
        return str(int(value))
    rounded = _FOUR_FIGURES.create_decimal_from_float(value)
    if Decimal("1e-4") <= abs(rounded) < 1_000_000:
        return _plain(rounded)
    mantissa, exponent = f"{rounded:.3e}".split("e")
    return f"{_plain(Decimal(mantissa))}e{int(exponent):+d}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units, whole seconds at the least: `7 s`, `2 min 5 s`, `2 h`, `1 d 3 h`."""
    whole = max(0, int(seconds + 0.5))
    if whole < _MINUTE:
        return f"{whole} s"
    for size, unit, below, small in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit} {rest} {small}" if rest else f"{whole // size} {unit}"
    raise AssertionError("a minute is the least of the units")


def took(seconds: float) -> str:
    """How long something took: as `duration`, with tenths below ten seconds: `0.4 s`, `3 s`."""
    return duration(seconds) if seconds >= 9.95 else f"{_tenths(max(0.0, seconds))} s"


def size(count: float) -> str:
    """Bytes in binary units: `512 B`, `1.5 KiB`, `300 MiB`, `3 GiB`."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    figures = str(int(count + 0.5)) if unit == 0 or count >= 100 else _tenths(count)
    return f"{figures} {_UNITS[unit]}"


def _tenths(value: float) -> str:
    return _plain(Decimal(value).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
