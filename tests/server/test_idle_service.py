"""What the server tells of kernels and does for a person, with real kernels and in shadow."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.base.handlers import JupyterHandler
from socket_window import Socket, eventually

from mlk_jupyter.model.kernels import Stopped
from mlk_jupyter.server import idle
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.idle_events import SCHEMA_ID
from mlk_jupyter.server.idle_service import IdleService

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any]) -> dict[str, Any]:
    return {**jp_server_config, "MappingKernelManager": {"cull_idle_timeout": 40_000}}


@pytest.fixture
def ask(jp_fetch: Any) -> Ask:
    """An answer as JSON; of a refusal its code."""

    async def fetch(method: str, *path: str, body: Any = None, **more: Any) -> Any:
        sent = json.dumps(body or {}) if method in ("POST", "PUT") else None
        answer = await jp_fetch(*path, method=method, body=sent, raise_error=False, **more)
        return json.loads(answer.body) if answer.body else answer.code

    return fetch


@pytest.fixture
def kernel(ask: Ask, jp_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """A kernel that is watched."""

    async def start() -> str:
        kernel_id = (await ask("POST", "api", "kernels"))["id"]
        for _ in range(400):
            if any(one["id"] == kernel_id for one in (await ask("GET", "mlk", "idle"))["kernels"]):
                break
            await asyncio.sleep(0.05)
        return str(kernel_id)

    yield jp_asyncio_loop.run_until_complete(start())
    jp_asyncio_loop.run_until_complete(jp_serverapp.kernel_manager.shutdown_all())


def service(app: MlkJupyterApp) -> IdleService:
    return IdleService.of(app.services)


def tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("mlk idle")]


async def test_a_kernel_is_shown_with_what_it_does_and_why(ask: Ask, kernel: str) -> None:
    shown = await ask("GET", "mlk", "idle")
    (only,) = shown["kernels"]
    assert only["name"] == "python3" and only["words"] and only["would_stop"] is True
    assert shown["policy"]["mode"] == "shadow" and shown["policy"]["values"]["MLK_IDLE_TTL"] == 14400
    told = await ask("GET", "mlk", "idle", "explain", kernel)
    assert {"cpu", "message", "gpus"} <= {signal["name"] for signal in told["signals"]}
    assert told["sentences"] and told["limits"]["MLK_IDLE_TTL"] == 14400 and told["sources"]


async def test_another_culler_that_is_on_is_told_of(ask: Ask, kernel: str) -> None:
    assert "cull_idle_timeout" in (await ask("GET", "mlk", "idle"))["policy"]["warnings"][0]


async def test_a_kernel_is_kept_and_let_go_of(ask: Ask, kernel: str, data_dir: Path) -> None:
    kept = await ask("POST", "mlk", "idle", kernel, "lease", body={"seconds": 3600, "reason": "over lunch"})
    assert kept["lease"]["reason"] == "over lunch" and 3500 < kept["lease"]["left_s"] <= 3600
    assert (data_dir / "idle" / "kernels" / kernel / "keep-panel.json").is_file()
    told = await ask("GET", "mlk", "idle", "explain", kernel)
    assert told["signals"][-1] == {"name": "lease", "value": "over lunch", "age_s": None, "why": None}
    assert (await ask("DELETE", "mlk", "idle", kernel, "lease"))["lease"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"seconds": -1}, "bad_input"),
        ({"seconds": 0}, "bad_input"),
        ({"seconds": "x"}, "bad_input"),
        ({"seconds": True}, "bad_input"),
        ({"seconds": 1e-9}, "bad_input"),
        ({"seconds": 86401}, "lease_refused"),
        ({"seconds": 1e300}, "bad_input"),
        ({"seconds": 60, "reason": "x" * 201}, "bad_input"),
        ({}, "bad_input"),
    ],
    ids=str,
)
async def test_a_lease_that_may_not_be_is_refused(body: Any, code: str, ask: Ask, kernel: str) -> None:
    refused = await ask("POST", "mlk", "idle", kernel, "lease", body=body)
    assert refused["code"] == code and refused["hint"]
    assert (await ask("GET", "mlk", "idle"))["kernels"][0]["lease"] is None


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_a_kernel_whose_end_is_decided_is_not_said_to_be_kept(
    when: str, ask: Ask, kernel: str, app: MlkJupyterApp
) -> None:
    await service(app).watcher.look_again()
    known = service(app).watcher.kernel(kernel)

    async def decide() -> None:
        known.decided = known

    if when == "before":
        await decide()
    else:
        service(app).watcher.looks.append(decide)
    refused = await ask("POST", "mlk", "idle", kernel, "lease", body={"seconds": 60})
    assert refused["code"] == "kernel_being_stopped" and refused["hint"]


async def test_no_number_is_no_length_of_time(jp_fetch: Any, kernel: str) -> None:
    for text in ('{"seconds": NaN}', '{"seconds": 1e999}', '{"seconds": -Infinity}'):
        answer = await jp_fetch("mlk", "idle", kernel, "lease", method="POST", body=text, raise_error=False)
        assert answer.code == 400


async def test_asking_a_thousand_times_keeps_a_kernel_no_longer(ask: Ask, kernel: str) -> None:
    for _ in range(50):  # the thousand are with the leases' own tests; here it is the way there
        kept = await ask("POST", "mlk", "idle", kernel, "lease", body={"seconds": 86400})
    assert kept["lease"]["left_s"] <= 86400 and kept["lease"]["total_left_s"] <= 72 * 3600


async def test_who_may_not_use_kernels_neither_sees_nor_keeps_nor_stops_one(
    ask: Ask, kernel: str, jp_serverapp: Any, connect: Callable[[], Awaitable[Socket]], backend: Any
) -> None:
    class NoKernels(Authorizer):
        def is_authorized(self, handler: JupyterHandler, user: Any, action: str, resource: str) -> bool:
            return resource != "kernels"

    jp_serverapp.web_app.settings["authorizer"] = NoKernels(parent=jp_serverapp)
    for method, path in (("POST", "lease"), ("DELETE", "lease"), ("POST", "stop")):
        refused = await ask(method, "mlk", "idle", kernel, path, body={"seconds": 60})
        assert refused["code"] == "not_allowed", path
    assert (await ask("GET", "mlk", "idle"))["code"] == "not_allowed"
    socket = await connect()
    await socket.ask("subscribe", "kernels")
    refused = await socket.read()
    assert (refused["kind"], refused["data"]["code"]) == ("error", "not_allowed")
    assert kernel in jp_serverapp.kernel_manager


async def test_a_person_stops_one_in_shadow_too_and_takes_the_notice_away(
    ask: Ask, kernel: str, app: MlkJupyterApp, jp_serverapp: Any
) -> None:
    heard: list[dict[str, Any]] = []

    async def hear(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.append(data)

    jp_serverapp.event_logger.add_listener(schema_id=SCHEMA_ID, listener=hear)
    assert (await ask("POST", "mlk", "idle", kernel, "stop"))["state"] == "stopping"
    await eventually(lambda: kernel not in jp_serverapp.kernel_manager)
    await eventually(lambda: bool(service(app).kernels().stopped))
    (stopped,) = (await ask("GET", "mlk", "idle"))["stopped"]
    assert (stopped["id"], stopped["kind"]) == (kernel, "asked")
    await eventually(lambda: bool(heard))
    assert (heard[0]["event"], heard[0]["kernel_id"]) == ("stopped", kernel)
    told_to_all = {"event", "kernel_id", "state", "kind", "mode", "deadline"}
    assert {name for name in heard[0] if not name.startswith("__")} == told_to_all  # who may not see kernels hears them
    await ask("DELETE", "mlk", "idle", "stopped", kernel)
    assert (await ask("GET", "mlk", "idle"))["stopped"] == []
    assert (await ask("DELETE", "mlk", "idle", "stopped", kernel))["code"] == "notice_not_found"


async def test_after_the_last_kernel_nothing_runs(ask: Ask, kernel: str, jp_serverapp: Any, app: MlkJupyterApp) -> None:
    await eventually(lambda: tasks() == ["mlk idle watcher"])
    await jp_serverapp.kernel_manager.shutdown_kernel(kernel)
    service(app).watcher.notice()
    await eventually(lambda: tasks() == [])


async def test_an_extension_that_is_loaded_twice_watches_once(
    ask: Ask, kernel: str, jp_serverapp: Any, app: MlkJupyterApp
) -> None:
    twin = MlkJupyterApp()
    twin.serverapp = jp_serverapp
    for feature in twin.features:
        if feature is idle.FEATURE and feature.start is not None:
            await feature.start(twin.services)
    other = (await ask("POST", "api", "kernels"))["id"]
    await eventually(lambda: {kernel, other} <= set(service(app).watcher.kernels))
    assert IdleService.of(twin.services) is service(app)
    assert tasks() == ["mlk idle watcher"]
    await twin.services.close()


async def test_windows_are_sent_all_kernels_and_again_when_something_changes(
    ask: Ask, kernel: str, connect: Callable[[], Awaitable[Socket]], backend: Any
) -> None:
    socket = await connect()
    await socket.ask("subscribe", "kernels")
    first = await socket.read()
    assert (first["kind"], first["data"]["kernels"][0]["id"]) == ("snapshot", kernel)
    await ask("POST", "mlk", "idle", kernel, "lease", body={"seconds": 600})
    await socket.until(lambda message: message["data"]["kernels"][0]["lease"] is not None)


async def test_a_kernel_that_is_none_is_refused(ask: Ask, kernel: str) -> None:
    for method, path in (("GET", ("explain", "x-1")), ("POST", ("x-1", "stop")), ("DELETE", ("x-1", "lease"))):
        assert (await ask(method, "mlk", "idle", *path))["code"] == "kernel_not_found"


async def test_presence_at_kernels_that_are_gone_is_no_mistake(ask: Ask, kernel: str, app: MlkJupyterApp) -> None:
    assert await ask("POST", "mlk", "idle", "presence", body={"kernels": [kernel, "x-1"], "kind": "key"}) == 204
    await service(app).watcher.look_again()
    sample = service(app).watcher.kernel(kernel).sample
    assert sample is not None and sample.presence.value == "key"


async def test_settings_hold_and_outlive_the_server(ask: Ask, kernel: str, app: MlkJupyterApp, data_dir: Path) -> None:
    applied = await ask("PUT", "mlk", "idle", "settings", body={"ttl": "30m"})
    assert applied["values"]["MLK_IDLE_TTL"] == 1800 and applied["notes"] == []
    told = await ask("GET", "mlk", "idle", "explain", kernel)
    assert (told["limits"]["MLK_IDLE_TTL"], told["sources"]["MLK_IDLE_TTL"]) == (1800, "setting")
    shown = await ask("GET", "mlk", "idle")
    assert shown["settings"] == {"ttl": "30m", "gpu_ttl": "", "warn": ""}
    assert shown["policy"]["values"]["MLK_IDLE_TTL"] == 1800, "what holds, not what the server began with"
    again = IdleService(app.services)
    await again.open()
    assert json.loads((data_dir / "idle" / "settings.json").read_text()) == {"ttl": "30m"}
    assert again.watcher._setting == {"ttl": "30m"}
    refused = await ask("PUT", "mlk", "idle", "settings", body={"ttl": "soon", "warn": "5m"})
    assert refused["code"] == "bad_input" and list(refused["fields"]) == ["ttl"]


async def test_figures_are_at_the_metrics_of_the_server(jp_fetch: Any, kernel: str, app: MlkJupyterApp) -> None:
    await service(app).watcher.look_again()
    text = (await jp_fetch("metrics")).body.decode()
    assert "mlk_idle_kernels{" in text and "mlk_idle_tick_seconds" in text


async def test_a_notice_outlives_the_server_and_the_notebooks_next_kernel(
    ask: Ask, app: MlkJupyterApp, data_dir: Path, jp_serverapp: Any, jp_root_dir: Path, kernel: str, open_window: Any
) -> None:
    notices = service(app)._notices
    old = [
        Stopped(id=name, name="python3", path=f"{name}.ipynb", at=time.time(), kind="idle", words="was idle")
        for name in ("a", "b")
    ]
    for one in old:
        (jp_root_dir / f"{one.id}.ipynb").write_text("{}")
        notices.write(one)
    assert {one.id for one in notices.read()} == {"a", "b"}
    service(app)._stopped_kernels = old
    made = await ask("POST", "api", "sessions", body={
        "path": "a.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}
    })  # fmt: skip
    await (await open_window(made["kernel"]["id"])).run("1")
    await service(app).watcher.look_again()
    assert [one.id for one in service(app).kernels().stopped] == ["a", "b"], "nobody has taken it away"
    await ask("DELETE", "mlk", "idle", "stopped", "a")
    assert [one.id for one in service(app).kernels().stopped] == ["b"]
    assert [one.id for one in notices.read()] == ["b"]


async def test_a_notice_ends_with_its_notebook_and_after_a_month(
    ask: Ask, app: MlkJupyterApp, data_dir: Path, jp_root_dir: Path, kernel: str
) -> None:
    notices = service(app)._notices
    (jp_root_dir / "there.ipynb").write_text("{}")
    paths = ["there.ipynb", "gone.ipynb", "elsewhere/gone.ipynb", "RTC:a.ipynb", "console-1", None]
    for number, path in enumerate(paths):
        notices.write(
            Stopped(id=f"k{number}", name="x", path=path, at=time.time() - number, kind="idle", words="was idle")
        )
    notices.write(Stopped(id="old", name="x", at=time.time() - 31 * 86400, kind="idle", words="was idle"))
    assert [one.path for one in notices.read()] == [path for path in paths if path != "gone.ipynb"]
    assert not (data_dir / "idle" / "stopped" / "old.json").exists()


async def test_what_a_notebook_says_of_its_kernel_holds_and_follows_the_file(
    ask: Ask, kernel: str, app: MlkJupyterApp, jp_root_dir: Path
) -> None:
    file = jp_root_dir / "a.ipynb"

    def write(said: object) -> None:
        file.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"mlk": said}}))

    write({"idle": {"ttl": "20m"}})
    body = {"path": "a.ipynb", "type": "notebook", "name": "", "kernel": {"id": kernel}}
    await ask("POST", "api", "sessions", body=body)

    async def limits() -> tuple[Any, Any]:
        await service(app).watcher.look_again()
        told = await ask("GET", "mlk", "idle", "explain", kernel)
        return told["limits"]["MLK_IDLE_TTL"], told["sources"]["MLK_IDLE_TTL"]

    assert await limits() == (1200, "notebook")
    write({"idle": {"ttl": "10 minutes or so"}})
    assert await limits() == (14400, "default")
    told = await ask("GET", "mlk", "idle", "explain", kernel)
    assert any("ignored" in sentence for sentence in told["sentences"])
