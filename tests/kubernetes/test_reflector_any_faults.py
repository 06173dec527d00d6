"""What is kept in memory equals what the server has, after any mix of changes and faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from badserver import until
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from watchedcollection import QUICK, Cluster, Mirror, equal, watched

from mlk_jupyter.backends.kubernetes.api.api_errors import Silent, Throttled, Unreachable
from mlk_jupyter.backends.kubernetes.timing import Times

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
