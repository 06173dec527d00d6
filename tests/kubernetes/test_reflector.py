"""What is kept in memory equals what the server has, whatever happens in between."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from badserver import pod, until
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from mlk_jupyter.backends.kubernetes.api.api_errors import (
    Expired,
    Forbidden,
    LoginNeeded,
    Silent,
    Throttled,
    Unreachable,
)
from mlk_jupyter.backends.kubernetes.api.connection import Event, Listing
from mlk_jupyter.backends.kubernetes.timing import Times
from mlk_jupyter.backends.kubernetes.watch.reflector import Backoff, Reflector
from mlk_jupyter.model.api import WatchState

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


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_a_watch_that_is_cut_is_taken_up_without_a_new_list() -> None:
    async def test() -> None:
        cluster = Cluster()
        cluster.put("a")
        async with watched(cluster) as reflector:
            await until(lambda: reflector.state is WatchState.LIVE)
            for name in ("b", "c", "d"):
                cluster.cut_watches()
                cluster.put(name)
                await until(lambda: equal(cluster, reflector))
            assert cluster.lists == 1 and cluster.watches >= 4

    run(test)


def test_a_forgotten_version_costs_one_list_and_shows_nobody_an_error() -> None:
    async def test() -> None:
        cluster = Cluster()
        cluster.put("a")
        cluster.put("b")
        links: list[WatchState] = []
        async with watched(cluster) as reflector:
            reflector._on_state = lambda: links.append(reflector.state)
            await until(lambda: reflector.state is WatchState.LIVE)
            cluster.remove("a")
            cluster.forget_history()
            cluster.cut_watches()
            await until(lambda: equal(cluster, reflector))
            assert cluster.lists == 2 and WatchState.REFUSED not in links and WatchState.RECONNECTING not in links

    run(test)


def test_what_a_new_list_lacks_is_told_as_deleted() -> None:
    async def test() -> None:
        cluster, mirror = Cluster(), Mirror()
        cluster.put("a")
        cluster.put("b")
        async with watched(
            cluster, Times(**{**vars(QUICK), "relist_s": 0.05, "watch_s": (0.05, 0.05)}), mirror
        ) as seen:
            await until(lambda: len(mirror.objects) == 2)
            cluster.mute = True  # the event is lost: only the next whole list can tell
            cluster.remove("a")
            await until(lambda: equal(cluster, seen))
            assert by_name(mirror.objects) == cluster.store

    run(test)


def test_a_missing_right_is_said_and_asked_about_rarely() -> None:
    async def test() -> None:
        cluster = Cluster()
        cluster.failures = [Forbidden("pods is forbidden", verb="list", resource="pods")] * 2
        async with watched(cluster) as reflector:
            await asyncio.wait_for(reflector.settled.wait(), 10)
            assert (reflector.state, reflector.why) == (WatchState.REFUSED, "pods is forbidden")
            await until(lambda: reflector.state is WatchState.LIVE)
            assert cluster.lists == 3

    run(test)


def test_a_refused_login_is_said_and_ends_when_it_is_renewed() -> None:
    async def test() -> None:
        cluster = Cluster()
        async with watched(cluster) as reflector:
            await until(lambda: reflector.state is WatchState.LIVE)
            cluster.failures = [LoginNeeded("The credentials expired.", hint="Log in.")] * 3
            cluster.cut_watches()
            await until(lambda: reflector.state is WatchState.REFUSED)
            assert reflector.why == "The credentials expired."
            cluster.put("a")
            await until(lambda: reflector.state is WatchState.LIVE and equal(cluster, reflector))

    run(test)


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks() -> None:
    async def test() -> None:
        cluster = Cluster()
        cluster.failures = [Throttled("busy", retry_after_s=0.2)]
        async with watched(cluster) as reflector:
            await until(lambda: cluster.lists == 1)
            started = asyncio.get_running_loop().time()
            await until(lambda: reflector.state is WatchState.LIVE)
            assert asyncio.get_running_loop().time() - started >= 0.15 and cluster.lists == 2

    run(test)


def test_a_server_that_ends_each_watch_at_once_is_not_asked_without_pause() -> None:
    async def test() -> None:
        cluster = Cluster(ends_at_once=True)
        times = Times(**{**vars(QUICK), "first_wait_s": 0.1, "longest_wait_s": 0.5})
        async with watched(cluster, times) as reflector:
            await until(lambda: reflector.state is WatchState.RECONNECTING)
            assert "at once" in (reflector.why or "") and cluster.watches <= 3 and cluster.lists == 1
            cluster.ends_at_once = False
            cluster.put("a")
            await until(lambda: reflector.state is WatchState.LIVE and equal(cluster, reflector))

    run(test)


def test_a_fault_of_our_own_is_logged_and_the_loop_starts_again(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        cluster = Cluster()
        cluster.put("a")
        cluster.failures = [ZeroDivisionError("a bug"), KeyError("another")]
        async with watched(cluster) as reflector:
            await until(lambda: reflector.state is WatchState.LIVE and equal(cluster, reflector))

    run(test)
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [ZeroDivisionError, KeyError]


def test_a_subscriber_that_fails_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        cluster, calls = Cluster(), []

        def failing(before: object, after: object) -> None:
            calls.append(after)
            if len(calls) == 1:
                raise RuntimeError("a bug")

        reflector = Reflector("pods", cluster, lambda one: one, on_change=failing, times=QUICK)
        async with reflector:
            await until(lambda: reflector.state is WatchState.LIVE)
            cluster.put("a")
            cluster.put("b")
            await until(lambda: equal(cluster, reflector))

    run(test)
    assert any(record.exc_info for record in caplog.records)


def test_an_outage_is_said_with_its_reason_and_since_when_and_the_store_stays() -> None:
    async def test() -> None:
        cluster = Cluster()
        cluster.put("a")
        async with watched(cluster) as reflector:
            await until(lambda: reflector.state is WatchState.LIVE)
            cluster.failures = [Unreachable("No answer from the cluster: Connection refused.", hint="-")] * 4
            cluster.cut_watches()
            await until(lambda: reflector.state is WatchState.RECONNECTING)
            assert "Connection refused" in (reflector.why or "") and " UTC" in (reflector.why or "")
            assert equal(cluster, reflector)
            await until(lambda: reflector.state is WatchState.LIVE)
            assert reflector.why is None and cluster.lists == 1

    run(test)


def test_a_new_object_of_the_same_name_ends_the_one_before_even_if_its_end_was_lost() -> None:
    async def test() -> None:
        cluster, mirror = Cluster(), Mirror()
        cluster.put("a", uid="first")
        async with watched(cluster, mirror=mirror) as reflector:
            await until(lambda: reflector.state is WatchState.LIVE)
            cluster.store.pop("a")
            cluster.put("a", uid="second")
            await until(lambda: equal(cluster, reflector))
            assert mirror.ended == {"first"} and list(mirror.objects) == ["second"]

    run(test)


def test_an_old_event_after_a_new_list_brings_nothing_back() -> None:
    async def test() -> None:
        cluster, mirror = Cluster(), Mirror()
        cluster.put("a")
        cluster.put("b")
        cluster.remove("a")
        replayed = cluster.history[0]
        async with watched(cluster, mirror=mirror) as reflector:
            await until(lambda: reflector.state is WatchState.LIVE)
            reflector._apply(replayed)  # a watch cache that lags behind the list sends it once more
            assert equal(cluster, reflector) and list(by_name(mirror.objects)) == ["b"]

    run(test)


def test_reconnecting_takes_up_the_watch_where_it_was() -> None:
    async def test() -> None:
        cluster = Cluster()
        async with watched(cluster) as reflector:
            await until(lambda: cluster.open_watches == 1)
            watches = cluster.watches
            reflector.reconnect()
            cluster.put("a")
            await until(lambda: cluster.watches > watches and equal(cluster, reflector))
            assert cluster.lists == 1

    run(test)


def test_closing_ends_the_task_and_its_watch() -> None:
    async def test() -> None:
        cluster = Cluster()
        async with watched(cluster):
            await until(lambda: cluster.open_watches == 1)
        assert cluster.open_watches == 0
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not any("of pods" in name for name in names)

    run(test)


def test_waiting_grows_to_its_limit_and_starts_small_again_after_success() -> None:
    backoff = Backoff(0.2, 15.0, random.Random(3))
    waits = [backoff.next() for _ in range(40)]
    assert all(0.1 <= first <= 0.2 for first in waits[:1]) and all(7.5 <= wait <= 15 for wait in waits[8:])
    assert sum(waits[:14]) > 60, "more than 15 requests a minute during an outage"
    assert len(set(waits[8:])) == len(waits[8:]), "many clients would come back at the same moment"
    backoff.reset()
    assert backoff.next() <= 0.2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "put",
                "put",
                "put",
                "remove",
                "replace",
                "cut",
                "forget",
                "refuse",
                "silent",
                "busy",
                "bug",
                "lose",
                "rest",
            ]
        ),
        st.sampled_from(["a", "b", "c", "d"]),
    ),
    min_size=1,
    max_size=50,
)


@seed(20261122)
@settings(max_examples=120, deadline=None, derandomize=False)
@given(steps=STEPS, muddled=st.booleans(), chance=st.integers(0, 2**16))
def test_the_store_equals_the_server_after_any_mix_of_changes_and_faults(
    steps: list[tuple[str, str]], muddled: bool, chance: int
) -> None:
    async def test() -> None:
        cluster, mirror = Cluster(muddle=random.Random(chance) if muddled else None), Mirror()
        randomly = random.Random(chance)
        times = Times(**{**vars(QUICK), "relist_s": 0.03, "watch_s": (0.02, 0.02), "short_s": 0.0})
        async with watched(cluster, times, mirror) as reflector:
            for step, name in steps:
                await apply(cluster, step, name)
                for _ in range(randomly.randrange(6)):  # the reflector gets somewhere in between, or not
                    await asyncio.sleep(0)
            cluster.failures, cluster.mute = [], False
            await until(lambda: equal(cluster, reflector) and mirror.objects == reflector.objects)
        assert mirror.wrong == []

    logging_off(test)


async def apply(cluster: Cluster, step: str, name: str) -> None:
    errors: dict[str, Exception] = {
        "refuse": Unreachable("refused", hint="-"),
        "silent": Silent("silent", hint="-"),
        "busy": Throttled("busy", retry_after_s=0.001),
        "bug": ValueError("a bug"),
    }
    if step == "put":
        cluster.put(name)
    elif step == "remove":
        cluster.remove(name)
    elif step == "replace":
        cluster.remove(name)
        cluster.put(name)
    elif step == "cut":
        cluster.cut_watches()
    elif step == "forget":
        cluster.forget_history()
    elif step in errors:
        cluster.failures.append(errors[step])
        cluster.cut_watches()
    elif step == "lose":
        cluster.mute = not cluster.mute
    else:
        await asyncio.sleep(0.001)


def logging_off(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import logging

    logging.disable(logging.ERROR)  # each invented bug is logged with its traceback
    try:
        asyncio.run(test())
    finally:
        logging.disable(logging.NOTSET)
