"""When a server that nobody uses is ended, by whom, and when it is not."""

from __future__ import annotations

import asyncio
import dataclasses

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.idle.hub import Hub
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.server_end import Quietness, ServerEnd

POLICY = Policy(mode="enforce", server_ttl_s=100, warn_s=30)


def states(*looks: tuple[float, str | None, float | None], policy: Policy = POLICY) -> list[str]:
    quietness = Quietness(10)
    return [quietness.step(at, busy, person_s, policy).state for at, busy, person_s in looks]


def quiet(*ats: float) -> list[tuple[float, str | None, float | None]]:
    return [(at, None, None) for at in ats]


def test_a_quiet_server_is_warned_and_then_due() -> None:
    assert states(*quiet(*range(0, 111, 10))) == ["quiet"] * 7 + ["warned"] * 3 + ["due"] * 2


def test_whoever_comes_back_during_the_warning_keeps_it() -> None:
    assert states(*quiet(*range(0, 81, 10)), (90, None, 4.0), *quiet(100)) == [
        *["quiet"] * 7,
        *["warned"] * 2,
        *["quiet"] * 2,
    ]


def test_work_and_what_is_not_known_begin_anew() -> None:
    looks = [*quiet(*range(0, 81, 10)), (90, "terminal 1 runs python", None), *quiet(*range(100, 181, 10))]
    assert states(*looks)[9:] == ["active", *["quiet"] * 6, *["warned"] * 3]


def test_the_first_look_after_a_suspended_machine_begins_anew() -> None:
    assert states(*quiet(*range(0, 91, 10)), *quiet(90 + 8 * 3600)) == [*["quiet"] * 7, *["warned"] * 3, "quiet"]
    assert states(*quiet(*range(0, 91, 10)), *quiet(50))[-1] == "quiet"


def test_no_limit_is_no_end() -> None:
    forever = dataclasses.replace(POLICY, server_ttl_s=0.0)
    assert set(states(*quiet(*range(0, 1000, 10)), policy=forever)) == {"active"}


def test_a_limit_that_becomes_shorter_still_warns_for_its_whole_time() -> None:
    quietness, longer = Quietness(10), dataclasses.replace(POLICY, server_ttl_s=3600)
    for at in range(0, 301, 10):
        assert quietness.step(at, None, None, longer).state == "quiet"
    assert [quietness.step(at, None, None, POLICY).state for at in (310, 320, 330, 340)] == ["warned"] * 3 + ["due"]


_LOOKS = st.lists(
    st.tuples(
        st.floats(0, 40), st.sampled_from([None, None, None, None, "busy"]), st.none() | st.none() | st.floats(0, 500)
    ),
    max_size=60,
)


@given(_LOOKS)
def test_it_is_never_due_without_a_whole_warning_in_which_nothing_spoke_against_it(
    looks: list[tuple[float, str | None, float | None]],
) -> None:
    quietness, at, warned_at, spoken = Quietness(10), 0.0, None, 0.0
    for passed_s, busy, person_s in looks:
        at += passed_s
        due = quietness.step(at, busy, person_s, POLICY)
        if busy is not None or passed_s > 30:
            spoken = at
        if person_s is not None:
            spoken = max(spoken, at - person_s)
        if due.state == "warned" and warned_at is None:
            warned_at = at
        if due.state in ("active", "quiet"):
            warned_at = None
        if due.state == "due":
            assert warned_at is not None and at - warned_at >= POLICY.warn_s
            assert at - spoken >= POLICY.server_ttl_s - 1e-6


class Here:
    """A server of which a test says what it does."""

    def __init__(self) -> None:
        self.now = 0.0
        self.running = 0
        self.person: float | None = None
        self.doing: str | None = None
        self.local_jobs: str | None = None
        self.told: list[str] = []
        self.remembered: list[str] = []
        self.exits = 0

    def kernels(self) -> int:
        return self.running

    def person_s(self) -> float | None:
        return self.person

    async def busy(self, policy: Policy) -> str | None:
        return self.doing

    async def jobs(self) -> str | None:
        return self.local_jobs

    async def tell(self, event: str, words: str, deadline: float | None) -> None:
        self.told.append(event)

    async def remember(self, words: str) -> None:
        self.remembered.append(words)

    async def forget(self) -> None:
        self.remembered.clear()

    def exit(self) -> None:
        self.exits += 1

    def end(self, mode: str = "enforce", hub: Hub | None = None) -> ServerEnd:
        policy = dataclasses.replace(POLICY, mode=mode)  # type: ignore[arg-type]
        return ServerEnd(self, lambda: policy, clock=lambda: self.now, hub=hub, interval_s=10, hub_ends_s=0.0)

    async def pass_time(self, end: ServerEnd, until: float) -> bool:
        while self.now < until:
            if await end.tick():
                return True
            self.now += 10
        return False


def hub(*statuses: int) -> tuple[Hub, list[str]]:
    asked: list[str] = []
    answers = iter(statuses)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        status = next(answers)
        if not status:
            raise httpx.ConnectError("down")
        return httpx.Response(status)

    return Hub("http://hub/hub/api", "t", "ada", transport=httpx.MockTransport(answer)), asked


def test_a_server_without_a_hub_warns_says_why_and_leaves_once() -> None:
    async def story() -> Here:
        here = Here()
        assert await here.pass_time(here.end(), 1000)
        return here

    here = asyncio.run(story())
    assert here.told == ["server_warned", "server_stopped"] and here.exits == 1
    assert here.remembered == ["no kernel ran, and nobody had used it for 1 min 40 s"]


@pytest.mark.parametrize("status", [0, 403, 404, 500])
def test_a_hub_that_is_down_or_refuses_is_asked_once_and_the_server_leaves_once(status: int) -> None:
    async def story() -> tuple[int, list[str]]:
        here = Here()
        theirs, asked = hub(status)
        assert await here.pass_time(here.end(hub=theirs), 1000)
        return here.exits, asked

    assert asyncio.run(story()) == (1, ["DELETE"])


def test_a_hub_that_takes_it_is_given_time_to_end_the_process() -> None:
    async def story() -> None:
        here = Here()
        theirs, asked = hub(204)
        policy = dataclasses.replace(POLICY)
        end = ServerEnd(here, lambda: policy, clock=lambda: here.now, hub=theirs, interval_s=10, hub_ends_s=3600)
        task = asyncio.create_task(end.end("idle", 0.0))
        await asyncio.wait({task}, timeout=0.3)
        assert asked
        assert not task.done() and not here.exits
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(story())


def test_in_shadow_it_is_told_once_and_nothing_ends() -> None:
    async def story() -> Here:
        here = Here()
        end = here.end("shadow", hub()[0])
        assert not await here.pass_time(end, 500)
        here.doing = "terminal 1 runs python"
        assert not await here.pass_time(end, 520)
        return here

    here = asyncio.run(story())
    assert here.told == ["server_would_stop", "server_active"] and not here.exits and not here.remembered


@pytest.mark.parametrize("what", ["running", "doing", "local_jobs"])
def test_kernels_other_work_and_jobs_of_this_pod_keep_it(what: str) -> None:
    async def story() -> Here:
        here = Here()
        setattr(here, what, 1 if what == "running" else "something")
        assert not await here.pass_time(here.end(), 2000)
        return here

    here = asyncio.run(story())
    assert not here.exits and not here.told


def test_a_kernel_that_starts_while_it_is_told_keeps_it() -> None:
    async def story() -> Here:
        here = Here()
        end = here.end()
        jobs = here.jobs

        async def slow() -> str | None:
            if here.now >= 100:
                here.running = 1
            return await jobs()

        here.jobs = slow  # type: ignore[method-assign]
        assert not await here.pass_time(end, 500)
        return here

    here = asyncio.run(story())
    assert here.told == ["server_warned", "server_active"] and not here.exits


@pytest.mark.parametrize("when", ["remember", "server_stopped", 202, 403])
@pytest.mark.parametrize("who", ["running", "person"])
def test_whoever_comes_back_while_it_ends_keeps_it_and_is_told_anew(when: str | int, who: str) -> None:
    async def story() -> tuple[Here, list[str], list[str]]:
        here, asked = Here(), []

        def come() -> None:
            here.now += 1.0
            setattr(here, who, 1 if who == "running" else 0.5)

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.method)
            come()
            return httpx.Response(int(when))

        async def remember(words: str) -> None:
            here.remembered.append(words)
            if when == "remember":
                come()

        async def tell(event: str, words: str, deadline: float | None) -> None:
            here.told.append(event)
            if when == event:
                come()

        here.remember, here.tell = remember, tell  # type: ignore[method-assign]
        theirs = Hub("http://hub/hub/api", "t", "ada", transport=httpx.MockTransport(answer))
        end = here.end(hub=theirs)
        assert not await here.pass_time(end, 110)
        first = list(here.told)
        here.running, here.person = 0, None
        assert not await here.pass_time(end, here.now + 60) and here.told == first
        await here.pass_time(end, here.now + 30)
        return here, first, asked

    here, first, asked = asyncio.run(story())
    assert first == ["server_warned", "server_stopped", "server_active"]
    assert here.told[3:] == ["server_warned"] and not here.exits and not here.remembered
    assert asked == (["DELETE"] if isinstance(when, int) else [])


def test_a_look_that_fails_ends_nothing_and_the_next_one_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> Here:
        here, policy = Here(), POLICY
        failures = iter([True, True, False])

        async def busy(policy: Policy) -> str | None:
            here.now += 100.0
            if next(failures, False):
                raise OSError("the process table is gone")
            return None

        here.busy = busy  # type: ignore[method-assign]
        end = ServerEnd(here, lambda: policy, clock=lambda: here.now, interval_s=0.0)
        task = asyncio.create_task(end.run())
        await asyncio.wait({task}, timeout=0.2)
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})
        return here

    assert not asyncio.run(story()).exits
    assert caplog.text.count("could not be found out") == 2
