"""Rows, medians, and commands whose time is taken."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str
    target: str | None
    """What design asks for, e.g. "< 60"; None for a figure that is there to compare with."""
    ok: bool | None
    """Whether the target is met; None without a target."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def row(name: str, value: float, unit: str, *, most: float | None = None, least: float | None = None) -> Row:
    """A row that is ok when the value is at most `most` or at least `least`."""
    rounded = round(value, 3 if abs(value) < 10 else 1)
    if most is not None:
        return Row(name, rounded, unit, f"<= {most:g}", value <= most)
    if least is not None:
        return Row(name, rounded, unit, f">= {least:g}", value >= least)
    return Row(name, rounded, unit, None, None)


def in_turn(runs: int, **ways: Callable[[], float]) -> dict[str, float]:
    """The median of each way. They take turns, so that a slow minute of the machine meets them all.

    One more round goes before, to warm up, and is not counted.
    """
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, way in ways.items():
            value = way()
            if number:
                seen[name].append(value)
    return {name: statistics.median(values) for name, values in seen.items()}


def seconds(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> float:
    """Wall time of a command, from start to end.

    Raises: RuntimeError with the end of its output when it fails.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    taken = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout[-2000:].decode(errors='replace')}")
    return taken


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
