"""Whoever stops idle servers: what counts as activity."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from memory_backend import MemoryBackend
from socket_window import eventually

from mlk_jupyter.model import JobSpec, Phase
from mlk_jupyter.server.activity import FEATURE, keep_looking, keeps_awake
from mlk_jupyter.server.app import MlkJupyterApp


def put(backend: MemoryBackend, phase: Phase = Phase.RUNNING, limit: str | None = "1h", **fields: Any) -> Any:
    spec = JobSpec.model_validate({"name": "x", "notebook": "x.ipynb", "time_limit_s": limit})
    return backend.put("x", phase, spec=spec, **{"started_at": 1000.0, **fields})


@pytest.mark.parametrize(
    ("fields", "now", "does"),
    [
        ({}, 1001.0, True),
        ({}, 4600.0, False),
        ({"limit": None}, 1001.0, False),
        ({"started_at": None, "phase": Phase.QUEUED}, 1001.0, False),
        ({"phase": Phase.STOPPING}, 1001.0, True),
        ({"phase": Phase.SUCCEEDED}, 1001.0, False),
    ],
)
def test_a_job_keeps_its_server_awake_while_it_runs_within_its_limit(
    fields: dict[str, Any], now: float, does: bool, tmp_path: Any
) -> None:
    assert keeps_awake(put(MemoryBackend(tmp_path), **fields), now) is does


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_running_job_is_activity_where_that_is_wanted(
    wanted: bool, app: MlkJupyterApp, backend: MemoryBackend, jp_serverapp: Any
) -> None:
    app.running_jobs_are_activity = wanted
    put(backend, limit="300d", started_at=4e9)
    before = jp_serverapp.web_app.last_activity()
    assert FEATURE.start is not None
    await FEATURE.start(app.services)
    if wanted:
        await eventually(lambda: jp_serverapp.web_app.last_activity() > before)
    else:
        assert "mlk activity" not in {task.get_name() for task in asyncio.all_tasks()}
    await app.stop_extension()


async def test_a_bug_in_one_look_does_not_let_the_server_seem_idle_for_ever(
    app: MlkJupyterApp, backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(backend, limit="300d", started_at=4e9)
    noted: list[int] = []

    def note() -> None:
        noted.append(1)
        if len(noted) == 1:
            raise RuntimeError("a bug")

    monkeypatch.setattr(app.services, "note_activity", note)
    task = asyncio.create_task(keep_looking(app.services, every_s=0.0))
    await eventually(lambda: len(noted) > 1)
    task.cancel()
    await asyncio.wait({task})
