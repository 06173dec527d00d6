"""A replay as text for a person and as JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, tzinfo
from typing import Any

from ..figures import duration
from ..text import plain, table
from .replay import Replayed, Stop

_MOST_ROWS = 50


def as_json(found: Replayed) -> dict[str, Any]:
    """All of it; times in seconds since the epoch, None where something is not known."""
    return {
        "begun": found.begun,
        "until": found.until,
        "kernels": found.kernels,
        "warnings": found.warnings,
        "stopped": len(found.stops),
        "wrongly_stopped": found.wrongly_stopped,
        "interrupted": found.interrupted,
        "gpu_s": found.gpu_s,
        "saved_gpu_s": found.saved_gpu_s,
        "saved_percent": found.saved_percent,
        "saved": found.saved,
        "currency": found.currency,
        "stops": [asdict(stop) for stop in found.stops],
    }


def as_text(found: Replayed, *, tz: tzinfo | None = None) -> str:
    """The totals, then each stop, those first that would have been wrong. tz: the machine's where it is not given."""
    if found.begun is None or found.until is None:
        return "No samples are recorded there: nothing to replay."
    lines = [
        f"{_count(found.kernels, 'kernel')} in {duration(found.until - found.begun)} of samples; "
        f"they held GPUs for {_gpu_hours(found.gpu_s)}.",
        f"Would have warned {_times(found.warnings)} and stopped {_count(len(found.stops), 'kernel')}, and so saved "
        f"{_gpu_hours(found.saved_gpu_s)}{_share(found)}{_money(found)}.",
    ]
    if not found.stops:
        return "\n".join(lines)
    back = f"{_times(found.interrupted).capitalize()} somebody came back and would have found the kernel stopped."
    lines += [_wrong(found), back if found.interrupted else "Nobody would have come back to a stopped kernel."]
    shown = sorted(found.stops, key=lambda stop: (stop.ended_by != "work", stop.at))[:_MOST_ROWS]
    rows = [["STOPPED", "NOTEBOOK", "WHY", "SAVED", "THEN"], *(_row(stop, found.currency, tz) for stop in shown)]
    lines += ["", *table(rows)]
    if len(found.stops) > len(shown):
        lines.append(f"… and {len(found.stops) - len(shown)} more; `--json` has all.")
    return "\n".join(lines)


def _wrong(found: Replayed) -> str:
    if not found.wrongly_stopped:
        return "No kernel was seen to work while it would have been stopped."
    verb = "was" if found.wrongly_stopped == 1 else "were"
    return f"WRONG: {_count(found.wrongly_stopped, 'kernel')} {verb} seen to work after the stop; that would be lost."


def _row(stop: Stop, currency: str, tz: tzinfo | None) -> list[str]:
    after = duration(stop.until - stop.at)
    then = {
        "nothing": "nothing so far",
        "its end": f"ended by itself after {after}",
        "person": f"somebody came back after {after}",
        "work": f"WORKED after {after}",
    }[stop.ended_by]
    saved = "GPUs not known" if stop.gpu_s is None else _gpu_hours(stop.gpu_s)
    cost = "" if stop.cost is None else f", {stop.cost:,.2f} {currency}"
    when = datetime.fromtimestamp(stop.at, tz).strftime("%Y-%m-%d %H:%M")
    return [when, plain(stop.path or stop.kernel), plain(stop.because), saved + cost, then]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _times(number: int) -> str:
    return {0: "nobody", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _gpu_hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} GPU-hours"


def _share(found: Replayed) -> str:
    return "" if found.saved_percent is None else f" ({found.saved_percent:.0f} %)"


def _money(found: Replayed) -> str:
    return "" if found.saved is None or not found.stops else f", {found.saved:,.2f} {found.currency}"
