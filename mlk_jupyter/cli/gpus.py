"""`mlk gpus`: what accelerators there are, who holds them, and what they do."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterable

from .. import text
from ..figures import size
from ..model.gpus import Figure, GpuNode, GpuPlace, GpuResource, Gpus
from ..monitor.person import names
from ..monitor.poller import Monitor
from ..record.places import data_dir
from .arguments import chosen
from .printing import give, give_json, say


def gpus(options: argparse.Namespace) -> int:
    """`mlk gpus`: a table of nodes and one of holders for each place, or with --json all that is known."""
    shown = asyncio.run(_look(options))
    if options.json:
        give_json(shown.model_dump_json())
        return 0
    for place in shown.places:
        give(*lines_of(place, shown))
    for note in shown.notes:
        say(note)
    return 0


async def _look(options: argparse.Namespace) -> Gpus:
    backends = chosen(options)
    monitor = Monitor(backends.stocks, data_dir(), me=names(os.environ), environ=lambda: dict(os.environ))
    try:
        return await monitor.look()
    finally:
        await monitor.close()
        await backends.close()


def lines_of(place: GpuPlace, shown: Gpus) -> list[str]:
    """A place as lines to read."""
    lines = [f"{place.title}:"]
    if place.why:
        lines.append(text.sentences(place.why, place.hint))
    units = [row for node in place.nodes for row in _units(node, shown.currency)]
    if units:
        lines += ["", *text.table([("NODE", "GPU", "TOTAL", "HELD", "FREE", "MEMORY", "PRICE", ""), *units])]
    said = {one.price_words: None for node in place.nodes for one in node.resources if one.price_words}
    if said:
        lines += ["", f"Prices: {'; '.join(said)}."]
    held = [row for node in place.nodes for row in _holders(node, shown)]
    if held:
        lines += ["", *text.table([("HELD BY", "GPUS", "NODE", "SINCE", "BUSY", "MEMORY", "COST"), *held])]
    elif units:
        lines += ["", "Nobody holds one." if place.is_whole else "Who holds them is not known."]
    for source in place.sources:
        if source.why and source.why != place.why:
            lines += ["", text.sentences(f"{source.name}: {source.why}", source.hint)]
    return [*lines, ""]


def _units(node: GpuNode, currency: str) -> Iterable[tuple[str, ...]]:
    state = ", ".join(
        words
        for words, so in (("spot", node.is_spot), ("not ready", not node.is_ready), ("cordoned", node.is_cordoned))
        if so
    )
    for one in node.resources:
        yield (
            node.name,
            one.title,
            str(one.total),
            _count(one.held),
            _count(one.free),
            "not known" if one.usable_bytes is None else size(one.usable_bytes),
            _price(one, currency),
            state,
        )


def _holders(node: GpuNode, shown: Gpus) -> Iterable[tuple[str, ...]]:
    for one in node.holders:
        yield (
            f"{one.name}{f' ({one.user})' if one.user else ''}",
            str(one.count),
            node.name,
            "" if one.since is None else text.age(max(0.0, time.time() - one.since)),
            _share(one.busy),
            "not known" if one.memory is None else size(one.memory.value),
            _money(one.cost_per_hour, shown.currency),
        )


def _share(figure: Figure | None) -> str:
    return "not known" if figure is None else text.percent(figure.value).strip()


def _count(known: int | None) -> str:
    return "not known" if known is None else str(known)


def _price(one: GpuResource, currency: str) -> str:
    if one.price_low is None or one.price_high is None or one.price_low == one.price_high:
        return _money(one.price_per_hour, currency)
    return f"{one.price_low:.2f}-{_money(one.price_high, currency)}"


def _money(per_hour: float | None, currency: str) -> str:
    return "not known" if per_hour is None else f"{per_hour:.2f} {currency}/h"
