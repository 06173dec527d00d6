"""What the extension costs while nobody uses it: nothing heavy is loaded, nothing runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from memory_backend import MemoryBackend
from socket_window import eventually

from mlk_jupyter.server.app import MlkJupyterApp

HEAVY = ("pydantic", "httpx", "mlflow", "aiohttp", "pynvml", "IPython", "mlk_jupyter.model", "mlk_jupyter.library")


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys, mlk_jupyter; (point,) = mlk_jupyter._jupyter_server_extension_points(); point['app']();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_server_without_kernels_loads_nothing_to_watch_them() -> None:
    code = """
import asyncio, sys, types
from mlk_jupyter.server.app import MlkJupyterApp
server = types.SimpleNamespace(
    event_logger=types.SimpleNamespace(add_listener=lambda **how: None, remove_listener=lambda **how: None),
    kernel_manager=types.SimpleNamespace(list_kernel_ids=list),
)
app = MlkJupyterApp()
app.serverapp = server
async def start():
    await app._start_jupyter_server_extension(server)
    print([task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("mlk")])
asyncio.run(start())
print([name for name in sys.modules if name.startswith("mlk_jupyter.idle")])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["[]", "[]"]


async def test_a_server_that_nobody_asked_anything_has_chosen_no_backend(app: MlkJupyterApp) -> None:
    assert not {"backend", "watcher"} & set(vars(app.services))


async def test_after_the_last_window_no_task_and_no_thread_is_left(
    app: MlkJupyterApp, backend: MemoryBackend, connect: Any, jp_fetch: Any, notebook: Callable[[str], str]
) -> None:
    def ours() -> list[str]:
        names = [task.get_name() for task in asyncio.all_tasks()]
        names += [thread.name for thread in threading.enumerate() if thread not in before]
        return [name for name in names if name.startswith("mlk")]

    before = set(threading.enumerate())  # of other tests in this process
    backend.put("a")
    backend.write_log("a", b"line\n")
    for path in ("info", "jobs", "jobs/a/log", "jobs/a/notebook", "jobs/a/metrics"):
        await jp_fetch("mlk", *path.split("/"))
    socket = await connect()
    for topic in ("jobs", "job/a", "job/a/log/0", "job/a/frames"):
        await socket.ask("subscribe", topic)
        await socket.read()
    assert {"mlk watch of memory", "mlk channel writer", "mlk channel heartbeat"} <= set(ours())
    socket.connection.close()
    await eventually(lambda: ours() == [])


async def test_the_end_of_the_server_ends_what_windows_follow(
    app: MlkJupyterApp, backend: MemoryBackend, connect: Any
) -> None:
    socket = await connect()
    await socket.ask("subscribe", "jobs")
    await socket.read()
    await app.stop_extension()
    assert backend.watching == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("mlk")]
