"""A server that is stopped while it works: what is under way ends first, or is cut off; nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from memory_backend import MemoryBackend
from socket_window import eventually

from mlk_jupyter.model import JobStatus
from mlk_jupyter.server.app import MlkJupyterApp

BODY = json.dumps({"spec": {"name": "work", "notebook": "work.ipynb"}, "request_id": "request-1"})


class Gate:
    """Holds up submissions until it is opened."""

    def __init__(self, backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        submit = backend.submit

        async def held_up(*args: Any, **more: Any) -> JobStatus:
            self.reached.set()
            await self.opened.wait()
            return await submit(*args, **more)

        monkeypatch.setattr(backend, "submit", held_up)


async def submitting(fetch: Any, gate: Gate) -> asyncio.Future[Any]:
    task = asyncio.ensure_future(fetch("mlk", "jobs", method="POST", body=BODY, raise_error=False))
    await asyncio.wait_for(gate.reached.wait(), 20)
    return task


async def test_a_submission_that_is_under_way_is_waited_for_and_no_other_begins(
    app: MlkJupyterApp,
    backend: MemoryBackend,
    notebook: Callable[[str], str],
    jp_fetch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook("work.ipynb")
    gate = Gate(backend, monkeypatch)
    answer = await submitting(jp_fetch, gate)
    closing = asyncio.create_task(app.services.close(finish_s=60))
    await asyncio.sleep(0)
    refused = await jp_fetch("mlk", "jobs", raise_error=False)
    assert (refused.code, json.loads(refused.body)["code"]) == (503, "server_stopping")
    assert not closing.done() and not backend.closed
    gate.opened.set()
    assert (await answer).code == 201
    await closing
    assert backend.closed and len(backend.statuses) == 1


async def test_a_submission_that_takes_too_long_is_cut_off(
    app: MlkJupyterApp,
    backend: MemoryBackend,
    notebook: Callable[[str], str],
    jp_fetch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook("work.ipynb")
    answer = await submitting(jp_fetch, Gate(backend, monkeypatch))
    await app.services.close(finish_s=0)
    assert backend.closed and backend.statuses == {}
    assert (await answer).code == 503
    await eventually(lambda: all("_execute" not in repr(task) for task in asyncio.all_tasks()))
