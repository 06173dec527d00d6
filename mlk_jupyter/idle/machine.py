"""What follows from a kernel's samples: whether it works, does nothing, is warned or is due. Pure: reads no clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..figures import duration
from .evidence import Finding, Sign, age_of, figure, missing, moment, people, quiet, said, work
from .policy import Policy
from .signals import Execution, Sample, Verdict


@dataclass(slots=True)
class _Clocks:
    """Moments of one kernel, in the samples' monotonic seconds."""

    at: float
    """Of the newest sample."""
    alive: float
    """When it last did anything, or was used; time in which that was not known is not counted."""
    unused: float
    """Since when the GPUs that it holds are known to do nothing."""
    started: float = -math.inf
    """When the kernel was started; -inf: not known."""
    state: Execution | None = None
    """Of the kernel, when it was last known."""
    in_cell: bool = False
    """Whether it was busy with a cell of somebody's, and not with a look of a page at the variables."""
    is_stopped: bool = False
    asks: bool = False
    """Whether `input()` waited for an answer."""
    waits: bool = False
    """Whether a cell waited for a job."""
    ends: float | None = None
    """When a kernel that was warned for doing nothing is due; None: it is not warned."""
    too_old: float | None = None
    """The same of one that is warned for its age."""


class Machine:
    """One kernel. Whatever speaks for work in any sample counts; only a whole period without it leads to an end.

    starting: it has not come up yet. That is no sign of work and none of idleness: the time counts.
    active:   a person used it or is at a window that shows it; a cell computes or prints; it computes without a cell.
    quiet:    nothing of that, since `quiet_s`. Its kind says which limit it has.
    warned:   the limit ends soon. It is due when nothing spoke against it in the whole time of the warning.

    What is not known of a kernel of this machine (its state, its messages, its CPU, its input and output) is taken
    neither for work nor for idleness: it counts as active, that time is not counted, and a warning is taken back.
    Whether it uses a GPU that it holds may stay unknown: it then has the longer of both limits. Kernels of gateways and
    other owners are left alone. A lease holds all ends, and when it is over a whole warning comes first. What was seen
    does not depend on the policy's mode, except that `off` ends nothing.
    """

    def __init__(self, policy: Policy, *, interval_s: float = 15.0) -> None:
        """Args: interval_s: between two samples; more than three of them without one, and all clocks begin anew."""
        self._policy = policy
        self._interval_s = interval_s
        self._clocks: _Clocks | None = None

    @property
    def policy(self) -> Policy:
        """May be set at any time: whoever is warned under another one is warned anew."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        if self._clocks is not None and _what_ends(policy) != _what_ends(self._policy):
            self._clocks.ends = self._clocks.too_old = None
        self._policy = policy

    def reset(self) -> None:
        """All clocks begin anew with the next sample, which warns of nothing."""
        self._clocks = None

    def step(self, sample: Sample, *, leased_s: float | None = None, started_s: float | None = None) -> Verdict:
        """What is true with this sample.

        Args:
            sample:    the next one; they come in the order of their times.
            leased_s:  seconds that the kernel's lease still has; None: it has none.
            started_s: seconds since the kernel was started, for the limit of its age; None: not known.
        """
        clocks = self._clocks
        is_first = clocks is None or not 0 <= sample.at - clocks.at <= 3 * self._interval_s
        if clocks is None or is_first:  # what was in between nobody knows
            clocks = self._clocks = _Clocks(sample.at, sample.at, sample.at)
        since = sample.at - self._interval_s if is_first else clocks.at
        leased_s = leased_s if leased_s is not None and leased_s > 0 else None
        if started_s is not None and math.isfinite(started_s):  # by the wall clock, which jumps: the youngest counts
            clocks.started = max(clocks.started, sample.at - started_s)

        if said(sample.execution) == "dead":
            self._clocks = None  # what comes up in its place is another one
            return Verdict("dead", because="has died", leased_s=leased_s, used=("execution",))
        if not sample.local:
            clocks.at = clocks.alive = clocks.unused = sample.at
            return Verdict("active", because="is another owner's: not watched, and never stopped", leased_s=leased_s)

        life = self._note(clocks, sample, since)
        unknown = missing(sample, in_cell=clocks.in_cell)
        if life is not None:
            verdict = Verdict("active", because=life.words, used=life.used)
        elif unknown is not None:
            verdict = Verdict("active", because=unknown.words, used=unknown.used)
        else:
            verdict = self._quiet(clocks, sample, holds=leased_s is not None or is_first)
        if verdict.state == "active":
            clocks.ends = None
            if said(sample.execution) == "starting":
                verdict = replace(verdict, state="starting")
        verdict = self._aged(clocks, verdict, sample.at, holds=leased_s is not None or is_first)
        if leased_s is not None and verdict.stops_in_s is not None:
            warn_s = self._warn_s(verdict.limit_s or self._policy.max_age_s)
            verdict = replace(verdict, stops_in_s=max(verdict.stops_in_s, leased_s + warn_s))
        return replace(verdict, leased_s=leased_s)

    def _note(self, clocks: _Clocks, sample: Sample, since: float) -> Finding | None:
        """Moves the clocks on to this sample.

        Returns: what was a sign of life since the sample before; None: nothing was.
        """
        at, signs = sample.at, [*people(sample), *self._cells(clocks, sample, since)]
        says = moment(sample.output, at)
        if clocks.in_cell and says is not None and not said(sample.waits_for):
            signs.append((says, Finding("a cell runs and says something", ("execution", "output"))))
        if said(sample.input):
            age = age_of(sample.input)
            if age is not None or not clocks.asks:
                signs.append((at - (age or 0.0), Finding("a cell waits for input", ("input",))))
        if clocks.is_stopped and said(sample.stopped) is False:
            signs.append((at, Finding("was suspended until now", ("stopped",))))
        if clocks.waits and sample.waits_for.known and not sample.waits_for.value:
            signs.append((at, Finding("the job that it waited for has ended", ("waits_for",))))
        clocks.asks = bool(sample.input.value) if sample.input.known else clocks.asks
        clocks.is_stopped = bool(sample.stopped.value) if sample.stopped.known else clocks.is_stopped
        clocks.waits = bool(sample.waits_for.value) if sample.waits_for.known else clocks.waits
        works = work(sample, self._policy)
        if works is not None:
            signs.append((at, works))

        newest = max(signs, key=lambda sign: sign[0], default=None)
        if newest is not None:
            clocks.alive = max(clocks.alive, newest[0])
        if missing(sample, in_cell=clocks.in_cell) is not None:  # this time is not counted
            clocks.alive += at - clocks.at
            clocks.unused += at - clocks.at
        clocks.alive = min(at, clocks.alive)
        is_unused = figure(sample.gpus) and figure(sample.gpu_busy) is not None
        clocks.unused = max(clocks.unused, clocks.alive) if is_unused else at
        clocks.at = at
        return works or (newest[1] if newest is not None and newest[0] > since else None)

    def _cells(self, clocks: _Clocks, sample: Sample, since: float) -> Iterator[Sign]:
        """Beginnings and ends of cells of somebody's.

        A page that looks at the variables keeps a kernel busy as well, for a moment: only what is there in two samples,
        or was sent as a cell, is one.
        """
        state, age = said(sample.execution), age_of(sample.execution)
        if state is None:
            return
        is_busy, was_busy, was_in_cell = state == "busy", clocks.state == "busy", clocks.in_cell
        began = sample.at if age is None else sample.at - age
        is_new = state != clocks.state if age is None else began > since
        is_old = was_busy if age is None else (was_busy and not is_new) or age >= self._interval_s
        is_again = state == "starting" and clocks.state not in (None, "starting")
        clocks.state, clocks.in_cell = state, (figure(sample.pending) or 0) > 0 or (is_busy and is_old)
        if is_again:
            yield sample.at, Finding("is starting again", ("execution",))
        elif state == "idle" and (was_in_cell or (is_new and any(when > since for when, _ in people(sample)))):
            yield began, Finding("a cell has just ended", ("execution",))
        elif is_busy and (was_in_cell or clocks.in_cell) and (is_new or not was_in_cell):
            yield began, Finding("a cell runs", ("execution",))

    def _quiet(self, clocks: _Clocks, sample: Sample, *, holds: bool) -> Verdict:
        """One without a sign of life. `holds`: nothing may end it now."""
        policy, at = self._policy, sample.at
        kind = quiet(sample, policy, in_cell=clocks.in_cell)
        limits = [(clocks.alive + kind.limit_s, kind.limit_s)] if kind.limit_s else []
        if kind.unused_limit_s:
            limits.append((clocks.unused + kind.unused_limit_s, kind.unused_limit_s))
        end, limit_s = min(limits) if limits and policy.mode != "off" else (None, None)
        verdict = Verdict(
            "starting" if said(sample.execution) == "starting" else "quiet",
            kind=kind.kind,
            because=kind.found.words,
            quiet_s=at - clocks.alive,
            limit_s=limit_s,
            stops_in_s=None if end is None else max(end - at, 0.0),
            used=kind.found.used,
        )
        was_told, clocks.ends = clocks.ends, None if holds else self._told(clocks.ends, end, limit_s, at)
        if clocks.ends is None:
            return verdict
        if clocks.state == "busy" and not clocks.in_cell:  # it may be a cell: the next sample knows
            clocks.ends = max(clocks.ends, at + self._interval_s)
        is_due = was_told is not None and at >= clocks.ends
        return replace(verdict, state="due" if is_due else "warned", stops_in_s=max(clocks.ends - at, 0.0))

    def _aged(self, clocks: _Clocks, verdict: Verdict, at: float, *, holds: bool) -> Verdict:
        """The same with the end that its age brings, where that comes first."""
        limit_s = self._policy.max_age_s
        if not limit_s or self._policy.mode == "off" or not math.isfinite(clocks.started):
            clocks.too_old = None
            return verdict
        end, was_told = clocks.started + limit_s, clocks.too_old
        told = None if holds else self._told(was_told, end, limit_s, at)
        left_s = max((end if told is None else told) - at, 0.0)
        is_later = verdict.state == "due" or (verdict.stops_in_s is not None and verdict.stops_in_s <= left_s)
        clocks.too_old = None if is_later else told  # somebody who is told of another end is not told of this one
        if is_later or told is None:
            return verdict if is_later else replace(verdict, stops_in_s=left_s)
        return replace(
            verdict,
            state="due" if was_told is not None and at >= told else "warned",
            kind="age",
            because=f"has been running for {duration(at - clocks.started)}, and no kernel may for longer than "
            f"{duration(limit_s)}; {verdict.because}",
            limit_s=limit_s,
            stops_in_s=left_s,
        )

    def _told(self, told: float | None, end: float | None, limit_s: float | None, at: float) -> float | None:
        """When a kernel is due that is warned now; None: it is not to be warned yet.

        Never before a whole warning is over, and never before the end that was told.
        """
        if end is None or limit_s is None:
            return None
        warn_s = self._warn_s(limit_s)
        if at < end - warn_s:
            return None
        return max(end, at + warn_s if told is None else told)

    def _warn_s(self, limit_s: float) -> float:
        return self._policy.warn_s if self._policy.warn_s < limit_s else limit_s / 4


def _what_ends(policy: Policy) -> Policy:
    """A policy without what decides nothing about an end, so that two of them can be compared."""
    same = Policy()
    return replace(
        policy,
        checkpoint=same.checkpoint,
        audit_log=same.audit_log,
        webhook=same.webhook,
        profile=same.profile,
        price_per_hour=same.price_per_hour,
        currency=same.currency,
        server_ttl_s=same.server_ttl_s,
        lease_max_s=same.lease_max_s,
        lease_total_s=same.lease_total_s,
    )
