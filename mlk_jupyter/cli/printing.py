"""All that `mlk` prints but logs: data on stdout, words on stderr, nothing in either that could steer a terminal."""

from __future__ import annotations

import sys

from .. import text


def say(words: str) -> None:
    """Words for a person."""
    print(text.plain_lines(words), file=sys.stderr)


def give(*lines: str) -> None:
    """Data, each on one line whatever is in it."""
    print("\n".join(map(text.plain, lines)), flush=True)


def give_document(document: str) -> None:
    """A document of many lines, which ends its last one itself."""
    print(text.plain_lines(document), end="", flush=True)


def give_json(document: str) -> None:
    """One JSON document. What it says stays as it is: characters that could steer a terminal are written as escapes."""
    print(text.escaped(document), flush=True)
