"""The MLflow server of the local store: one, only while read, for its owner alone, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlk_jupyter.runs.client import TrackingServer
from mlk_jupyter.runs.local_server import LocalServer, LocalServerFailed, TrackingStarting
from mlk_jupyter.runs.store import artifact_root, prepare, tracking_uri
from mlk_jupyter.runs.store_server import SERVER_VARIABLES, Guarded

OWNER = """
import asyncio, sys
from pathlib import Path
from mlk_jupyter.runs.local_server import LocalServer

async def main():
    local = LocalServer(sys.argv[1], Path(sys.argv[2]), log=Path(sys.argv[3]))
    await local.ready()
    print(local.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


SERVES = """
import http.server, json, os, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"experiment": {"experiment_id": "0", "name": "Default"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

sys.stdin.readline()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
os.write(1, json.dumps({"port": server.server_port}).encode())
os.close(1)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """An "interpreter" that serves one experiment at once, where MLflow takes seconds of both cores to start."""
    (tmp_path / "serves.py").write_text(SERVES)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec {sys.executable} {tmp_path}/serves.py\n')
    python.chmod(0o755)
    return str(python)


def local(folder: Path, **options: Any) -> LocalServer:
    return LocalServer(tracking_uri(folder, {}), artifact_root(folder), log=folder / "server.log", **options)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store."""
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("store")
    asyncio.run(prepare(tracking_uri(folder, {}), artifact_root(folder)))
    return folder


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def processes_about(folder: Path) -> list[int]:
    """Living processes with the folder's store on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{folder}/mlflow.db".encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # gone meanwhile
            continue
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_read_starts_it_the_next_ones_share_it_and_stopping_ends_it(stored: Path) -> None:
    async def story() -> int:
        one = local(stored)
        assert one.pid is None
        with pytest.raises(TrackingStarting):
            await one.now()
        server, again = await asyncio.gather(one.ready(), one.ready())
        assert server is again is await one.now()
        pid = one.pid
        assert pid is not None
        found = await server.experiment_by_name("Default")
        assert found is not None and found.experiment_id == "0"
        await one.stop()
        assert one.pid is None
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return pid

    assert not lives(asyncio.run(story()))


def test_idle_it_stops_by_itself_and_the_next_read_starts_another(stored: Path, quick: str) -> None:
    async def story() -> None:
        one = local(stored, idle_s=0.2, python=quick)
        await one.ready()
        first = one.pid
        assert first is not None
        await asyncio.to_thread(wait_until, lambda: not lives(first))
        one._idle_s = 600.0
        server = await one.ready()
        assert (await server.experiment("0")).name == "Default"
        assert one.pid not in (None, first)
        await one.stop()

    asyncio.run(story())


def test_when_it_is_killed_the_next_read_starts_another(stored: Path, quick: str) -> None:
    async def story() -> None:
        one = local(stored, python=quick)
        await one.ready()
        first = one.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: not lives(first))
        await asyncio.to_thread(wait_until, lambda: one.pid is None)
        server = await one.ready()
        assert (await server.experiment("0")).name == "Default"
        await one.stop()

    asyncio.run(story())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_owner_however_that_ends(stored: Path, by: signal.Signals) -> None:
    arguments = [tracking_uri(stored, {}), str(artifact_root(stored)), str(stored / "owned.log")]
    owner = subprocess.Popen([sys.executable, "-c", OWNER, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert lives(pid)
        owner.send_signal(by)
        owner.wait()
        wait_until(lambda: not lives(pid))
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_answers_to_its_secret_only_and_opens_in_a_browser_once_told(stored: Path) -> None:
    async def story() -> None:
        one = local(stored)
        server = await one.ready()
        run = await server.create_run("0", "guarded", time.time(), {})
        address = one.browser_url(server, server.run_url(run))
        plain = address.partition("?")[0]
        async with httpx.AsyncClient(trust_env=False) as stranger:
            for path in ("", "health", "api/2.0/mlflow/experiments/search", "static-files/index.js"):
                assert (await stranger.get(plain + path)).status_code == 401
            assert (await stranger.post(plain + "api/2.0/mlflow/runs/delete", json={})).status_code == 401
        async with httpx.AsyncClient(trust_env=False) as browser:
            welcome = await browser.get(address)
            assert (welcome.status_code, welcome.headers["location"]) == (303, "./")
            page = await browser.get(plain)
            assert page.status_code == 200 and "mlflow" in page.text.lower()
        await one.stop()

    asyncio.run(story())


def test_an_interpreter_without_mlflow_is_said_and_asked_again_the_next_time(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    one = LocalServer(tracking_uri(tmp_path, {}), tmp_path, log=tmp_path / "server.log", python=str(python))

    async def story() -> None:
        for _ in range(2):
            with pytest.raises(LocalServerFailed, match="not installed"):
                await one.ready()

    asyncio.run(story())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_that_cannot_serve_its_store_says_so_with_its_last_words(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho the disk is on fire >&2\nexit 3\n')
    python.chmod(0o755)
    (tmp_path / "mlflow.db").write_bytes(b"")
    one = LocalServer(tracking_uri(tmp_path, {}), tmp_path, log=tmp_path / "server.log", python=str(python))
    with pytest.raises(LocalServerFailed, match="the disk is on fire"):
        asyncio.run(one.ready())


def test_this_mlflow_is_told_what_to_serve_as_its_own_command_tells_it() -> None:
    mlflow = pytest.importorskip("mlflow.server")
    assert {constant: getattr(mlflow, constant, None) for constant in SERVER_VARIABLES} == SERVER_VARIABLES


@pytest.mark.parametrize("server", ["", "BACKEND_STORE_URI_ENV_VAR = 'MLFLOW_BACKEND_STORE_URI'"])
def test_an_mlflow_that_would_serve_another_store_is_refused_in_words(tmp_path: Path, server: str) -> None:
    package = tmp_path / "packages" / "mlflow"
    (package / "server").mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '4.0'")
    (package / "server" / "__init__.py").write_text(server)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "mlflow.db").write_bytes(b"")
    one = LocalServer(tracking_uri(tmp_path, {}), tmp_path, log=tmp_path / "server.log", python=str(python))
    with pytest.raises(LocalServerFailed, match=r"MLflow 4\.0 is not told .* by _MLFLOW_SERVER_FILE_STORE"):
        asyncio.run(one.ready())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stopping_while_it_starts_leaves_nothing(stored: Path) -> None:
    log = stored / "stopped.log"

    async def story() -> None:
        one = LocalServer(tracking_uri(stored, {}), artifact_root(stored), log=log)
        waiting = asyncio.create_task(one.ready())
        await asyncio.to_thread(wait_until, lambda: processes_about(stored) != [])
        await one.stop()
        with pytest.raises(LocalServerFailed, match="stopped"):
            await waiting
        assert one.pid is None

    asyncio.run(story())
    assert processes_about(stored) == []


@pytest.mark.parametrize(
    ("headers", "query", "path", "status", "location"),
    [
        ([], b"", "/", 401, None),
        ([(b"authorization", b"Bearer wrong")], b"", "/", 401, None),
        ([(b"authorization", b"Bearer s3cret")], b"", "/", 200, None),
        ([(b"cookie", b"mlk-mlflow-81=s3cret")], b"", "/", 200, None),
        ([(b"cookie", b"mlk-mlflow-82=s3cret")], b"", "/", 401, None),
        ([(b"cookie", b'=;\xff\xfe="\\;;')], b"", "/", 401, None),
        ([], b"token=wrong", "/", 401, None),
        ([], b"token=%ff%00", "/", 401, None),
        ([], b"token=s3cret&a=b", "/x", 303, b"./x?a=b"),
        ([], b"token=s3cret", "//evil.example/", 303, b"./"),
        ([], b"token=s3cret", "//evil.example/y", 303, b"./y"),
        ([], b"token=s3cret", "/\\evil.example", 303, b"./evil.example"),
        ([], b"token=s3cret", "/\r\nset-cookie: a=b", 303, b"./set-cookie: a=b"),
    ],
)
def test_who_comes_in(
    headers: list[tuple[bytes, bytes]], query: bytes, path: str, status: int, location: bytes | None
) -> None:
    sent: list[dict[str, object]] = []

    async def app(
        scope: dict[str, object], receive: object, send: Callable[[dict[str, object]], Awaitable[None]]
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers}
    asyncio.run(Guarded(app, "s3cret", 81)(scope, None, send))
    assert sent[0]["status"] == status
    assert dict(sent[0]["headers"]).get(b"location") == location  # type: ignore[call-overload]


def test_a_websocket_is_refused() -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    asyncio.run(Guarded(None, "s3cret", 81)({"type": "websocket", "headers": []}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_client_of_the_local_server_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlk_jupyter.runs.credentials import Credentials

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = TrackingServer(Credentials("http://127.0.0.1:1"), local=True)
    assert not server._http.trust_env
