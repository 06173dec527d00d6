"""Kernels as faces show them."""

from __future__ import annotations

import logging
from typing import Any, Literal, cast

from ..figures import duration
from ..model.kernels import Explained, Held, KernelState, LeaseView, SignalView, Stopped
from .kernels import Ended
from .policy import Policy, as_values, ignored
from .signals import NAMES, Signal
from .watched import Watched
from .words import not_known, why_stopped

logger = logging.getLogger(__name__)

_State = Literal["starting", "active", "quiet", "warned", "stopping", "failed", "dead"]
_MINUTE_S = 60.0


def state_of(kernel: Watched, server: Policy) -> KernelState:
    """One kernel, with figures rounded to what a person sees: what differs is worth a message."""
    look, sample, verdict = kernel.look, kernel.sample, kernel.verdict
    stops_at = kernel.stops_at if kernel.would_stop_at is None else kernel.would_stop_at
    return KernelState(
        id=kernel.id,
        name=look.name,
        path=look.path,
        started=look.started,
        state=_state(kernel),
        kind=verdict.kind,
        words=_words(kernel),
        quiet_since=_second(kernel.quiet_since),
        stops_at=_second(stops_at) if kernel.policy.mode != "off" and look.local else None,
        would_stop=_mode(kernel, server) != "enforce",
        lease=_lease(kernel),
        cpu_pct=None if sample is None else _rounded(sample.cpu, 0 if (sample.cpu.value or 0) >= 10 else 1),
        gpus=None if sample is None else sample.gpus.value,
        gpu_busy=None if sample is None else _rounded(sample.gpu_busy, 2),
        gpu_memory_bytes=None if sample is None else sample.gpu_memory.value,
        cost_per_hour=None if kernel.cost_per_hour is None else round(kernel.cost_per_hour, 4),
        jobs=list(sample.jobs.value or ()) if sample is not None else [],
    )


def shown_of(kernel: Watched, server: Policy) -> KernelState:
    """The same, where that cannot be worked out as a kernel of which nothing is known: the others are shown."""
    try:
        return state_of(kernel, server)
    except Exception as error:
        logger.debug("Kernel %s cannot be shown", kernel.id, exc_info=True)
        return KernelState(id=kernel.id, name="", state="active", words=f"is not known ({type(error).__name__})")


def explained(kernel: Watched, server: Policy, now: float) -> Explained:
    """Why a kernel is in its state. Args: now: seconds since the epoch."""
    return Explained(
        kernel=state_of(kernel, server),
        signals=_signals(kernel, now),
        limits=as_values(kernel.policy),
        sources=kernel.sources,
        sentences=_sentences(kernel, server, now),
    )


def stopped_of(kernel: Watched, ended: Ended, kind: str, at: float) -> Stopped:
    """The notice of a kernel that was stopped. Args: at: seconds since the epoch."""
    held = None if ended.held is None else [Held(**_fields(variable)) for variable in ended.held]
    return Stopped(
        id=kernel.id,
        name=kernel.look.name,
        path=kernel.look.path,
        at=at,
        kind=cast("Any", kind),
        words=why_stopped(kernel, kind) + not_known(ended),
        held=held,
        held_more=ended.held_more,
        why_no_list=ended.why_no_list,
        jobs=list(kernel.sample.jobs.value or ()) if kernel.sample is not None else [],
        ended=list(ended.ended),
    )


def _fields(variable: Any) -> dict[str, Any]:
    return {name: getattr(variable, name) for name in ("name", "type", "bytes", "shape", "device")}


def _state(kernel: Watched) -> _State:
    if kernel.stopping is not None:
        return "stopping"
    if kernel.failures:
        return "failed"
    state = kernel.verdict.state
    return "quiet" if state == "due" else state


def _words(kernel: Watched) -> str:
    if kernel.stopping is not None:
        return "is being stopped"
    if kernel.failures:
        return f"could not be stopped: {kernel.failed_why}".rstrip(".")
    return kernel.verdict.because or "not looked at yet"


def _lease(kernel: Watched) -> LeaseView | None:
    lease = kernel.lease
    if lease is None:
        return None
    until = kernel.sampled_wall + lease.left_s
    total = lease.total_left_s
    return LeaseView(
        until=_ten_seconds(until),
        reason=lease.reason,
        left_s=_minute(lease.left_s),
        total_left_s=None if total is None else _minute(total),
    )


def _signals(kernel: Watched, now: float) -> list[SignalView]:
    if kernel.sample is None:
        return []
    since = max(0.0, now - kernel.sampled_wall)
    found = []
    for name in NAMES:
        signal: Signal[Any] = getattr(kernel.sample, name)
        age_s = None if signal.age_s is None else round(signal.age_s + since, 1)
        value = list(signal.value) if isinstance(signal.value, tuple) else signal.value
        found.append(SignalView(name=name, value=value, age_s=age_s, why=signal.why))
    kept = None if kernel.lease is None else kernel.lease.reason or "without a reason"
    return [*found, SignalView(name="lease", value=kept)]


def _sentences(kernel: Watched, server: Policy, now: float) -> list[str]:
    verdict = kernel.verdict
    said = [_sentence(_words(kernel))]
    if kernel.quiet_since is not None:
        said.append(f"It has done nothing for {duration(now - kernel.quiet_since)}.")
    if verdict.limit_s is not None:
        said.append(f"It may do nothing for {duration(verdict.limit_s)}.")
    elif verdict.state in ("quiet", "warned", "due"):
        said.append("It may do nothing for as long as it likes.")
    if kernel.lease is not None:
        reason = f" ({kernel.lease.reason})" if kernel.lease.reason else ""
        said.append(f"It is kept for another {duration(kernel.lease.left_s)}{reason}.")
    said.append(_next(kernel, server, now))
    names = [] if kernel.sample is None else [name for name in NAMES if not getattr(kernel.sample, name).known]
    if names and kernel.look.local:
        said.append(f"Unknown, and so never taken for idleness: {', '.join(names)}.")
    inputs = kernel.inputs
    return said + ignored(kernelspec=inputs.kernelspec, notebook=inputs.notebook, setting=inputs.setting)


def _next(kernel: Watched, server: Policy, now: float) -> str:
    mode = _mode(kernel, server)
    if mode == "off":
        return "Nothing stops it: MLK_IDLE_MODE is off for it."
    if kernel.would_stop_at is not None:
        return f"It would have been stopped {duration(now - kernel.would_stop_at)} ago; MLK_IDLE_MODE is shadow."
    if kernel.stops_at is None:
        return "Nothing is going to stop it as long as that stays so."
    would = "would be" if mode == "shadow" else "is"
    return f"It {would} stopped in {duration(max(0.0, kernel.stops_at - now))}, unless it is used."


def _mode(kernel: Watched, server: Policy) -> str:
    """The milder of both."""
    return kernel.policy.mode if server.mode == "enforce" else server.mode


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _rounded(signal: Signal[float], digits: int) -> float | None:
    return None if signal.value is None else round(signal.value, digits)


def _second(moment: float | None) -> float | None:
    return None if moment is None else float(round(moment))


def _ten_seconds(moment: float) -> float:
    return round(moment / 10) * 10.0


def _minute(seconds: float) -> float:
    return seconds if seconds < _MINUTE_S else round(seconds / _MINUTE_S) * _MINUTE_S
