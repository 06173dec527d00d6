"""Values of a policy as people write them: "1h30m", "shadow", "2.5". What may be meant otherwise is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = r"[0-9]+(?:\.[0-9]+)?"
_LENGTH = re.compile(rf"(?:({_PART})d)? ?(?:({_PART})h)? ?(?:({_PART})m)? ?(?:({_PART})s)?")
_NUMBER = re.compile(_PART)
_LONGEST_S = 366 * 86_400.0
_SHOWN = 60


class Unusable(ValueError):
    """A text that is no such value.

    Attributes:
        why:   what is wrong with it, as the rest of a sentence: "is 'soon', which is no length of time".
        write: what to write instead: "30m, 2h, 1d, 1h30m or a number of seconds".
    """

    def __init__(self, why: str, write: str) -> None:
        super().__init__(f"{why}; write {write}")
        self.why, self.write = why, write


def shown(value: object) -> str:
    """What somebody wrote, in quotes and not longer than a line."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        text = "a number beyond all bounds"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def length(text: str) -> float:
    """Seconds: "30m", "2h", "1d", "1h30m"; a bare number is seconds; 0 is no limit.

    Raises: Unusable for anything else, for what is shorter than a second, and for more than 366 days.
    """
    write = "for example 30m, 2h, 1d, 1h30m or a number of seconds; 0 for no limit"
    text = text.strip()
    parts = _LENGTH.fullmatch(text) if text else None
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif parts is not None:
        seconds = sum(float(part) * unit for part, unit in zip(parts.groups(), _UNITS.values(), strict=True) if part)
    else:
        raise Unusable(f"is {shown(text)}, which is no length of time", f"{write}")
    if seconds > _LONGEST_S:
        raise Unusable(f"is {shown(text)}, which is more than 366 days", write)
    if 0 < seconds < 1:
        raise Unusable(f"is {shown(text)}, which is less than a second", write)
    return seconds


def number(least: float, most: float, *, example: str) -> Callable[[str], float]:
    """A reader of plain numbers greater than `least` and not greater than `most`."""

    def read(text: str) -> float:
        write = f"a number above {least:g} and up to {most:g}, for example {example}"
        if _NUMBER.fullmatch(text.strip()) is None:
            raise Unusable(f"is {shown(text)}, which is no such number", write)
        value = float(text)
        if not least < value <= most:
            raise Unusable(f"is {shown(text)}, which is out of range", write)
        return value

    return read


def choice(*words: str) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        word = text.strip()
        if word in words:
            return word
        write = f"{', '.join(words[:-1])} or {words[-1]}"
        if "off" in words and word.lower() in ("false", "no", "off"):
            write += " (YAML makes False of a bare off: put it in quotes)"
        raise Unusable(f"is {shown(text)}, which is none of its values", write)

    return read


def switch(text: str) -> bool:
    """Whether something is on: true, 1, yes and on, or false, 0, no and off. Raises: Unusable."""
    word = text.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise Unusable(f"is {shown(text)}, which is neither on nor off", "on or off")


def price(text: str) -> float | None:
    """Of an hour; None, unknown, for an empty text. Raises: Unusable."""
    if not text.strip():
        return None
    write = "a number, for example 2.48, and the currency into MLK_CURRENCY; leave it out where it is not known"
    if _NUMBER.fullmatch(text.strip()) is None or float(text) > 1e6:
        raise Unusable(f"is {shown(text)}, which is no price", write)
    return float(text)


def currency(text: str) -> str:
    """An ISO 4217 code. Raises: Unusable."""
    if re.fullmatch(r"[A-Z]{3}", text.strip()) is None:
        raise Unusable(f"is {shown(text)}, which is no currency", "its code in three letters, for example USD or EUR")
    return text.strip()


def web_address(text: str) -> str:
    """An address to post to; empty: none. The refusal does not repeat it: such addresses hold secrets.

    Raises: Unusable.
    """
    address = text.strip()
    if address and (re.fullmatch(r"https?://[^\s/?#@]+(?:[/?#]\S*)?", address) is None or not address.isprintable()):
        raise Unusable("is no web address", "one that begins with https:// or http:// and holds no user name")
    return address


def without_secrets(address: str) -> str:
    """Scheme and host of a web address: the login stands before the host, and many services' paths and queries are
    passwords themselves.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        return "…" if address else ""
    return f"{parts.scheme}://{host}/…"


def label(text: str) -> str:
    """One short line. Raises: Unusable."""
    if len(text) > 200 or not text.isprintable():
        raise Unusable(f"is {shown(text)}, which is no name", "at most 200 characters on one line")
    return text.strip()


def as_text(value: Any) -> str:
    """What metadata or a setting holds, as it would be written in a variable. Raises: Unusable."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:  # NaN is not
        return f"{value:f}"
    raise Unusable(f"is {shown(value)}, which is neither text nor a number", "text or a number")
