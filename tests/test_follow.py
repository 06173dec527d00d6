"""One watch for all who listen: what they are told, and what begins again when it broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Set

from mlk_jupyter.errors import BackendUnavailable
from mlk_jupyter.follow.broadcast import Changes, Watch
from mlk_jupyter.model import JobSummary, Phase


def job(job_id: str, phase: Phase = Phase.RUNNING) -> JobSummary:
    return JobSummary(id=job_id, name=job_id, notebook="a.ipynb", backend="here", phase=phase, created_at=1.0)


class Backend:
    """Tells what a test puts in; an exception breaks the watch off."""

    name = "here"

    def __init__(self) -> None:
        self.said: asyncio.Queue[Changes | Exception] = asyncio.Queue()
        self.watching = self.watched = 0

    async def watch(self) -> AsyncIterator[Changes]:
        self.watching += 1
        self.watched += 1
        try:
            while True:
                said = await self.said.get()
                if isinstance(said, Exception):
                    raise said
                yield said
        finally:
            self.watching -= 1


class Ears:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[set[str]] = asyncio.Queue()

    def __call__(self, job_ids: Set[str]) -> None:
        self.heard.put_nowait(set(job_ids))

    async def next(self) -> set[str]:
        return await asyncio.wait_for(self.heard.get(), 20)


async def eventually_at_rest(backend: Backend) -> None:
    for _ in range(2000):
        if backend.watching == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it goes on")


def test_all_who_listen_share_one_watch_and_are_told_which_jobs_changed() -> None:
    async def story() -> None:
        backend, one, two = Backend(), Ears(), Ears()
        watch = Watch(backend)
        watch.listen(one)
        watch.listen(two)
        backend.said.put_nowait(Changes(changed=[job("a"), job("b")]))
        assert await one.next() == await two.next() == {"a", "b"}
        backend.said.put_nowait(Changes(changed=[job("a", Phase.FAILED)], removed=["b"]))
        assert await one.next() == await two.next() == {"a", "b"}
        assert watch.jobs == {"a": job("a", Phase.FAILED)} and backend.watched == 1
        watch.leave(one)
        backend.said.put_nowait(Changes(changed=[job("c")]))
        assert await two.next() == {"c"} and one.heard.empty()
        watch.leave(two)
        await eventually_at_rest(backend)
        assert watch.jobs is None and not watch.running

    asyncio.run(story())


def test_what_broke_off_begins_again_and_what_happened_meanwhile_is_told() -> None:
    async def story() -> None:
        backend, ears = Backend(), Ears()
        watch = Watch(backend, first_retry_s=0.001)
        watch.listen(ears)
        backend.said.put_nowait(Changes(changed=[job("a"), job("b"), job("c")]))
        assert await ears.next() == {"a", "b", "c"}
        for broken in (BackendUnavailable("It is away.", hint="Wait."), RuntimeError("a bug")):
            backend.said.put_nowait(broken)
            assert await ears.next() == set()
            assert watch.error is not None and watch.jobs is not None, "what was known is still known"
        backend.said.put_nowait(Changes(changed=[job("a"), job("b", Phase.FAILED), job("d")]))
        assert await ears.next() == {"b", "c", "d"}, "a is as it was"
        assert watch.error is None and set(watch.jobs) == {"a", "b", "d"} and backend.watched == 3
        await watch.close()
        assert backend.watching == 0

    asyncio.run(story())


def test_a_watch_lingers_for_whoever_asks_again_soon() -> None:
    async def story() -> None:
        backend = Backend()
        watch = Watch(backend)
        backend.said.put_nowait(Changes(changed=[job("a")]))
        for _ in range(2):
            with watch.listening("a", linger_s=0.1):
                await asyncio.sleep(0.01)
        assert watch.jobs is not None and backend.watched == 1
        await eventually_at_rest(backend)
        assert watch.jobs is None

    asyncio.run(story())


def test_one_job_is_heard_of_and_the_others_are_not() -> None:
    async def story() -> None:
        backend, ears = Backend(), Ears()
        watch = Watch(backend)
        watch.listen(ears)
        with watch.listening("a") as changed:
            backend.said.put_nowait(Changes(changed=[job("b")]))
            await ears.next()
            assert not changed.is_set()
            backend.said.put_nowait(Changes(changed=[job("a")]))
            await asyncio.wait_for(changed.wait(), 20)
        await watch.close()

    asyncio.run(story())
