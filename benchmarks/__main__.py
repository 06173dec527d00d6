"""`python -m benchmarks [--runs N] [ROOM …]`: one JSON array of {name, value, unit, target, ok} on stdout."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile

from .measure import say

_ROOMS = ("imports", "server", "notebooks")
_ASKED_FOR = ("cluster",)
"""Rooms that are measured only when they are named."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure; one JSON array on stdout.")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"what to measure (default: {' '.join(_ROOMS)})")
    parser.add_argument("--runs", type=int, default=5, help="runs behind each median (default: 5)")
    options = parser.parse_args()
    for room in set(options.rooms) - {*_ROOMS, *_ASKED_FOR}:
        parser.error(f"{room} is none of {', '.join((*_ROOMS, *_ASKED_FOR))}")
    found = []
    with tempfile.TemporaryDirectory() as data:
        os.environ["MLK_DATA_DIR"] = data  # nothing is left among a person's own jobs
        os.environ["KUBECONFIG"] = f"{data}/none"  # and no cluster of theirs is used
        for room in options.rooms or _ROOMS:
            say(f"measuring: {room}")
            found += [row.as_dict() for row in importlib.import_module(f".{room}", __package__).rows(options.runs)]
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
