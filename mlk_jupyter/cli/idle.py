"""`mlk idle`: what the kernels of this person's servers do, and keeping one of them."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence

from .. import text
from ..errors import BadInput
from ..figures import duration, number, size
from ..idle import asking, inside
from ..idle.servers import Server, servers
from ..model.kernels import Explained, IdleTotals, KernelState, SignalView
from .idle_policy import policy, replay, values_shown
from .kernels import kernel_of
from .printing import give, give_json, say

_MOST_STOPPED = 5


def idle(options: argparse.Namespace) -> int:
    """`mlk idle`, and what stands behind it."""
    return _ACTIONS[options.action](options)


def list_kernels(options: argparse.Namespace) -> int:
    """`mlk idle`: a table of all kernels, those first that stop first."""
    found = servers()
    if options.json:
        shown = [server.model_dump(mode="json", exclude={"explained"}) for server in found]
        give_json(json.dumps({"servers": shown}))
        return 0
    now = time.time()
    kernels = [(server, kernel) for server in found for kernel in server.kernels.kernels]
    if kernels:
        kernels.sort(key=lambda one: (one[1].stops_at is None, one[1].stops_at or 0.0))
        give(*text.table([_HEAD, *(_row(kernel, server, now) for server, kernel in kernels)]))
    elif found:
        say("No kernel is watched.")
    else:
        say("No server of yours with mlk-jupyter runs on this machine, or none has had a kernel yet.")
    for server in found:
        say(_about(server, now))
    return 0


def explain(options: argparse.Namespace) -> int:
    """`mlk idle explain`: why a kernel is in its state."""
    server, kernel = kernel_of(options.kernel, servers())
    explained = server.explained.get(kernel.id)
    if explained is None:
        raise BadInput(
            f"The server has not written down yet why {_called(kernel)} is {kernel.words}.",
            hint="Ask again in a few seconds.",
        )
    if options.json:
        give_json(explained.model_dump_json())
    else:
        give(*_explanation(explained))
        say(f"As of {_ago(server, time.time())}.")
    return 0


def keep(options: argparse.Namespace) -> int:
    """`mlk idle keep`: leases a kernel, or lets go of it."""
    if options.release == (options.time is not None):
        raise BadInput(
            "Either a length of time or --release is needed.",
            hint="Write for example `mlk idle keep train.ipynb 2h`, or `mlk idle keep train.ipynb --release`.",
        )
    if options.release:
        _, kernel = kernel_of(options.kernel, servers())
        with asking.told():
            there = inside.release(kernel.id)
        said = "is not kept any more" if there else "was not kept by anybody's wish; a block that keeps it goes on"
        say(f"{_called(kernel)} {said}.")
        return 0
    asked_s = asking.length(options.time, "--release")
    server, kernel = kernel_of(options.kernel, servers())
    granted = asking.possible(server.granted(kernel.id, asked_s), _called(kernel))
    with asking.told():
        inside.wish(kernel.id, "cli", granted.seconds, options.reason)
    say(f"{_called(kernel)} is kept for {duration(granted.seconds)}{f': {granted.why}' if granted.why else ''}.")
    return 0


_HEAD = ("KERNEL", "NOTEBOOK", "STATE", "STOPS IN", "KEPT FOR", "CPU", "GPUS", "PER HOUR")
_ACTIONS: dict[str | None, Callable[[argparse.Namespace], int]] = {
    None: list_kernels,
    "explain": explain,
    "keep": keep,
    "policy": policy,
    "replay": replay,
}


def _row(kernel: KernelState, server: Server, now: float) -> tuple[str, ...]:
    stops = "" if kernel.stops_at is None else duration(kernel.stops_at - now)
    cost = kernel.cost_per_hour
    quiet = "" if kernel.quiet_since is None else f", {duration(now - kernel.quiet_since)}"
    return (
        kernel.id[:8],
        text.clip(kernel.path or "", 40),
        text.clip(kernel.words + quiet, 60),
        f"would in {stops}" if stops and kernel.would_stop else stops,
        duration(kernel.lease.until - now) if kernel.lease else "",
        "?" if kernel.cpu_pct is None else f"{kernel.cpu_pct:.0f} %",
        "?" if kernel.gpus is None else str(kernel.gpus),
        "?" if cost is None else f"{cost:.2f} {server.kernels.currency}",
    )


def _about(server: Server, now: float) -> str:
    """What holds for all kernels of one server, as sentences."""
    kernels = server.kernels
    modes = {
        "off": "Kernels are not watched (MLK_IDLE_MODE=off).",
        "shadow": "Nothing is stopped here: it is only written down what would have been (MLK_IDLE_MODE=shadow).",
        "enforce": "Kernels that do nothing are stopped here.",
    }
    stopped = [
        f"{one.path or one.name} was stopped {duration(now - one.at)} ago: {one.words}."
        for one in kernels.stopped[:_MOST_STOPPED]
    ]
    lines = [f"{server.url}, as of {_ago(server, now)}. {modes[kernels.policy.mode]}"]
    totals = _totals(kernels.totals, kernels.currency, is_shadow=kernels.policy.mode == "shadow")
    ends = []
    if kernels.server_stops_at is not None:
        ends.append(f"The server itself stops in {duration(kernels.server_stops_at - now)}: {kernels.server_words}.")
    if kernels.server_ended:
        ends.append(f"The server before it ended itself, {kernels.server_ended}.")
    return "\n".join([*lines, *([totals] if totals else []), *ends, *stopped, *kernels.policy.warnings])


def _totals(totals: IdleTotals, currency: str, *, is_shadow: bool) -> str:
    wasted = []
    if totals.wasted_gpus:
        wasted.append(f"{text.counted(totals.wasted_gpus, 'GPU')} held unused")
    if totals.wasted_per_hour:
        wasted.append(f"{totals.wasted_per_hour:.2f} {currency} an hour")
    saved = []
    if totals.saved is not None:
        saved.append(f"{totals.saved:.2f} {currency}")
    if totals.saved_gpu_s:
        saved.append(f"{number(round(totals.saved_gpu_s / 3600, 1))} GPU hours")
    head = "Would have been saved this month" if is_shadow else "Saved this month"
    return text.sentences(
        f"Wasted now: {text.listed(wasted)}" if wasted else None,
        f"{head}: {text.listed(saved)}, by {text.counted(totals.stops, 'stop')}" if saved and totals.stops else None,
    )


def _explanation(explained: Explained) -> list[str]:
    kernel = explained.kernel
    facts = [("Kernel", kernel.id), ("Notebook", kernel.path or "of no session"), ("State", kernel.words)]
    return [
        *(f"{title + ':':10}{value}" for title, value in facts),
        "",
        *explained.sentences,
        "",
        *text.table([("SIGNAL", "VALUE", "AGE", "NOT KNOWN BECAUSE"), *map(_signal, explained.signals)]),
        "",
        *text.table([("LIMIT", "VALUE", "FROM"), *values_shown(explained.limits, explained.sources)]),
    ]


def _signal(signal: SignalView) -> tuple[str, str, str, str]:
    value = signal.value
    if isinstance(value, float):
        shown = number(value)
    elif signal.name == "gpu_memory" and isinstance(value, int):
        shown = size(value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        shown = text.listed([str(one) for one in value])
    else:
        shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return signal.name, text.clip(shown, 60), "" if signal.age_s is None else duration(signal.age_s), signal.why or ""


def _called(kernel: KernelState) -> str:
    return f"{kernel.path} ({kernel.id[:8]})" if kernel.path else kernel.id


def _ago(server: Server, now: float) -> str:
    return f"{duration(now - server.written)} ago"
