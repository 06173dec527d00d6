"""Idle kernels in requests and answers under `/mlk/idle`, and in the topic `kernels`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .base import StrictModel, TolerantModel


class SignalView(TolerantModel):
    """One signal of a kernel."""

    name: str
    """Of the fields of `idle.signals.Sample`: `cpu`, `gpu_busy`, `message`, …; `lease`: why somebody keeps it."""
    value: Any = None
    """None: unknown, or there was none yet."""
    age_s: float | None = None
    why: str | None = None
    """Why it is unknown; None where it is known."""


class LeaseView(TolerantModel):
    """A promise to keep a kernel."""

    until: float
    """Seconds since the epoch."""
    reason: str = ""
    left_s: float
    total_left_s: float | None = None
    """How much of all its leases together is left; None: no limit."""


class KernelState(TolerantModel):
    """One kernel: what it does, what it costs, and what will become of it."""

    id: str
    """Kernel id."""
    name: str
    """Its kernelspec."""
    path: str | None = None
    """Notebook or console that it belongs to, relative to the server's root; None: of no session."""
    started: float | None = None
    """Seconds since the epoch; None where another process started it."""
    state: Literal["starting", "active", "quiet", "warned", "stopping", "failed", "dead"]
    kind: Literal["idle", "idle_gpu", "hung", "input", "delegated", "age"] | None = None
    words: str
    """State for a person, without what changes each second: "idle, holds 1 GPU unused"."""
    quiet_since: float | None = None
    """Seconds since the epoch; None while it works."""
    stops_at: float | None = None
    """Seconds since the epoch; None where nothing will stop it."""
    would_stop: bool = False
    """The mode is `shadow`: at `stops_at` it is only written down that it would have been stopped."""
    lease: LeaseView | None = None
    cpu_pct: float | None = None
    """Percent of one core."""
    gpus: int | None = None
    """GPUs or MIG slices held; None: unknown."""
    gpu_busy: float | None = None
    """0-1."""
    gpu_memory_bytes: int | None = None
    cost_per_hour: float | None = None
    """Its share of the server's price, in `currency`; None: unknown."""
    jobs: list[str] = Field(default_factory=list)
    """Unfinished jobs that it submitted."""


class Held(TolerantModel):
    """One variable that was in memory when a kernel was stopped."""

    name: str
    type: str
    bytes: int | None = None
    """None: unknown."""
    shape: str | None = None
    """E.g. `(1000, 20)`; None where it has none."""
    device: str | None = None
    """E.g. `cuda:0`; None where it has none."""


class Stopped(TolerantModel):
    """A kernel that was stopped; its notice stays until somebody takes it away, 30 days have passed, or the notebook is
    gone: also while the notebook has another kernel.
    """

    id: str
    """Kernel id."""
    name: str
    path: str | None = None
    at: float
    """Seconds since the epoch."""
    kind: Literal["idle", "idle_gpu", "hung", "input", "delegated", "age", "asked"]
    """`asked`: a person pressed Stop now."""
    words: str
    """Why, for a person: "was idle for 1 h 2 min and held 1 GPU"."""
    held: list[Held] | None = None
    """The largest first; None: not known."""
    held_more: int = 0
    """How many more there were."""
    why_no_list: str | None = None
    """Why what was in memory is not known."""
    jobs: list[str] = Field(default_factory=list)
    """Jobs of the kernel that go on."""
    ended: list[str] = Field(default_factory=list)
    """Processes that had left the kernel's group, held a GPU and were ended as well: name and pid."""


class IdleTotals(TolerantModel):
    """What idleness costs. None where the price, or what is held, is unknown."""

    wasted_per_hour: float | None = None
    """What kernels that do nothing cost now, in `currency`."""
    wasted_gpus: int | None = None
    """GPUs held unused now."""
    saved: float | None = None
    """This month, in `currency`: measured from each stop until the notebook was used again, `saved_limit_s` at most."""
    saved_gpu_s: float | None = None
    """This month, in seconds of one GPU."""
    stops: int = 0
    """Stops of this month that this was saved by."""
    saved_limit_s: float
    """Most that one stop is counted as having saved."""


class IdleSettings(StrictModel):
    """What a person wants of all their kernels: shorter as they like, longer up to what the server allows."""

    ttl: Annotated[str, StringConstraints(max_length=40)] = ""
    """Like `MLK_IDLE_TTL`: `2h`, `90` seconds, `0` for no limit. Empty: the server's."""
    gpu_ttl: Annotated[str, StringConstraints(max_length=40)] = ""
    """Like `MLK_IDLE_GPU_TTL`."""
    warn: Annotated[str, StringConstraints(max_length=40)] = ""
    """Like `MLK_IDLE_WARN`."""


class PolicyView(TolerantModel):
    """The policy of the server with a person's own settings, without what single kernels change."""

    mode: Literal["off", "shadow", "enforce"]
    values: dict[str, Any]
    """By the names of the environment variables: `MLK_IDLE_TTL`: 14400, …"""
    warnings: list[str] = Field(default_factory=list)
    """What a person should know: another culler is on, …"""


class Kernels(TolerantModel):
    """All kernels of this server."""

    kernels: list[KernelState]
    stopped: list[Stopped] = Field(default_factory=list)
    """Lately, the newest first; those whose notice nobody took away."""
    totals: IdleTotals
    policy: PolicyView
    settings: IdleSettings = Field(default_factory=IdleSettings)
    """A person's own settings that hold on this server; all empty: there are none."""
    currency: str = "USD"
    now: float
    """Seconds since the epoch on the server: clocks of browsers differ."""
    sampled_at: float | None = None
    """Seconds since the epoch of the newest sample; None: there was none yet."""
    server_stops_at: float | None = None
    """Seconds since the epoch at which this whole server is to be stopped; None: it is not."""
    server_words: str = ""
    """Why it is, for a person."""
    server_ended: str | None = None
    """When this person's server before this one stopped itself, and why; None: it did not, or that was seen."""


class Explained(TolerantModel):
    """Why a kernel is in its state."""

    kernel: KernelState
    signals: list[SignalView]
    limits: dict[str, Any]
    """The policy that holds for this kernel, by the names of the environment variables."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each limit comes from: `default`, `MLK_IDLE_TTL`, `kernelspec`, `notebook`, `setting`, `ceiling`."""
    sentences: list[str]
    """Why, step by step, for a person."""


class LeaseRequest(StrictModel):
    """Asks to keep a kernel."""

    seconds: Annotated[float, Field(ge=1, le=366 * 86400, allow_inf_nan=False, strict=True)]
    reason: Annotated[str, StringConstraints(max_length=200)] = ""


class Presence(StrictModel):
    """A person moved the pointer or pressed a key at a window that shows these kernels. At most one a minute."""

    kernels: Annotated[list[Annotated[str, StringConstraints(pattern=r"^[\w-]{1,64}$")]], Field(max_length=20)]
    kind: Literal["pointer", "key"]


class AppliedSettings(TolerantModel):
    """What became of a person's settings."""

    values: dict[str, Any]
    """The limits of this server's kernels with them, by the names of the environment variables."""
    notes: list[str] = Field(default_factory=list)
    """What was cut, and by what."""
