"""Watches all kernels of one server while there are any: looks, decides, stops, and says what happened.

Nothing of it runs while no kernel does. The event loop is never held: what is read from disks and from the system is
read in threads, each with a limit, and what does not come in time is unknown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

from ..waiting import is_set_within, within
from . import inside
from .book import Book
from .folders import Left
from .happened import Event, Happened
from .kernels import Ended, Look, unseen
from .leases import Leases
from .machine import Machine
from .outside import Found, Outside
from .parts import Parts
from .policy import Configured, as_values, of_metadata
from .refusals import NoSuchKernel, NotOurs
from .watched import Inputs, Watched, interval_for, next_look_s, sample_of, share_costs
from .words import not_known, why_stopped

logger = logging.getLogger(__name__)

_AT_A_TIME = 16  # kernels whose samples are judged before others have their turn on the event loop
_STOPS_AT_ONCE = 32


class Watcher:
    """The kernels of one server. Owns one task from the first kernel to the last, and one for each stop.

    Args:
        configured: the server's policy. With the mode `off` nothing runs.
        book:       takes what is decided, and each sample.
    """

    def __init__(self, parts: Parts, configured: Configured, book: Book) -> None:
        self.kernels: dict[str, Watched] = {}
        self.policy = configured.policy
        self._configured = configured
        self.sampled_at: float | None = None
        """Seconds since the epoch."""
        self.tick_s: float | None = None
        """How long the last look at all kernels took."""
        self.hears: list[Callable[[Happened, Watched], None]] = []
        """Called at each change in what becomes of a kernel."""
        self.looks: list[Callable[[], Awaitable[None]]] = []
        """Awaited after each look at all kernels, and when the last kernel is gone."""
        self.stops: list[Callable[[Watched, Ended, str], Awaitable[None]]] = []
        """Awaited when a kernel was stopped, with the kind of stop."""
        self._parts, self._book = parts, book
        self._setting: object = None
        self._task: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_STOPS_AT_ONCE)
        self._wake = asyncio.Event()
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._looked_for: frozenset[str] = frozenset()
        self._outside = Outside(parts)
        self._closed = False
        self._complained: set[object] = set()

    @property
    def is_running(self) -> bool:
        """Whether it looks at kernels."""
        return self._task is not None

    def notice(self) -> None:
        """There may be another kernel, or one less: begins to watch, or looks at once, where there is.

        Whoever only asks how things are brings no look forward: many windows ask, and over a moment nothing can be
        measured.
        """
        if self.policy.mode == "off" or self._closed:
            return
        there = frozenset(self._parts.host.kernel_ids())
        if self._task is None and there:
            self._task = asyncio.create_task(self._run(), name="mlk idle watcher")
        elif there != self._looked_for:
            self._wake.set()

    def person(self, kernel_ids: Collection[str]) -> None:
        """A person is at these kernels: looks at once where one was about to be stopped."""
        kernels = (self.kernels.get(kernel_id) for kernel_id in kernel_ids)
        if any(kernel is not None and kernel.was_due for kernel in kernels):
            self._wake.set()

    def kernel(self, kernel_id: str) -> Watched:
        """Raises: NoSuchKernel."""
        found = self.kernels.get(kernel_id)
        if found is None:
            raise NoSuchKernel(kernel_id)
        return found

    def set_setting(self, setting: object) -> None:
        """What the person wants of all their kernels, as `policy.resolve` takes it."""
        self._setting = setting
        for kernel in self.kernels.values():
            kernel.inputs = replace(kernel.inputs, setting=setting)
            kernel.resolve(self._configured, self._parts.interval_s)
        self._wake.set()

    async def close(self, *, is_idle: bool = False) -> None:
        """Ends watching. Kernels go on; stops that are under way are ended before they end anything.

        Args: is_idle: the server ends because nobody uses it: what its stops have saved goes on.
        """
        self._closed = True
        tasks = [*self._stopping, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._task = None
        await self._outside.rest()
        if self._book.is_open:
            self._book.note({"event": "server_stop", "idle": is_idle})
        await self._book.close()

    async def look_again(self) -> None:
        """All kernels as they are from now on: returns when a look that begins after this call is over."""
        asked = self._parts.clock()
        async with self._looking:
            if self._looked_at is None or self._looked_at < asked:
                await self._look()

    async def keep(self, kernel_id: str, seconds: float, reason: str) -> None:
        """Leases a kernel, because a person says so: from now on, also where the disk takes nothing.

        Raises: NoSuchKernel, LeaseRefused.
        """
        kernel = self.kernel(kernel_id)
        kernel.keep(seconds, reason, now=self._parts.clock(), wall=self._parts.wall())
        await kernel.write_down(lambda: inside.wish(kernel_id, inside.PANEL, seconds, reason))

    async def release(self, kernel_id: str) -> None:
        """Ends the leases that persons asked for; a block of code that holds one goes on. Raises: NoSuchKernel."""
        kernel = self.kernel(kernel_id)
        kernel.let_go_of(now=self._parts.clock(), wall=self._parts.wall())
        await kernel.write_down(lambda: inside.release(kernel_id))

    def begin_stop(self, kernel_id: str) -> Watched:
        """Stops a kernel because a person says so, whatever it does and in every mode.

        Raises: NoSuchKernel, NotOurs.
        """
        kernel = self.kernel(kernel_id)
        if not kernel.look.owned:
            raise NotOurs(kernel_id)
        if kernel.stopping is None:
            kernel.failures, kernel.retry_at = 0, None
            self._begin(kernel, asked=True)
        return kernel

    async def _run(self) -> None:
        try:
            if self._book.open():
                self._book.note({"event": "server_start", "policy": as_values(self.policy)})
            while True:
                try:
                    async with self._looking:
                        await self._look()
                except Exception:  # nobody would begin it again, and no kernel would be watched
                    logger.exception("Kernels could not be looked at")
                if not self._parts.host.kernel_ids() and not self._stopping:  # a stop still looks for what is left
                    break
                self._wake.clear()
                await is_set_within(next_look_s(self.kernels.values(), self._parts.interval_s), self._wake)
        finally:
            self._task = None  # before anything is waited for: a kernel that begins now begins a watch of its own
        await self._outside.rest()

    async def _look(self) -> None:
        """One look at all kernels. Whoever calls it holds `_looking`."""
        began = time.perf_counter()
        host, now, wall = self._parts.host, self._parts.clock(), self._parts.wall()
        self._looked_at = now
        self._looked_for = frozenset(host.kernel_ids())
        looks = {kernel_id: look for kernel_id in self._looked_for if (look := self._see(kernel_id)) is not None}
        gone = self.kernels.keys() - looks.keys()
        for kernel_id in gone:
            self._forget(kernel_id, wall)
        found = await self._outside.find(looks, looks.keys() - self.kernels.keys(), gone)
        if found is not None:  # a disk that does not answer may hold a lease: that time does not count
            for number, look in enumerate(looks.values(), start=1):
                try:
                    self._judge(look, found, now, wall)
                except Exception as error:  # one kernel never keeps the others from being watched
                    self._complain(look.kernel_id, f"Kernel {look.kernel_id} could not be judged")
                    if look.kernel_id in self.kernels:
                        self.kernels[look.kernel_id].puzzle(error)
                if number % _AT_A_TIME == 0:
                    await asyncio.sleep(0)
            self._note(wall)
            self.sampled_at = wall
            kept = {
                kernel.id: leases for kernel in self.kernels.values() if (leases := kernel.to_write(now)) is not None
            }
            await self._outside.keep(kept, wall)
        await self._book.flush()
        self.tick_s = time.perf_counter() - began
        for look_on in self.looks:
            try:
                await look_on()
            except Exception:
                self._complain(look_on, "What kernels do could not be shown")

    def _see(self, kernel_id: str) -> Look | None:
        try:
            return self._parts.host.look(kernel_id)
        except Exception as error:
            self._complain(kernel_id, f"Kernel {kernel_id} could not be looked at")
            known = self.kernels.get(kernel_id)
            return unseen(kernel_id, known.look if known else None, f"{type(error).__name__} when it was looked at")

    def _complain(self, about: object, text: str) -> None:
        """Logs the error that is being handled; once about one thing."""
        if about not in self._complained:
            self._complained.add(about)
            logger.exception("%s", text)

    def _judge(self, look: Look, found: Found, now: float, wall: float) -> None:
        kernel = self.kernels.get(look.kernel_id)
        if kernel is None:
            kernel = self._begin_watching(look, found.leases.get(look.kernel_id))
        if look.pid is not None:
            if kernel.pid not in (None, look.pid):  # restarted: another process, all begins anew
                kernel.machine.reset()
                kernel.failures, kernel.retry_at, kernel.ending = 0, None, None
            kernel.pid = look.pid
        kernel.look, kernel.left = look, found.left.get(look.kernel_id, Left())
        inputs = Inputs(of_metadata(look.spec_metadata), found.notebooks.get(look.path or ""), self._setting)
        if inputs != kernel.inputs:
            kernel.inputs = inputs
            kernel.resolve(self._configured, self._parts.interval_s)
        kernel.step_lease(self._parts.clock(), self._parts.wall())
        usage = found.usages.get(look.kernel_id)
        sample = sample_of(look, usage, kernel.left, found.unfinished.__contains__, at=now, why=found.why_no_usages)
        kernel.take(sample, wall=wall)
        if kernel.told_kept != (kernel.lease is not None):
            kernel.told_kept = kernel.lease is not None
            deadline = None if kernel.lease is None else wall + kernel.lease.left_s
            self._tell("released" if kernel.lease is None else "lease", kernel, deadline=deadline)
        self._follow(kernel, now, wall)

    def _begin_watching(self, look: Look, leases: Leases | None) -> Watched:
        interval_s = interval_for(self.policy, self._parts.interval_s)
        kernel = Watched(
            id=look.kernel_id,
            look=look,
            policy=self.policy,
            machine=Machine(self.policy, interval_s=interval_s),
            interval_s=interval_s,
            leases=leases or Leases(),
        )
        kernel.resolve(self._configured, self._parts.interval_s)
        self.kernels[kernel.id] = kernel
        return kernel

    def _note(self, wall: float) -> None:
        """Works out what each kernel costs, and writes down what is new."""
        share_costs(self.kernels.values(), self.policy.price_per_hour)
        for kernel in self.kernels.values():
            try:
                self._book.sampled(kernel, wall)
            except Exception:
                self._complain(kernel.id, f"What kernel {kernel.id} does could not be recorded")

    def _follow(self, kernel: Watched, now: float, wall: float) -> None:
        """Does what the verdict asks for."""
        verdict = kernel.verdict
        if kernel.stopping is not None or kernel.policy.mode == "off":
            return
        may_retry = kernel.retry_at is None or now >= kernel.retry_at
        if kernel.ending is not None:  # nobody can use it any more, whatever it looks like
            if may_retry and (kernel.asked or self._may_stop(kernel)):
                self._begin(kernel, asked=kernel.asked)
        elif verdict.state == "due":
            if not self._may_stop(kernel):
                if kernel.would_stop_at is None:
                    kernel.would_stop_at = wall
                    self._tell("would_stop", kernel)
            elif may_retry:
                self._begin(kernel, asked=False)
        elif verdict.state == "warned":
            if not kernel.warned:
                kernel.warned = True
                self._tell("warned", kernel, deadline=kernel.stops_at)
        elif kernel.was_due:
            kernel.warned, kernel.would_stop_at = False, None
            kernel.failures, kernel.retry_at, kernel.failed_why = 0, None, ""
            self._tell("resumed", kernel)

    def _may_stop(self, kernel: Watched) -> bool:
        """Whether a kernel may be stopped that nobody asked to stop."""
        return self.policy.mode == "enforce" and kernel.policy.mode == "enforce" and kernel.look.local

    def _begin(self, kernel: Watched, *, asked: bool) -> None:
        if not (asked or self._may_stop(kernel)):
            raise RuntimeError(f"kernel {kernel.id} may only be watched")
        kernel.asked = asked
        kernel.stopping = asyncio.create_task(self._stop(kernel, asked), name=f"mlk stop of kernel {kernel.id}")
        self._stopping.add(kernel.stopping)
        kernel.stopping.add_done_callback(self._stopped)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        self._stopping.discard(task)
        self._wake.set()

    async def _stop(self, kernel: Watched, asked: bool) -> None:
        async def still_due() -> bool:
            if not await is_due():
                return False
            if kernel.decided is None:
                kernel.decided = replace(kernel)
            return True

        async def is_due() -> bool:
            if again:  # its end has begun; but what was restarted since is another one
                look = self._parts.host.look(kernel.id)
                return look is not None and look.pid in (None, kernel.pid)
            if asked:
                return True
            began = self._parts.clock()
            try:  # cells are refused meanwhile
                await within(self._parts.sampling_s * 2, self.look_again())
            except asyncio.TimeoutError:
                return False
            if kernel.sample is None or kernel.sample.at < began:  # a disk that does not tell: nothing was judged
                return False
            return kernel.verdict.state == "due" and self._may_stop(kernel) and not self._closed

        again = kernel.ending is not None
        kind: str = "asked" if asked else kernel.verdict.kind or "idle"
        kind, words = kernel.ending or (kind, why_stopped(kernel, kind))
        try:
            async with self._slots:
                ended = await self._parts.stop(
                    self._parts.host,
                    kernel.id,
                    still_due=still_due,
                    policy=kernel.policy,
                    leftovers=lambda: self._outside.end_leftovers(kernel.id, self._looking),
                    why=f"This kernel is being stopped: it {words}. Run the cell again in a new kernel.",
                    kind=kind,
                    again=again,
                )
        except Exception as error:
            logger.exception("Kernel %s could not be stopped", kernel.id)
            ended = Ended(stopped=False, why=f"The server could not stop it: {error}")
        await self._settle(kernel, ended, kind, words)

    async def _settle(self, kernel: Watched, ended: Ended, kind: str, words: str) -> None:
        kernel.stopping = None
        kernel.ending = (kind, words) if ended.is_ending else None
        decided = kernel.decided or kernel
        if not (ended.stopped or ended.is_ending):
            kernel.decided = None
        if ended.stopped:
            kernel.warned, kernel.would_stop_at, kernel.failures = False, None, 0
            self._tell("stopped", decided, words=words + not_known(ended), kind=kind, ended=list(ended.ended))
            for told in self.stops:
                try:
                    await told(decided, ended, kind)
                except Exception:
                    logger.exception("That kernel %s was stopped could not be told", kernel.id)
        elif ended.is_active:
            kernel.machine.reset()  # in doubt it lives, for as long as one that was just used
            kernel.warned, kernel.would_stop_at = False, None
            self._tell("aborted", kernel, words=ended.why)
        else:
            retry_s = self._parts.retry_s
            kernel.failures += 1
            kernel.failed_why = ended.why
            kernel.retry_at = self._parts.clock() + retry_s[min(kernel.failures, len(retry_s)) - 1]
            logger.warning("Kernel %s was not stopped, attempt %d: %s", kernel.id, kernel.failures, ended.why)
            self._tell("failed", kernel, words=ended.why, attempt=kernel.failures)
        await self._book.flush()

    def _forget(self, kernel_id: str, wall: float) -> None:
        """A kernel is gone, whoever ended it."""
        kernel = self.kernels.pop(kernel_id)
        self._complained.discard(kernel_id)
        if kernel.was_due and kernel.stopping is None:
            kernel.warned, kernel.would_stop_at = False, None
            self._tell("resumed", kernel, words="ended by itself or by a person")
        self._book.gone(kernel_id, wall)

    def _tell(
        self, event: Event, kernel: Watched, *, words: str | None = None, deadline: float | None = None, **more: Any
    ) -> None:
        words = kernel.verdict.because if words is None else words
        self._book.decided(event, kernel, self._parts.wall(), words=words, **more)
        told = Happened(
            event=event,
            kernel_id=kernel.id,
            path=kernel.look.path,
            state=kernel.verdict.state,
            kind=more.get("kind", kernel.verdict.kind),
            words=words,
            mode=kernel.policy.mode if self.policy.mode == "enforce" else self.policy.mode,
            deadline=deadline,
        )
        for hear in self.hears:
            try:
                hear(told, kernel)
            except Exception:
                self._complain(hear, f"What becomes of kernel {kernel.id} could not be told")
