"""Who outside hears of kernels: a webhook, and JupyterHub while a kernel is kept or works."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from mlk_jupyter.idle.happened import Happened
from mlk_jupyter.idle.hub import Hub
from mlk_jupyter.idle.leases import Lease
from mlk_jupyter.idle.webhook import Webhook
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.idle_telling import Telling, needed_s, webhook_of

KERNEL: Any = SimpleNamespace(id="k-1")


def happened(event: str, mode: str = "enforce", kind: str = "idle") -> Happened:
    return Happened(event, "k-1", "a.ipynb", "warned", kind, "idle", mode, 0.0)  # type: ignore[arg-type]


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setenv("MLK_IDLE_WEBHOOK", "https://hooks.example.org/s3cr3t")
    monkeypatch.setattr(Webhook, "post", lambda self, post: found.append(post.event))
    return found


async def test_warnings_and_stops_are_posted_and_nothing_else(posted: list[str], app: MlkJupyterApp) -> None:
    telling = Telling(app.services)
    for event in ("warned", "stopped", "resumed", "would_stop", "lease", "released", "aborted", "failed"):
        telling.hear(happened(event), KERNEL)
    assert posted == ["warned", "stopped"]


async def test_what_is_only_watched_and_what_a_person_did_is_not_posted(posted: list[str], app: MlkJupyterApp) -> None:
    telling = Telling(app.services)
    telling.hear(happened("warned", mode="shadow"), KERNEL)
    telling.hear(happened("stopped", kind="asked"), KERNEL)
    assert not posted


async def test_without_an_address_nothing_is_posted(app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLK_IDLE_WEBHOOK", raising=False)
    assert webhook_of(app.services) is None
    Telling(app.services).hear(happened("warned"), KERNEL)


def kernels(*of: tuple[str, float | None]) -> Any:
    every = [
        SimpleNamespace(
            lease=None if left_s is None else Lease(left_s, "", None),
            verdict=SimpleNamespace(state=state),
            look=SimpleNamespace(local=True),
        )
        for state, left_s in of
    ]
    return SimpleNamespace(kernels=dict(enumerate(every)), looks=[], hears=[])


@pytest.mark.parametrize(
    ("there", "seconds"),
    [
        ([], None),
        ([("quiet", None), ("warned", None), ("starting", None)], None),
        ([("active", None)], 0.0),
        ([("active", None), ("quiet", 600.0), ("quiet", 7200.0)], 7200.0),
    ],
)
def test_a_server_is_needed_as_long_as_the_longest_lease_or_now(
    there: list[tuple[str, float | None]], seconds: float | None
) -> None:
    assert needed_s(kernels(*there)) == seconds


async def test_the_hub_hears_of_it_and_no_look_waits_for_its_answer(
    app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_URL", "API_TOKEN", "USER"):
        monkeypatch.setenv(f"JUPYTERHUB_{name}", "http://hub")
    asked, answers = [], asyncio.Event()

    async def note_activity(self: Hub, until: float) -> None:
        asked.append(until)
        await answers.wait()

    monkeypatch.setattr(Hub, "note_activity", note_activity)
    telling, watcher = Telling(app.services), kernels(("active", None))
    telling.follow(watcher)
    for _ in range(3):
        await watcher.looks[0]()
        await asyncio.sleep(0)
    assert len(asked) == 1
    await app.services.close()


async def test_another_culler_is_named_once(
    app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app.services.serverapp.kernel_manager, "cull_idle_timeout", 60)
    telling, watcher = Telling(app.services), kernels()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            telling.look(watcher)
    assert len([record for record in caplog.records if "cull_idle_timeout = 60 s" in record.getMessage()]) == 1
