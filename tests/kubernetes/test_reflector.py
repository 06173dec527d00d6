"""One list, then one watch: what is kept in memory after each fault, and what is said of it."""

from __future__ import annotations

import asyncio
import random

import pytest
from badserver import run, until
from watchedcollection import QUICK, Cluster, Mirror, by_name, equal, watched

from mlk_jupyter.backends.kubernetes.api.api_errors import Forbidden, LoginNeeded, Throttled, Unreachable
from mlk_jupyter.backends.kubernetes.timing import Times
from mlk_jupyter.backends.kubernetes.watch.reflector import Backoff, Reflector
from mlk_jupyter.model.api import WatchState


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
