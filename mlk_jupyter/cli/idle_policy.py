"""`mlk idle policy check` and `mlk idle replay`: whether a policy can be used, and what it would have saved."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import text
from ..errors import BadInput
from ..figures import duration
from ..idle.policy import VALUES, Configured, as_values, check, configured
from ..idle.replay import replay_files
from ..idle.replay_report import as_json, as_text
from ..record.places import data_dir
from .printing import give, give_json, say

_BAD = 1


def policy(options: argparse.Namespace) -> int:
    """`mlk idle policy check`: the policy with the source of each value, or each mistake; 1 where there is one."""
    env = dict(os.environ) if options.file is None else environment_of(Path(options.file))
    mistakes = check(env)
    if options.json:
        found = None if mistakes else configured(env)
        said = {"values": as_values(found.policy), "sources": found.sources} if found else {}
        give_json(json.dumps({"mistakes": mistakes, **said}))
    elif mistakes:
        for mistake in mistakes:
            say(mistake)
    else:
        give(*_shown(configured(env)))
    return _BAD if mistakes else 0


def replay(options: argparse.Namespace) -> int:
    """`mlk idle replay`: what another policy would have done on the recorded signals."""
    env = dict(os.environ)
    for given in options.policy:
        name, equals, value = given.partition("=")
        env |= {name.strip(): value.strip()} if equals else environment_of(Path(given))
    chosen = configured(env).policy
    places = [Path(place) for place in options.audit] or [data_dir() / "idle"]
    try:
        found = replay_files(places, chosen)
    except OSError as error:
        raise BadInput(
            f"{error.filename or places[0]}: {error.strerror}.",
            hint="Name an audit file, or the folder `idle` of a data directory that holds some.",
        ) from error
    if options.json:
        give_json(json.dumps(as_json(found)))
    else:
        give(*as_text(found).split("\n"))
    return 0


def environment_of(file: Path) -> dict[str, str]:
    """The variables of a file of KEY=VALUE lines, as a shell or Docker reads it: comments, `export` and quotes too.

    Raises: BadInput naming the line that is none.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInput(f"{file}: {why}.", hint="Name a file of KEY=VALUE lines.") from error
    found = {}
    for at, line in enumerate(lines, 1):
        words = line.strip().removeprefix("export ").strip()
        if not words or words.startswith("#"):
            continue
        name, equals, value = words.partition("=")
        if not equals or not name.strip().isidentifier():
            raise BadInput(f"{file}, line {at}: this is no KEY=VALUE: {text.clip(words, 60)}", hint="Correct the line.")
        found[name.strip()] = _unquoted(value.strip(), f"{file}, line {at}")
    return found


def _shown(found: Configured) -> list[str]:
    said = as_values(found.policy)
    rows = [("VARIABLE", "VALUE", "FROM"), *values_shown(said, found.sources)]
    ceilings = [
        (f"{value.variable}_MAX", _length(ceiling))
        for value in VALUES
        if (ceiling := getattr(found.ceilings, value.field, 0.0))
    ]
    most = ["", *text.table([("NOBODY MAY GO BEYOND", ""), *ceilings])] if ceilings else []
    return [*text.table(rows), *most]


def values_shown(said: Mapping[str, Any], sources: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """A policy as `as_values` gives it: variables, values in words, and where each comes from."""
    lengths = {value.variable for value in VALUES if value.field.endswith("_s")}
    return [
        (name, _length(value) if name in lengths else _words(value), sources.get(name, ""))
        for name, value in said.items()
    ]


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def _length(seconds: float) -> str:
    return duration(seconds) if seconds else "no limit"


def _unquoted(value: str, where: str) -> str:
    if value[:1] not in ("'", '"'):
        return value.partition(" #")[0].rstrip()
    try:
        return "".join(shlex.split(value, comments=True))
    except ValueError as error:
        raise BadInput(f"{where}: {str(error).lower()}.", hint="Close the quotes.") from error
