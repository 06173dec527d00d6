"""What the Tab key offers after a magic: options, values where they are known, jobs, profiles, variables, files."""

from __future__ import annotations

import argparse
import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from . import parsing
from .parsing import Parser

_KEPT_S = 3.0
_WAIT_S = 0.5
_ASSIGNED = re.compile(r"^([A-Za-z_]\w*)[^=\n(]*=(?!=)", re.MULTILINE)
_Answer = TypeVar("_Answer")


class Kept(Generic[_Answer]):
    """An answer from afar for somebody who types: waits half a second at most, and asks again after some seconds only.

    An answer that comes too late is there the next time.

    Args:
        ask:   starts asking.
        empty: what is known before the first answer, and after an error.
        clock: seconds, monotonic.
    """

    def __init__(
        self, ask: Callable[[], Future[_Answer]], empty: _Answer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._answer = empty
        self._clock = clock
        self._asked: Future[_Answer] | None = None
        self._until = float("-inf")

    def __call__(self) -> _Answer:
        if self._asked is None and self._clock() >= self._until:
            self._asked = self._ask()
        if self._asked is not None:
            with contextlib.suppress(Exception):  # a Tab key shows nothing rather than a traceback, whatever went wrong
                self._answer = self._asked.result(_WAIT_S)
            if self._asked.done():
                self._asked, self._until = None, self._clock() + _KEPT_S
        return self._answer


@dataclass(frozen=True)
class Known:
    """Where values come from that only others know."""

    jobs: Callable[[], list[str]]
    """Names and ids of the jobs, newest first."""
    places: Callable[[], Mapping[str, list[str]]]
    """Values of options that the places know where jobs run, by the option's dest: backend, queue, gpu_type, …"""
    profiles: Callable[[], list[str]]


def completions(
    magic: str,
    typed: str,
    symbol: str,
    known: Known,
    namespace: Mapping[str, Any],
    folder: Path,
    cell: str = "",
) -> list[str]:
    """What may stand where the cursor is, as what replaces `symbol`.

    Args:
        magic:     name without percent signs.
        typed:     the line from its beginning to the cursor.
        symbol:    the end of `typed` that a choice replaces (IPython cuts at blanks, `=`, `:` and others).
        namespace: the kernel's names.
        folder:    the working folder, for names of files.
        cell:      the lines below.
    """
    parser = parsing.PARSERS[magic]()
    words = typed.split()
    current = "" if typed[-1:].isspace() else words.pop()
    found = _after_profile(words[1:], known) if magic == "k8s_profile" else None
    if found is None:
        if magic == "k8s_profile":
            parser, words = parsing.train("%%mlk"), words[2:]
        files = magic in ("mlk", "k8s_train") and not typed.startswith("%%")
        found, current = _found(parser, words, current, known, namespace, folder, cell, files=files)
    lead = current[: len(current) - len(symbol)] if current.endswith(symbol) else ""
    return [choice[len(lead) :] for choice in found if choice.startswith(current)]


def _found(
    parser: Parser,
    words: list[str],
    current: str,
    known: Known,
    namespace: Mapping[str, Any],
    folder: Path,
    cell: str,
    *,
    files: bool,
) -> tuple[list[str], str]:
    """What fits, and the text that it continues."""
    options = parser.options()
    name, equals, begun = current.partition("=")
    if equals and name in options:
        return _values(options[name], begun, known, namespace, folder, cell)
    before = options.get(words[-1]) if len(words) > 1 else None
    if before is not None and before.nargs != 0:
        return _values(before, current, known, namespace, folder, cell)
    used = {options[word].dest for word in words if word in options}
    offered = [
        name
        for name, action in options.items()
        if action.dest not in used or isinstance(action, argparse._AppendAction)
    ]
    if current.startswith("-") or _given(parser, words[1:]):
        return offered, current
    wants = [action.dest for action in parser.arguments()]
    if "time" in wants:
        return ["30m", "2h", "8h", "off"], current
    if "job" in wants:
        return known.jobs(), current
    if files and "source" in wants:
        return _files(folder, current, (".ipynb", ".py")) or offered, current
    return offered, current


def _given(parser: Parser, words: list[str]) -> bool:
    """Whether a word stands there already that belongs to no option."""
    options = parser.options()
    takes_value = False
    for word in words:
        if not takes_value and not word.startswith("-"):
            return True
        action = options.get(word)
        takes_value = action is not None and action.nargs != 0
    return False


def _after_profile(words: list[str], known: Known) -> list[str] | None:
    """What follows `%k8s_profile`; None where options of a job follow."""
    if not words:
        return ["save", "list", "delete"]
    if len(words) == 1:
        return known.profiles()
    return None if words[0] == "save" else []


def _values(
    action: argparse.Action, begun: str, known: Known, namespace: Mapping[str, Any], folder: Path, cell: str
) -> tuple[list[str], str]:
    """What may follow an option, and the text that it continues."""
    if action.choices is not None:
        return [str(choice) for choice in action.choices], begun
    if action.dest in ("push", "job"):
        last = begun.rpartition(",")[2]
        return _variables(namespace, last), last
    if action.dest == "pull":
        last = begun.rpartition(",")[2]
        return list(dict.fromkeys([*_assigned(cell), *_variables(namespace, last)])), last
    if action.dest == "profile":
        return known.profiles(), begun
    if action.dest in ("file", "cluster_options"):
        return _files(folder, begun), begun
    return known.places().get(action.dest, []), begun


def _assigned(cell: str) -> list[str]:
    """Names that lines begin with, before a `=`: enough for a Tab key, in a cell that may not be Python yet."""
    return _ASSIGNED.findall(cell)


def _variables(namespace: Mapping[str, Any], begun: str) -> list[str]:
    shown = (name for name, value in namespace.items() if not isinstance(value, ModuleType) and not callable(value))
    return sorted(name for name in shown if name.startswith(begun) and (begun or not name.startswith("_")))


def _files(folder: Path, begun: str, endings: Iterable[str] = ()) -> list[str]:
    """Names of files and folders that go on from what was typed; folders end in `/`."""
    lead, slash, start = begun.rpartition("/")
    try:
        entries = sorted((folder / f"{lead}{slash}").iterdir())
    except OSError:
        return []
    wanted = tuple(endings)
    names = []
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name.startswith(".") and not start):
            continue
        if entry.is_dir():
            names.append(f"{lead}{slash}{entry.name}/")
        elif not wanted or entry.suffix in wanted:
            names.append(f"{lead}{slash}{entry.name}")
    return names
