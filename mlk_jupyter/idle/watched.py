"""One kernel under watch: its samples made of what is known of it, and what became of it so far."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from . import inside
from .folders import Left, Wish
from .kernels import Look, Usage
from .leases import Lease, Leases
from .machine import Machine
from .patience import Patience
from .policy import Configured, Policy, resolve
from .signals import Sample, Signal, Verdict, unknown

logger = logging.getLogger(__name__)

INTERVAL_S = 15.0
"""Between two looks at a kernel, where no limit is short."""
_LEAST_INTERVAL_S = 1.0  # a single tick of the CPU's clock in less would count as work
_LOOKS_IN_A_LIMIT = 8
_SOONEST_S = 0.5
_WRITTEN_EVERY_S = 60.0


def interval_for(policy: Policy, most_s: float = INTERVAL_S) -> float:
    """Seconds between two looks: several of them within the shortest limit, warning included."""
    limits = (
        policy.ttl_s,
        policy.gpu_ttl_s,
        policy.busy_silent_ttl_s,
        policy.input_ttl_s,
        policy.max_age_s,
        policy.warn_s * 4,
    )
    shortest_s = min((limit for limit in limits if limit > 0), default=most_s)
    return min(most_s, max(_LEAST_INTERVAL_S, shortest_s / _LOOKS_IN_A_LIMIT))


@dataclass(frozen=True)
class Inputs:
    """What the policy of one kernel is made of, beside the server's."""

    kernelspec: object = None
    notebook: object = None
    setting: object = None


@dataclass
class Watched:
    """One kernel."""

    id: str
    look: Look
    policy: Policy
    machine: Machine
    interval_s: float
    """That its machine counts with."""
    sources: dict[str, str] = field(default_factory=dict)
    """Where each value of its policy comes from."""
    inputs: Inputs = field(default_factory=Inputs)
    leases: Leases = field(default_factory=Leases)
    lease: Lease | None = None
    kept: Wish | None = None
    """What a person asked for here; None: nothing, or it was seen on the disk since."""
    let_go: frozenset[Wish] = frozenset()
    """What a person took back, and the disk still holds."""
    keeping: Patience = field(default_factory=Patience)
    """Writes either down."""
    told_kept: bool = False
    """Whether it was told last that it is kept."""
    kept_at: float | None = None
    """When it was last written down for how long it was kept, monotonic seconds."""
    left: Left = field(default_factory=Left)
    sample: Sample | None = None
    sampled_wall: float = 0.0
    """Seconds since the epoch of the sample."""
    verdict: Verdict = field(default_factory=lambda: Verdict("starting"))
    warned: bool = False
    """Somebody was told that it is about to be stopped."""
    would_stop_at: float | None = None
    """In shadow: when it would have been stopped, seconds since the epoch; None: it would not have been."""
    stopping: asyncio.Task[None] | None = None
    asked: bool = False
    """The stop under way is a person's."""
    decided: Watched | None = None
    """As it was when its end was decided: what is seen of a kernel that dies says nothing. None: it is not decided."""
    failures: int = 0
    """Stops in a row that did not end it."""
    retry_at: float | None = None
    """Monotonic seconds before which no stop is tried again."""
    failed_why: str = ""
    ending: tuple[str, str] | None = None
    """Kind and words of a stop that failed after the kernel's end had begun; None: it runs cells."""
    pid: int | None = None
    """Of its process, also while it is between two."""
    cost_per_hour: float | None = None
    """Its share of the server's price; None: unknown."""
    quiet_since: float | None = None
    """Seconds since the epoch; None while it works."""
    stops_at: float | None = None
    """Seconds since the epoch; None: nothing will stop it."""
    began: tuple[float | None, float] | None = None
    """Its start by the wall clock, and by the monotonic one, worked out once: the former may be set meanwhile."""

    def puzzle(self, error: Exception) -> None:
        """What it does could not be worked out: that is unknown, and this time is not counted."""
        self.machine.reset()
        self.sample = self.quiet_since = self.stops_at = None
        why = type(error).__name__
        self.verdict = Verdict("active", because=f"what it does is not known ({why}), so this time is not counted")

    def resolve(self, configured: Configured, most_s: float) -> None:
        """Takes the policy that follows from the server's and its inputs. Args: most_s: longest time between looks."""
        policy, self.sources = resolve(
            configured.policy,
            configured.ceilings,
            kernelspec=self.inputs.kernelspec,
            notebook=self.inputs.notebook,
            setting=self.inputs.setting,
            given=configured.sources,
        )
        if policy == self.policy and self.machine.policy == policy:
            return
        interval_s = interval_for(policy, most_s)
        if interval_s > self.interval_s:  # looks that it would take for a stall
            self.machine, self.interval_s = Machine(policy, interval_s=interval_s), interval_s
        self.policy = self.machine.policy = policy

    @property
    def was_due(self) -> bool:
        """Somebody was told, or it was written down, that it is to be stopped or would have been."""
        return self.warned or self.would_stop_at is not None or self.failures > 0

    def wishes(self) -> list[Wish]:
        """Who wants it kept: by what was left on the disk, and what a person asked for here, whether or not it could be
        written down.
        """
        found = [wish for wish in self.left.wishes if wish not in self.let_go]
        kept = self.kept
        if kept is None:
            return found
        if any(wish.holder == kept.holder and wish.asked >= kept.asked for wish in found):
            self.kept = None
            return found
        return [*(wish for wish in found if wish.holder != kept.holder), kept]

    def keep(self, seconds: float, reason: str, *, now: float, wall: float) -> None:
        """Leases it from now on, because a person says so. Raises: LeaseRefused."""
        self.leases.check(seconds, self.policy)
        self.kept = Wish(inside.PANEL, wall, wall + seconds, reason)
        self.step_lease(now, wall)

    def let_go_of(self, *, now: float, wall: float) -> None:
        """Ends the leases that persons asked for."""
        self.kept = None
        self.let_go |= {wish for wish in self.left.wishes if wish.holder in inside.PERSONS}
        self.step_lease(now, wall)

    async def write_down(self, write: Callable[[], object]) -> None:
        """Writes either to the disk, as far as that takes it."""
        try:
            await self.keeping.do(write)
        except OSError as error:
            logger.warning("How long kernel %s is kept cannot be written down: %s", self.id, error)

    def step_lease(self, now: float, wall: float) -> None:
        """Counts its lease. Args: now: monotonic seconds. wall: seconds since the epoch."""
        self.lease = self.leases.step(self.wishes(), self.policy, now=now, wall=wall)

    def to_write(self, now: float) -> Leases | None:
        """Its leases, where one began, ended, or was not written down for a minute; else None."""
        is_old = self.kept_at is None or now - self.kept_at >= _WRITTEN_EVERY_S
        if (self.lease is not None and is_old) or (self.lease is None and self.kept_at is not None):
            self.kept_at = None if self.lease is None else now
            return self.leases
        return None

    def take(self, sample: Sample, *, wall: float) -> Verdict:
        """What follows from one more sample. Args: wall: seconds since the epoch at which it was taken."""
        self.sample, self.sampled_wall = sample, wall
        started = self.look.started
        if self.began is None or self.began[0] != started:
            self.began = (started, sample.at - max(0.0, wall - (wall if started is None else started)))
        self.verdict = self.machine.step(
            sample,
            leased_s=None if self.lease is None else self.lease.left_s,
            started_s=None if started is None else sample.at - self.began[1],
        )
        self.quiet_since = _steady(self.quiet_since, wall, _negative(self.verdict.quiet_s))
        self.stops_at = _steady(self.stops_at, wall, self.verdict.stops_in_s)
        return self.verdict


def next_look_s(kernels: Collection[Watched], most_s: float) -> float:
    """Seconds until the next look: sooner where something is due before, so that it happens when it was said to."""
    every = [interval_for(kernel.policy, most_s) for kernel in kernels]
    ends = [kernel.verdict.stops_in_s for kernel in kernels if kernel.verdict.state == "warned"]
    soon = [max(end, _SOONEST_S) for end in ends if end is not None]
    return min([*every, *soon], default=most_s)


def share_costs(kernels: Collection[Watched], price: float | None) -> None:
    """Shares a server's price by the GPUs that its kernels hold, else by their number, as far as both are known."""
    here = [kernel for kernel in kernels if kernel.look.local]
    samples = [(kernel.decided or kernel).sample for kernel in here]
    held = [sample.gpus.value if sample else None for sample in samples]
    every = sum(gpus or 0 for gpus in held)
    for kernel, gpus in zip(here, held, strict=True):
        if price is None or None in held:
            kernel.cost_per_hour = None
        else:
            kernel.cost_per_hour = price * (gpus or 0) / every if every else price / len(here)


_SAME_S = 2.0  # two looks that say the same differ by how long they took


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _steady(before: float | None, wall: float, offset_s: float | None) -> float | None:
    """A moment as seconds since the epoch, which stays what it was where only the looking took its time."""
    if offset_s is None:
        return None
    moment = wall + offset_s
    return before if before is not None and abs(before - moment) < _SAME_S else moment


def sample_of(
    look: Look, usage: Usage | None, left: Left, unfinished: Callable[[str], bool], *, at: float, why: str = ""
) -> Sample:
    """All that is known of one kernel, as one sample.

    Args:
        usage:      None: unknown, because of `why`.
        unfinished: whether a job is not over.
        at:         monotonic seconds at which `look` was taken.
    """
    none: Signal[Any] = unknown(why or "what its processes use was not found")
    jobs = tuple(job for job in left.jobs if unfinished(job))
    waits_for = left.waits_for if left.waits_for is not None and unfinished(left.waits_for) else None
    return Sample(
        at=at,
        execution=look.execution,
        message=look.message,
        pending=look.pending,
        presence=look.presence,
        output=look.output,
        input=look.input,
        cpu=usage.cpu if usage else none,
        io=usage.io if usage else none,
        stopped=usage.stopped if usage else none,
        gpus=usage.gpus if usage else none,
        gpu_busy=usage.gpu_busy if usage else none,
        gpu_memory=usage.gpu_memory if usage else none,
        jobs=Signal(jobs, 0.0),
        waits_for=Signal(waits_for, 0.0),
        local=look.local,
    )
