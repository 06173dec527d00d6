"""What is listed of a kernel's memory before it is stopped, and what a kernel is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from idle_stop import seen
from kernel_window import KernelWindow, kinds

from mlk_jupyter.idle.kernels import Ended, HeldVariable
from mlk_jupyter.server.kernel_host import JupyterKernels
from mlk_jupyter.server.kernel_memory import read_memory

Open = Callable[..., Awaitable[KernelWindow]]


async def listed(host: JupyterKernels, kernel: str) -> tuple[dict[str, HeldVariable], Ended]:
    ended = await host.fence(kernel, list_memory=True, limit_s=20)
    assert ended.held is not None, ended
    return {held.name: held for held in ended.held}, ended


LIBRARIES = """
import numpy, pandas, torch
array = numpy.zeros((1000, 20))
view = array[::2]
frame = pandas.DataFrame({"a": range(1000), "b": 1.0})
series = frame["a"]
tensor = torch.zeros(100, 3)
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(10, 10)
        self.tied = self.inner
    def __len__(self): raise SystemError("ran")
    def __getattribute__(self, name):
        if BUILT: CALLED.append(name)
        return object.__getattribute__(self, name)
BUILT, CALLED = False, []
net = Net()
BUILT = True
numbers = [1, 2, 3]
import array as arrays
class Own: pass
doubles, pair, text, own = arrays.array("d", bytes(8_000)), (1, 2), "x" * 1000, Own()
"""


async def test_names_types_sizes_shapes_and_devices_of_what_a_person_made(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    window = await open_window(kernel)
    assert sorted(kinds(await window.run(LIBRARIES))) == ["execute_input", "execute_reply", "status", "status"]
    held, _ = await listed(host, kernel)
    others = {"numbers", "BUILT", "CALLED", "doubles", "pair", "text", "own"}
    assert set(held) == {"array", "view", "frame", "series", "tensor", "net"} | others
    sizes = {name: held[name].bytes for name in ("doubles", "pair", "text", "own")}
    assert sizes["own"] is None and all(size for name, size in sizes.items() if name != "own"), sizes
    assert 8_000 <= (sizes["doubles"] or 0) < 9_000 and 1_000 <= (sizes["text"] or 0) < 1_200
    assert held["array"] == HeldVariable("array", "numpy.ndarray", 160_000, "(1000, 20)", None)
    assert (held["view"].bytes, held["view"].shape) == (80_000, "(500, 20)")
    assert (held["frame"].bytes, held["frame"].shape) == (16_000, "(1000, 2)")
    assert (held["series"].bytes, held["series"].shape) == (8_000, "(1000,)")
    assert held["tensor"] == HeldVariable("tensor", "torch.Tensor", 1200, "(100, 3)", "cpu")
    assert (held["net"].bytes, held["net"].device, held["net"].type) == (440, "cpu", "__main__.Net")
    answers = await window.run("CALLED")
    assert [m["content"]["data"]["text/plain"] for m in answers if "result" in m["header"]["msg_type"]] == ["[]"]


HOSTILE = """
class Meta(type):
    def __getattribute__(cls, name): ran.append(name); return type.__getattribute__(cls, name)
    def __instancecheck__(cls, x): ran.append("instance")
    def __subclasscheck__(cls, x): ran.append("subclass")
class Hostile(list, metaclass=Meta):
    def __getattribute__(self, name): ran.append(name); return list.__getattribute__(self, name)
    for name in ("__len__", "__sizeof__", "__repr__", "__hash__", "__bool__", "__eq__", "__lt__", "__iter__"):
        exec(f"def {name}(self, *more): ran.append('{name}'); raise SystemError")
    __class__ = property(lambda self: ran.append("class"))
    __module__ = property(lambda self: ran.append("module"))
ran = []
hostile, _hidden, kind = Hostile(), 1, Hostile
ran.clear()
len = list = type = sorted = repr = isinstance = str = max = "mine"
globals().update({f"small_{number:03}": number for number in range(300)})
globals()["n" * 5000] = bytearray(10**6)
globals()[7] = "no name"
"""


async def test_nothing_of_the_notebooks_own_runs_and_the_list_is_bounded(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    window = await open_window(kernel)
    assert "error" not in kinds(await window.run(HOSTILE))
    before = await window.run("'count'")
    held, ended = await listed(host, kernel)
    assert len(held) == 50 and ended.held_more > 200
    assert next(iter(held)) == "n" * 80 and next(iter(held.values())).bytes is not None
    assert not {"_hidden", "kind", "Hostile", "Meta"} & set(held)
    result = [
        m["content"]["data"]["text/plain"] for m in await window.run("ran") if "result" in m["header"]["msg_type"]
    ]
    assert result == ["[]"]
    counts = [m["content"]["execution_count"] for m in (*before, *window.seen) if "result" in m["header"]["msg_type"]]
    assert counts[-1] == counts[0] + 1  # the question is in nobody's history


async def test_a_kernel_whose_memory_cannot_be_listed_says_why() -> None:
    refused = {"status": "error", "ename": "MemoryError", "evalue": "no room"}
    assert read_memory({"user_expressions": {"held": refused}}).why_no_list == "MemoryError: no room"
    for answer in ({}, {"status": "aborted"}, {"user_expressions": {"held": {"status": "ok", "data": {}}}}):
        ended = read_memory(answer)
        assert ended.held is None and ended.why_no_list and not ended.is_active


async def test_a_kernel_bears_the_path_of_its_notebook_wherever_that_is_moved(
    host: JupyterKernels, kernel: str, jp_serverapp: Any
) -> None:
    sessions = jp_serverapp.session_manager
    assert seen(host, kernel).path is None
    console = await sessions.create_session(path="console-1", name="", type="console", kernel_id=kernel)
    assert seen(host, kernel).path == "console-1"
    session = await sessions.create_session(path="a.ipynb", name="a.ipynb", type="notebook", kernel_id=kernel)
    assert seen(host, kernel).path == "a.ipynb"
    await sessions.update_session(session["id"], path="b/c.ipynb")
    assert seen(host, kernel).path == "b/c.ipynb"
    await sessions.delete_session(console["id"])
    assert host.look(kernel) is None


async def test_presence_is_a_persons_and_a_kernel_nobody_used_is_starting(host: JupyterKernels, kernel: str) -> None:
    look = seen(host, kernel)
    assert look.presence.known and look.presence.value is None and look.execution.value == "starting"
    host.present(kernel, "pointer")
    look = seen(host, kernel)
    assert look.presence.value == "pointer" and look.presence.age_s is not None
    assert look.language == "python" and look.name == "python3" and look.local and look.pid is not None
    assert look.started is not None


async def test_messages_are_unknown_where_somebody_else_carries_them(
    host: JupyterKernels, kernel: str, jp_serverapp: Any
) -> None:
    jp_serverapp.kernel_manager._kernel_connections[kernel] += 1
    look = seen(host, kernel)
    assert not look.message.known and not look.pending.known and not look.input.known
    jp_serverapp.kernel_manager._kernel_connections[kernel] -= 1
    assert seen(host, kernel).message.known
    settings = jp_serverapp.web_app.settings
    settings["kernel_websocket_connection_class"] = jp_serverapp.kernel_websocket_connection_class
    assert not seen(host, kernel).pending.known
