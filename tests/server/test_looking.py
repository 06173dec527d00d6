"""What is watched, and told, of several backends while somebody looks at a list or at one job."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from memory_backend import MemoryBackend
from socket_window import eventually

from mlk_jupyter.errors import BackendUnavailable
from mlk_jupyter.follow.broadcast import Watch
from mlk_jupyter.model import Phase
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.feeds import JobsFeed, Rows


class Silent(MemoryBackend):
    """Tells nothing of its jobs until a test lets it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.may_tell = asyncio.Event()

    async def jobs(self) -> Any:
        await self.may_tell.wait()
        return await super().jobs()


async def following(app: MlkJupyterApp, *backends: MemoryBackend, first_answer_s: float) -> tuple[JobsFeed, Any]:
    called = asyncio.Event()
    feed = JobsFeed(
        [Watch(backend, first_retry_s=0.01) for backend in backends],
        app.services.the(Rows),
        called.set,
        first_answer_s,
    )

    async def told() -> tuple[str, Any]:
        while True:
            called.clear()
            due = feed.due is None or feed.due <= time.monotonic()  # a window asks no feed before
            item = await feed.next() if due else None
            if item is not None:
                data = item[1] if isinstance(item[1], str) else item[1].model_dump_json()
                return item[0], json.loads(data)
            timeout = 20.0 if feed.due is None else 0.01
            await asyncio.wait({asyncio.ensure_future(called.wait())}, timeout=timeout)

    return feed, told


async def test_a_backend_that_is_slow_holds_up_the_others_for_a_while_and_comes_as_a_change(
    app: MlkJupyterApp, tmp_path: Path
) -> None:
    quick, slow = MemoryBackend(tmp_path / "quick"), Silent(tmp_path / "slow")
    quick.put("a")
    slow.put("b")
    feed, told = await following(app, quick, slow, first_answer_s=0.05)
    kind, data = await told()
    assert (kind, [job["id"] for job in data["jobs"]]) == ("snapshot", ["a"])
    slow.may_tell.set()
    kind, data = await told()
    assert (kind, [job["id"] for job in data["changed"]], data["removed"]) == ("delta", ["b"], [])
    await feed.close()
    await eventually(lambda: quick.watching == slow.watching == 0)


async def test_a_list_is_told_as_soon_as_all_backends_have_told_theirs(app: MlkJupyterApp, tmp_path: Path) -> None:
    one, other = MemoryBackend(tmp_path / "one"), Silent(tmp_path / "other")
    one.put("a")
    other.put("b")
    feed, told = await following(app, one, other, first_answer_s=3_600.0)
    other.may_tell.set()
    kind, data = await asyncio.wait_for(told(), 30)
    assert kind == "snapshot" and {job["id"] for job in data["jobs"]} == {"a", "b"}
    await feed.close()
    await eventually(lambda: one.watching == other.watching == 0)


async def test_of_several_backends_one_that_is_away_keeps_none_of_the_others(
    app: MlkJupyterApp, tmp_path: Path
) -> None:
    here, away = MemoryBackend(tmp_path / "here"), MemoryBackend(tmp_path / "away")
    here.put("a")
    away.failure = BackendUnavailable("It is away.", hint="Wait.")
    feed, told = await following(app, here, away, first_answer_s=20.0)
    kind, data = await told()
    assert (kind, [job["id"] for job in data["jobs"]]) == ("snapshot", ["a"])
    here.put("a", Phase.FAILED)
    kind, data = await told()
    assert (kind, [job["phase"] for job in data["changed"]]) == ("delta", ["Failed"])
    await feed.close()


async def test_a_cluster_is_watched_while_somebody_looks_at_jobs_and_only_then(
    app: MlkJupyterApp, backend: MemoryBackend, connect: Any, jp_fetch: Any
) -> None:
    backend.kind = "kubernetes"  # type: ignore[assignment]
    backend.put("a")
    watch = app.services.backend.watches["memory"]
    socket = await connect()
    await socket.ask("subscribe", "backends")
    await socket.read()
    for path in ("info", "jobs", "jobs/a"):
        await jp_fetch("mlk", *path.split("/"))
    assert not watch.running and backend.watched == 0
    for topic in ("jobs", "job/a"):
        await socket.ask("subscribe", topic)
        await socket.read()
        assert watch.running
        await socket.ask("unsubscribe", topic)
        await eventually(lambda: not watch.running and backend.watching == 0)
