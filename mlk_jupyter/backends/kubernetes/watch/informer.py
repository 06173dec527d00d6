"""An informer: what the cluster holds of our jobs, in memory: one LIST, then one WATCH a resource, however many ask."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace

from ....model.api import WatchState
from .. import labels
from ..api.api_errors import Forbidden, NotFoundInCluster
from ..api.connection import Connection, Event, Listing
from ..api.decoding import Keep
from ..resources import EVENTS, PODS, WORKLOADS, Manifest, Objects, Resource
from ..timing import Times
from .holdings import Holdings, Snapshot, job_of
from .pruning import keep_event, keep_job, keep_pod, keep_workload, packing, subject_of
from .reflector import Reflector

_logger = logging.getLogger(__name__)
EVENTS_AN_OBJECT = 30
EVENTS_IN_ALL = 10_000
_LOOK_S = 5.0
_JUMP_S = 30.0
_ORDER = (WatchState.REFUSED, WatchState.RECONNECTING, WatchState.CONNECTING, WatchState.LIVE)

Callback = Callable[[set[str]], None]


@dataclass(frozen=True)
class _Kind:
    """How one resource is watched."""

    resource: Resource
    keep: Keep
    place: str
    """One of `PLACES`."""
    labelled: bool
    """Whether its objects bear our labels. Others are known by name."""
    needed: bool
    """Whether nothing can be said of a job without it."""


def _its_job(one: Manifest) -> str:
    metadata = one["metadata"]
    name = labels.subject(one["kind"], str(metadata.get("name", "")))
    return (metadata.get("labels") or {}).get(labels.JOB) or labels.job_of(name) or ""


def _its_subject(event: Manifest) -> str:
    return subject_of(event["involvedObject"])


_PODS = _Kind(PODS, packing(keep_pod, _its_job), "pods", labelled=True, needed=True)
_EVENTS = _Kind(EVENTS, packing(keep_event, _its_subject), "events", labelled=False, needed=False)
_WORKLOADS = _Kind(WORKLOADS, packing(keep_workload, _its_job), "workloads", labelled=False, needed=False)


class _Collection:
    """One resource of one namespace, as a reflector's source."""

    def __init__(self, connection: Connection, kind: _Kind, user: str | None) -> None:
        self._connection, self._keep = connection, kind.keep
        self._path = kind.resource.path(connection.target.namespace)
        self._labels = labels.selector(user) if kind.labelled else None

    async def list(self) -> Listing:
        return await self._connection.list(self._path, labels=self._labels, keep=self._keep)

    def watch(self, version: str, timeout_s: float) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        return self._connection.watch(self._path, version=version, labels=self._labels, timeout_s=timeout_s)

    @property
    def pause_s(self) -> float:
        return self._connection.pause_s


class Informer:
    """Keeps all jobs' objects in memory and says whose changed. Works from `async with` to its end."""

    def __init__(
        self,
        connection: Connection,
        *,
        user: str | None,
        kinds: Sequence[Resource],
        workloads: Resource | None,
        on_state: Callable[[], None] = lambda: None,
        times: Times | None = None,
    ) -> None:
        """user: whose jobs (None: everybody's). kinds: of job, as served. workloads: Kueue's, if served."""
        self.on_state = on_state
        self._connection = connection
        self._held = Holdings()
        self._subscribers: dict[int, Callback] = {}
        self._next_subscriber = 0
        self._dirty: set[str] = set()
        self._opened = AsyncExitStack()
        self._clock_task: asyncio.Task[None] | None = None
        self._shown: tuple[WatchState, str | None] = (WatchState.CONNECTING, None)
        self._kinds = _watched(kinds, workloads)
        self._reflectors = [
            Reflector(
                kind.resource.full_name,
                _Collection(connection, kind, user),
                kind.keep,
                on_change=self._changer(kind),
                on_state=self._state_changed,
                times=times,
            )
            for kind in self._kinds
        ]
        self._events = self._reflectors[self._kinds.index(_EVENTS)]

    async def __aenter__(self) -> Informer:
        for reflector in self._reflectors:
            await self._opened.enter_async_context(reflector)
        self._clock_task = asyncio.create_task(self._mind_the_clock(), name="clock of the informer")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._clock_task is not None:
            self._clock_task.cancel()
            await asyncio.wait({self._clock_task})
        await self._opened.aclose()

    async def ready(self) -> None:
        """Returns once each resource was listed, or refused; see `state`. Waits for as long as no answer comes."""
        await asyncio.gather(*(reflector.settled.wait() for reflector in self._reflectors))

    def retry(self) -> None:
        """Tries now whatever waits to be tried again."""
        for reflector in self._reflectors:
            reflector.retry()

    def job_ids(self) -> set[str]:
        """Jobs that the cluster holds something of, be it only pods that are ending."""
        return self._held.job_ids()

    def exists(self, job_id: str) -> bool:
        """Whether the cluster holds the job itself, and not merely pods of it that are ending."""
        return self._held.exists(job_id)

    def snapshot(self) -> Snapshot:
        """All that the cluster holds now."""
        return Snapshot(self._held, self._connection.clock())

    def objects(self, job_id: str) -> Objects:
        """What the cluster holds of one job; empty for one that it does not know."""
        return self._held.objects(job_id, self._connection.clock())

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls back with the ids of the jobs that changed, soon after they did, on the event loop.

        Returns: what ends it.
        """
        number, self._next_subscriber = self._next_subscriber, self._next_subscriber + 1
        self._subscribers[number] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(number, None)

        return unsubscribe

    @property
    def state(self) -> tuple[WatchState, str | None]:
        """How fresh all this is, and why it is not live; a live one may still miss a part, which is said too."""
        needed = [one for one, kind in zip(self._reflectors, self._kinds, strict=True) if kind.needed]
        for state in _ORDER:
            for reflector in needed:
                if reflector.state is state and state is not WatchState.LIVE:
                    return state, reflector.why
        missing = [one.why for one in self._reflectors if one.state is WatchState.REFUSED and one.why]
        return WatchState.LIVE, f"Reasons may be missing: {missing[0]}" if missing else None

    def _state_changed(self) -> None:
        if self.state != self._shown:
            self._shown = self.state
            self.on_state()

    def _changer(self, kind: _Kind) -> Callable[[Manifest | None, Manifest | None], None]:
        def change(before: Manifest | None, after: Manifest | None) -> None:
            if before is not None and (after is None or after["about"] != before["about"]):
                self._mark(self._held.drop(kind.place, before))
            if after is not None:
                self._mark(self._held.put(kind.place, after))
                if kind is _EVENTS:
                    self._bound_events(after)

        return change

    def _bound_events(self, newest: Manifest) -> None:
        known = self._held.packed("events", job_of(newest) or "")
        same = [event for event in known if event["about"] == newest["about"]]
        surplus = same[: max(0, len(same) - EVENTS_AN_OBJECT)]
        if len(self._events.objects) > EVENTS_IN_ALL:
            surplus.append(next(iter(self._events.objects.values())))
        for event in surplus:
            self._held.drop("events", event)
            self._events.forget(event["uid"])

    def _mark(self, job_id: str | None) -> None:
        if job_id is None:
            return
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._tell)
        self._dirty.add(job_id)

    def _tell(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for callback in list(self._subscribers.values()):
            try:
                callback(set(dirty))
            except Exception:
                _logger.exception("A subscriber to the cluster's changes failed")

    async def _mind_the_clock(self) -> None:
        """A machine that slept has connections that nobody knows to be dead: wall clock and uptime tell."""
        ahead = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.time() - time.monotonic()
            if abs(now - ahead) > _JUMP_S:
                _logger.info("The clock jumped by %.0f s; watching anew", now - ahead)
                for reflector in self._reflectors:
                    reflector.reconnect()
            ahead = now


async def snapshot(
    connection: Connection,
    *,
    user: str | None,
    kinds: Sequence[Resource],
    workloads: Resource | None,
    job_id: str | None = None,
) -> Snapshot:
    """All jobs' objects at this moment, by one LIST a resource; for whoever looks once.

    Args:   job_id: only this one's.
    Raises: what a list of jobs or pods raises. Events and workloads that may not be read are left out.
    """
    held = Holdings()
    watched = _watched(kinds, workloads)
    for kind, items in zip(
        watched, await asyncio.gather(*(_listed(connection, kind, user) for kind in watched)), strict=True
    ):
        for item in items:
            if job_id in (None, job_of(item)):
                held.put(kind.place, item)
    return Snapshot(held, connection.clock())


async def _listed(connection: Connection, kind: _Kind, user: str | None) -> list[Manifest]:
    try:
        return (await _Collection(connection, kind, user).list()).items
    except (Forbidden, NotFoundInCluster):
        if kind.needed:
            raise
        return []


def _watched(kinds: Sequence[Resource], workloads: Resource | None) -> list[_Kind]:
    return [
        *(_Kind(kind, packing(keep_job(kind), _its_job), "jobs", labelled=True, needed=True) for kind in kinds),
        _PODS,
        _EVENTS,
        *([replace(_WORKLOADS, resource=workloads)] if workloads else []),
    ]
