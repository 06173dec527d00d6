"""A server's collection that is watched, with the faults of its watches, and what somebody believes who hears of it."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from badserver import pod

from mlk_jupyter.backends.kubernetes.api.api_errors import Expired, Unreachable
from mlk_jupyter.backends.kubernetes.api.connection import Event, Listing
from mlk_jupyter.backends.kubernetes.timing import Times
from mlk_jupyter.backends.kubernetes.watch.reflector import Reflector

QUICK = Times(
    first_wait_s=0.001, longest_wait_s=0.01, relist_s=600, recheck_s=0.05, short_s=0.02, watch_s=(600.0, 600.0)
)


@dataclass
class Cluster:
    """A server's collection with its history, and the faults that its watches have."""

    store: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    version: int = 10
    forgotten: int = 0
    """Watches from below this version get 410."""
    failures: list[Exception] = field(default_factory=list)
    """Raised by the next calls, one each."""
    muddle: random.Random | None = None
    """Repeats and swaps events when given."""
    lists: int = 0
    watches: int = 0
    open_watches: int = 0
    cut: int = 0
    """Watches that began before this number are over."""
    mute: bool = False
    """Events are lost."""
    ends_at_once: bool = False
    pause_s: float = 0.0
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, name: str, uid: str | None = None) -> None:
        self.version += 1
        known = self.store.get(name)
        uid = uid or (known["metadata"]["uid"] if known else f"{name}-{self.version}")
        self.store[name] = pod(name, self.version, uid=uid)
        self._record("MODIFIED" if known else "ADDED", self.store[name])

    def remove(self, name: str) -> None:
        if name in self.store:
            self.version += 1
            last = copy.deepcopy(self.store.pop(name))
            last["metadata"]["resourceVersion"] = str(self.version)
            self._record("DELETED", last)

    def forget_history(self) -> None:
        self.forgotten = self.version

    def cut_watches(self) -> None:
        self.cut = self.watches + 1
        self._wake()

    def _record(self, kind: str, content: dict[str, Any]) -> None:
        self.history.append(Event(kind, content))
        self._wake()

    def _wake(self) -> None:
        self.happened.set()
        self.happened = asyncio.Event()

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def list(self) -> Listing:
        self.lists += 1
        self._fail()
        return Listing([copy.deepcopy(one) for one in self.store.values()], str(self.version))

    @asynccontextmanager
    async def watch(self, version: str, timeout_s: float) -> AsyncIterator[AsyncIterator[Event]]:
        self.watches += 1
        self._fail()
        if int(version) < self.forgotten:
            raise Expired("too old resource version", hint="-")
        self.open_watches += 1
        try:
            yield self._events(int(version), self.watches, timeout_s)
        finally:
            self.open_watches -= 1

    async def _events(self, since: int, number: int, timeout_s: float) -> AsyncIterator[Event]:
        ends_at = asyncio.get_running_loop().time() + timeout_s
        sent = 0
        while not self.ends_at_once:
            if number < self.cut:
                raise Unreachable("cut", hint="-")
            happened = self.happened
            fresh = [event for event in self.history[sent:] if int(event.object["metadata"]["resourceVersion"]) > since]
            sent = len(self.history)
            for event in [] if self.mute else self._muddled(fresh):
                yield copy.deepcopy(event)
            left = ends_at - asyncio.get_running_loop().time()
            if left <= 0:
                return
            if happened is self.happened:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(happened.wait(), left)

    def _muddled(self, events: list[Event]) -> list[Event]:
        if self.muddle is None or not events:
            return events
        order = [event for event in events for _ in range(self.muddle.choice((1, 1, 2)))]
        for place in range(len(order) - 1):
            if self.muddle.random() < 0.3:
                order[place], order[place + 1] = order[place + 1], order[place]
        return [*order, self.muddle.choice(self.history)]


@dataclass
class Mirror:
    """What somebody believes who hears of changes only. `wrong` holds what made no sense."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def change(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        uid = (after or before or {})["metadata"]["uid"]
        if self.objects.get(uid) != before:
            self.wrong.append(f"{uid}: told of another past than was told before")
        if after is None:
            self.objects.pop(uid, None)
            self.ended.add(uid)
            return
        if uid in self.ended:
            self.wrong.append(f"{uid} came back after its end")
        if before is not None:
            old, new = (int(one["metadata"]["resourceVersion"]) for one in (before, after))
            if new <= old:
                self.wrong.append(f"{uid} was set back from {old} to {new}")
        self.objects[uid] = after


def by_name(objects: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects.values()}


def watched(cluster: Cluster, times: Times = QUICK, mirror: Mirror | None = None) -> Reflector:
    heard = mirror or Mirror()
    return Reflector("pods", cluster, lambda one: one, on_change=heard.change, times=times, chance=random.Random(1))


def equal(cluster: Cluster, reflector: Reflector) -> bool:
    return by_name(reflector.objects) == cluster.store
