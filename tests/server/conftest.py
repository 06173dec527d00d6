from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel_window import V1, KernelWindow
from memory_backend import NOTEBOOK, MemoryBackend
from pytest_jupyter.jupyter_server import *  # noqa: F403  (fixtures; a plugin may be named at the top only)
from socket_window import Socket

from mlk_jupyter.backends.many import Backends
from mlk_jupyter.server.app import MlkJupyterApp


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"mlk_jupyter": True}, "allow_unauthenticated_access": False}}


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mlk-data"
    monkeypatch.setenv("MLK_DATA_DIR", str(path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return path


@pytest.fixture
def app(jp_serverapp: Any) -> MlkJupyterApp:
    (found,) = jp_serverapp.extension_manager.extension_apps["mlk_jupyter"]
    assert isinstance(found, MlkJupyterApp)
    return found


@pytest.fixture
def backend(app: MlkJupyterApp, tmp_path: Path) -> MemoryBackend:
    """The server's backend, in memory."""
    backend = MemoryBackend(tmp_path / "jobs")
    app.services.backend = Backends.of(backend, "A test says so.")  # type: ignore[misc]
    return backend


@pytest.fixture
def notebook(jp_root_dir: Path) -> Callable[[str], str]:
    """Writes a notebook below the server's root and gives its contents path."""

    def write(path: str = "work.ipynb") -> str:
        file = jp_root_dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(NOTEBOOK), encoding="utf-8")
        return path

    return write


@pytest.fixture
def login(http_server_client: Any, jp_serverapp: Any) -> Callable[[], Awaitable[dict[str, str]]]:
    """Logs in as a browser does: gives the cookie and the XSRF token as headers."""

    async def log_in() -> dict[str, str]:
        token = jp_serverapp.identity_provider.token
        base = jp_serverapp.web_app.settings["base_url"]
        cookies = {}
        for page in ("login", f"login?token={token}"):
            response = await http_server_client.fetch(f"{base}{page}", follow_redirects=False, raise_error=False)
            cookies.update(line.split(";")[0].split("=", 1) for line in response.headers.get_list("Set-Cookie"))
        return {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "X-XSRFToken": cookies["_xsrf"],
        }

    return log_in


@pytest.fixture
def connect(jp_ws_fetch: Any) -> Callable[[], Awaitable[Socket]]:
    async def open_one() -> Socket:
        return Socket(await jp_ws_fetch("mlk", "channel"))

    return open_one


@pytest.fixture
def host(jp_serverapp: Any) -> Any:
    """The server's kernels as the watcher of idle ones sees them."""
    from mlk_jupyter.server.kernel_host import JupyterKernels

    return JupyterKernels(jp_serverapp)


@pytest.fixture
def kernel(jp_serverapp: Any, jp_asyncio_loop: Any) -> Iterator[str]:
    """A running kernel of the server; its id."""
    manager = jp_serverapp.kernel_manager
    kernel_id = jp_asyncio_loop.run_until_complete(manager.start_kernel(kernel_name="python3", path="/"))
    yield kernel_id
    if kernel_id in manager:
        jp_asyncio_loop.run_until_complete(manager.shutdown_kernel(kernel_id, now=True))


@pytest.fixture
def open_window(jp_ws_fetch: Any) -> Iterator[Any]:
    """Opens a window on a kernel: `await open_window(kernel_id, protocol, session)`."""
    opened: list[KernelWindow] = []

    async def open_one(kernel_id: str, protocol: str | None = V1, session: str | None = None) -> KernelWindow:
        session = session or uuid.uuid4().hex
        asked = {"session_id": session}
        subprotocols = [protocol] if protocol else None
        socket = await jp_ws_fetch("api", "kernels", kernel_id, "channels", params=asked, subprotocols=subprotocols)
        opened.append(KernelWindow(socket, session, protocol))
        return opened[-1]

    yield open_one
    for window in opened:
        window.close()
