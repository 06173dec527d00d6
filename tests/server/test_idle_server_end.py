"""A server that nobody uses: what counts as use, how it ends, and what the next one says of it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.base.handlers import JupyterHandler
from memory_backend import MemoryBackend
from server_process import Server, wait_for
from socket_window import eventually
from tornado import web

from mlk_jupyter.idle.last_end import LastEnd
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.server import server_end
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.idle_telling import audit_of
from mlk_jupyter.server.other_cullers import other_cullers
from mlk_jupyter.server.people import People
from mlk_jupyter.server.terminals import Terminals, is_reply

KERNEL = "2f5f2b1c-6f0f-4b8e-9a53-6b1d4f0c7a11"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(jp_serverapp: Any, clock: Clock) -> People:
    return People(jp_serverapp, clock)


async def test_after_its_end_nothing_is_heard_and_all_is_as_it_was(jp_serverapp: Any, clock: Clock) -> None:
    settings, logger = jp_serverapp.web_app.settings, jp_serverapp.event_logger
    before, heard = settings["log_function"], {name: set(of) for name, of in logger._unmodified_listeners.items()}
    first, second = People(jp_serverapp, clock), People(jp_serverapp, clock)
    second.close()
    first.close()
    assert settings["log_function"] == before
    assert {name: set(of) for name, of in logger._unmodified_listeners.items() if of} == {
        name: of for name, of in heard.items() if of
    }


async def test_a_terminal_is_as_it_was_after_the_end(jp_serverapp: Any, clock: Clock) -> None:
    manager = jp_serverapp.web_app.settings["terminal_manager"]
    terminals = Terminals(jp_serverapp, clock)
    manager.create()
    (process,) = [terminal.ptyproc for terminal in manager.terminals.values()]
    before = process.write
    terminals.look()
    assert process.write != before
    terminals.close()
    assert process.write == before
    await manager.terminate_all()


async def test_an_open_page_is_no_person(people: People, jp_fetch: Any) -> None:
    for path in ("contents", "kernels", "sessions", "terminals", "status"):
        await jp_fetch("api", path)
    await jp_fetch("mlk", "idle")
    await jp_fetch("mlk", "info")
    assert people.seen_s() is None


async def test_who_loads_a_page_is_one(people: People, jp_fetch: Any, clock: Clock) -> None:
    await jp_fetch("api", "status", headers={"Sec-Fetch-Dest": "document"})
    clock.now = 5.0
    assert people.seen_s() == 5.0


async def test_who_saves_a_file_is_one(people: People, jp_fetch: Any, jp_serverapp: Any) -> None:
    body = json.dumps({"type": "file", "format": "text", "content": "x"})
    await jp_fetch("api", "contents", "a.txt", method="PUT", body=body)
    await eventually(lambda: people.seen_s() is not None)


async def test_who_moves_the_pointer_is_one_and_who_may_not_is_not(people: People, jp_fetch: Any) -> None:
    async def move(**options: Any) -> None:
        body = json.dumps({"kernels": [], "kind": "pointer"})
        await jp_fetch("mlk", "idle", "presence", method="POST", body=body, raise_error=False, **options)

    await move(headers={"Authorization": "token wrong"})
    assert people.seen_s() is None
    await move()
    assert people.seen_s() is not None


async def test_what_an_application_behind_the_proxy_is_asked_counts(
    people: People, jp_fetch: Any, jp_serverapp: Any
) -> None:
    class Proxied(JupyterHandler):
        @web.authenticated
        def get(self) -> None:
            self.finish("an application's page")

    Proxied.__module__ = "jupyter_server_proxy.handlers"
    jp_serverapp.web_app.add_handlers(".*$", [(f"{jp_serverapp.base_url}rstudio", Proxied)])
    await jp_fetch("rstudio")
    assert people.seen_s() is not None


async def test_typing_in_a_terminal_is_seen_and_its_output_is_not(
    jp_serverapp: Any, jp_ws_fetch: Any, clock: Clock
) -> None:
    manager = jp_serverapp.web_app.settings["terminal_manager"]
    name = manager.create()["name"]
    terminals = Terminals(jp_serverapp, clock)
    (first,) = terminals.look()
    assert (first.name, first.typed_s) == (name, 0.0)
    socket = await jp_ws_fetch("terminals", "websocket", name)

    async def read(text: str) -> None:
        said = ""
        while text not in said:
            kind, *data = json.loads(await socket.read_message())
            said += data[0] if kind == "stdout" else ""

    async def sleeps() -> None:
        await eventually(lambda: terminals.look()[0].foreground != first.pid)

    clock.now = 10.0
    await socket.write_message(json.dumps(["stdin", "sleep 1000; echo w''oke\r"]))
    await sleeps()
    assert terminals.look()[0].typed_s == 0.0
    clock.now = 30.0
    await socket.write_message(json.dumps(["stdin", "\x1b[?1;2c"]))
    await socket.write_message(json.dumps(["set_size", 40, 100]))
    assert terminals.look()[0].typed_s == 20.0
    await socket.write_message(json.dumps(["stdin", "\x03"]))
    await eventually(lambda: terminals.look()[0].typed_s == 0.0)
    # What is typed before the shell is back may be thrown away with the line that was interrupted.
    await eventually(lambda: terminals.look()[0].foreground == first.pid)
    clock.now = 60.0
    await socket.write_message(json.dumps(["stdin", "echo d''one\r"]))
    await read("done")
    clock.now = 90.0
    assert (terminals.look()[0].foreground, terminals.look()[0].typed_s) == (first.pid, 30.0)
    socket.close()
    await manager.terminate_all()


@pytest.mark.parametrize(
    ("sent", "replied"),
    [
        ("\x1b[?1;2c", True), ("\x1b[>0;276;0c", True), ("\x1b[0n", True), ("\x1b[12;40R", True),
        ("\x1b]11;rgb:ffff/ffff/ffff\x1b\\", True), ("\x1bP1$r0m\x1b\\", True), ("\x1b[?1;2c\x1b[>0;276;0c", True),
        ("ls\r", False), ("\x1b[A", False), ("\x03", False), ("\x1b[?1;2cx", False), ("", False),
    ],
)  # fmt: skip
def test_what_a_terminal_says_by_itself_is_not_typed(sent: str, replied: bool) -> None:
    assert is_reply(sent) is replied


async def test_a_kernel_that_just_begins_is_one_and_a_start_that_failed_is_none(app: MlkJupyterApp) -> None:
    server, manager = server_end.Server(app.services), app.services.serverapp.kernel_manager
    assert server.kernels() == 0
    start = manager._pending_kernels[KERNEL] = asyncio.get_running_loop().create_future()
    assert server.kernels() == 1
    start.set_result(None)
    assert server.kernels() == 0


async def test_a_server_that_goes_on_has_not_ended(app: MlkJupyterApp, data_dir: Path) -> None:
    server, own_end = server_end.Server(app.services), app.services.the(server_end.OwnEnd)
    await server.remember("no kernel ran")
    assert own_end.is_ending and LastEnd(data_dir / "idle").read() is not None
    await server.forget()
    assert not own_end.is_ending and LastEnd(data_dir / "idle").read() is None


async def test_a_server_without_the_limit_runs_nothing_for_it(app: MlkJupyterApp) -> None:
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "mlk server end"]


async def test_its_decisions_go_to_stdout_as_those_about_kernels_do(
    app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLK_IDLE_AUDIT_LOG", "on")
    to_stdout = logging.getLogger("mlk_jupyter.idle.audit")
    for name, value in {"handlers": [caplog.handler], "propagate": False, "level": logging.INFO}.items():
        monkeypatch.setattr(to_stdout, name, value)
    await server_end.Server(app.services).tell("server_would_stop", "nobody is there", 60.0)
    (line,) = [record.getMessage() for record in caplog.records if record.name == to_stdout.name]
    assert json.loads(line)["event"] == "server_would_stop"


async def test_a_record_of_the_server_that_is_lost_is_counted_with_the_others(
    app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLK_DATA_DIR", "/dev/null/mlk")  # no folder can be there
    await server_end.Server(app.services).tell("server_would_stop", "nobody is there", 60.0)
    assert app.services.the(audit_of).lost == 1


@pytest.mark.parametrize("variable", ["KUBERNETES_SERVICE_HOST", "JUPYTERHUB_API_TOKEN", None])
async def test_a_job_of_this_machine_keeps_a_server_whose_machine_ends_with_it(
    app: MlkJupyterApp, backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    server = server_end.Server(app.services)
    if variable is not None:
        monkeypatch.setenv(variable, "x")
    assert await server.jobs() is None
    backend.put("a")
    assert (await server.jobs() is None) is (variable is None)


async def test_an_extension_that_says_it_is_active_keeps_a_server_but_an_open_terminal_alone_does_not(
    app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, policy = server_end.Server(app.services), Policy(cpu_pct=1e9, io_bytes=1e12)
    app.services.serverapp.web_app.settings["terminal_manager"].create()
    for _ in range(600):
        if (words := await server.busy(policy)) is None:
            break
        await asyncio.sleep(0.05)  # its shell still begins
    assert words is None
    monkeypatch.setattr(MlkJupyterApp, "current_activity", lambda self: {"scheduled": 1})
    assert await server.busy(policy) == "the extension mlk_jupyter says that it is active"
    await app.services.serverapp.web_app.settings["terminal_manager"].terminate_all()


async def test_how_the_last_server_ended_is_told_until_it_was_seen(
    app: MlkJupyterApp, data_dir: Path, jp_fetch: Any
) -> None:
    LastEnd(data_dir / "idle").write("no kernel ran", 0.0)
    own_end = app.services.the(server_end.OwnEnd)
    await own_end.read()
    assert own_end.ended == "1970-01-01 00:00 UTC: no kernel ran"
    assert (await jp_fetch("mlk", "idle", "server-ended", method="DELETE")).code == 204
    assert own_end.ended is None and LastEnd(data_dir / "idle").read() is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"at": "x", "words": 1}', '{"at": 1e300, "words": ""}', "null"])
def test_a_spoilt_record_of_the_last_end_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "server-ended.json").write_text(content)
    assert LastEnd(tmp_path).read() is None


def test_named_servers_end_apart_and_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    LastEnd(tmp_path, "../gpu").write("idle", 0.0)
    assert LastEnd(tmp_path).read() is None and LastEnd(tmp_path, "../gpu").read() is not None
    (tmp_path / "file").touch()
    LastEnd(tmp_path / "file").write("idle", 0.0)
    LastEnd(tmp_path / "file").forget()


async def test_a_warning_is_shown_and_taken_back(app: MlkJupyterApp, data_dir: Path) -> None:
    called: list[float | None] = []
    own_end = app.services.the(server_end.OwnEnd)
    own_end.listeners.add(lambda: called.append(own_end.stops_at))
    server = server_end.Server(app.services)
    await server.tell("server_warned", "nobody is there", 60.0)
    await server.tell("server_active", "somebody is", None)
    (stops_at, taken_back) = called
    assert stops_at is not None and stops_at > time.time() and taken_back is None
    events = [json.loads(line)["event"] for line in (data_dir / "idle" / "audit.jsonl").read_text().splitlines()]
    assert events == ["server_warned", "server_active"]


def app_with(**limits: int) -> Any:
    spec = SimpleNamespace(display_name="GPU Python", metadata={"cull_idle_timeout": 0})
    kernels = SimpleNamespace(
        cull_idle_timeout=limits.get("kernels", 0),
        list_kernel_ids=lambda: ["a", "b"],
        get_kernel=lambda kernel_id: SimpleNamespace(kernel_spec=spec),
    )
    terminals = SimpleNamespace(cull_inactive_timeout=limits.get("terminals", 0))
    settings = {"terminal_manager": terminals} if "terminals" in limits else {}
    return SimpleNamespace(
        kernel_manager=kernels,
        web_app=SimpleNamespace(settings=settings),
        shutdown_no_activity_timeout=limits.get("server", 0),
    )


def test_no_other_culler_is_no_warning_and_each_one_is_named(jp_serverapp: Any) -> None:
    assert other_cullers(jp_serverapp) == other_cullers(app_with()) == []
    every = other_cullers(app_with(kernels=60, terminals=60, server=60))
    assert [said.split(" = ")[0].split("(")[-1] for said in every] == [
        "MappingKernelManager.cull_idle_timeout",
        "The kernelspec GPU Python says cull_idle_timeout",
        "TerminalManager.cull_inactive_timeout",
        "ServerApp.shutdown_no_activity_timeout",
    ]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def apply(**values: str) -> None:
        for name in ("KUBERNETES_SERVICE_HOST", "JUPYTERHUB_API_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(f"MLK_IDLE_{name}", value)

    return apply


@pytest.mark.slow
def test_a_server_that_nobody_uses_ends_and_the_next_one_knows_why(tmp_path: Path, limits: Callable[..., None]) -> None:
    limits(MODE="enforce", SERVER_TTL="4")
    root = tmp_path / "root"
    root.mkdir()
    server = Server(tmp_path, root)
    server.start()
    assert server.process is not None
    wait_for(lambda: server.process is not None and server.process.poll() is not None, lambda: log_of(tmp_path))
    assert server.process.returncode == 0
    assert "nobody had used it for" in (LastEnd(tmp_path / "mlk" / "idle").read() or "")
    server.http.close()


@pytest.mark.slow
def test_in_shadow_it_is_only_written_down(tmp_path: Path, limits: Callable[..., None]) -> None:
    limits(MODE="shadow", SERVER_TTL="2")
    root = tmp_path / "root"
    root.mkdir()
    server = Server(tmp_path, root)
    server.start()
    audit = tmp_path / "mlk" / "idle" / "audit.jsonl"
    wait_for(lambda: audit.exists() and "server_would_stop" in audit.read_text(), lambda: log_of(tmp_path))
    assert server.process is not None and server.process.poll() is None
    server.kill()
    server.http.close()


def log_of(home: Path) -> str:
    return (home / "server.log").read_text()
