"""JSON of the API server to plain data, so that a large list never holds up the event loop. Pure.

Decoding in a thread is not enough: the decoder keeps the interpreter to itself for as long as one call takes. So a list
is decoded item by item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Keep = Callable[[dict[str, Any]], "dict[str, Any] | None"]
"""What is kept of an object; None: it is not wanted."""

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")


class NotAnObject(ValueError):
    """The text is no JSON object."""


def decode(raw: bytes) -> dict[str, Any]:
    """One JSON object.

    Raises: NotAnObject.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise NotAnObject(str(error)) from error
    if not isinstance(value, dict):
        raise NotAnObject(f"a {type(value).__name__} instead of an object")
    return value


def decode_list(raw: bytes, keep: Keep | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the list's metadata, its items): what `keep` leaves of each, with the kind that lists do not repeat.

    Raises: NotAnObject.
    """
    try:
        head, items = _members(raw.decode("utf-8"), keep)
    except (ValueError, IndexError, RecursionError) as error:
        raise NotAnObject(str(error)) from error
    metadata = head.get("metadata")
    if not isinstance(metadata, dict):
        raise NotAnObject("a list without metadata")
    return metadata, items


def _members(text: str, keep: Keep | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The object's members, `items` apart. Its kind stands before the items or (custom resources) behind them."""
    head: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    finished = True
    place = _after(text, 0, "{")
    while text[place] != "}":
        key, place = _DECODER.raw_decode(text, place)
        place = _after(text, place, ":")
        if key == "items" and text[place] == "[":
            finished = "kind" in head
            place = _items(text, place, items, _with_kind(head, keep) if finished else None)
        else:
            head[key], place = _DECODER.raw_decode(text, place)
        place = _blank(text, place)
        if text[place] == ",":
            place = _blank(text, place + 1)
    if not finished:
        finish = _with_kind(head, keep)
        items = [kept for kept in map(finish, items) if kept is not None]
    return head, items


def _items(text: str, place: int, items: list[dict[str, Any]], finish: Keep | None) -> int:
    place = _after(text, place, "[")
    while text[place] != "]":
        item, place = _DECODER.raw_decode(text, place)
        if not isinstance(item, dict):
            raise ValueError("an item that is no object")
        kept = finish(item) if finish else item
        if kept is not None:
            items.append(kept)
        place = _blank(text, place)
        if text[place] == ",":
            place = _blank(text, place + 1)
    return place + 1


def _with_kind(head: dict[str, Any], keep: Keep | None) -> Keep:
    kind = str(head.get("kind", "")).removesuffix("List")
    version = head.get("apiVersion")

    def finish(item: dict[str, Any]) -> dict[str, Any] | None:
        item.setdefault("kind", kind)
        item.setdefault("apiVersion", version)
        return keep(item) if keep else item

    return finish


def _blank(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place


def _after(text: str, place: int, letter: str) -> int:
    place = _blank(text, place)
    if text[place] != letter:
        raise ValueError(f"{letter!r} expected at {place}")
    return _blank(text, place + 1)
