"""Nobody in the network reaches what ranks of one machine listen on."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlk_jupyter.worker.loopback import _wrap

from .ranks import Rank, bundle, notebook

MEET = """
import os, socket, torch.distributed as dist

def listening():
    handles = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    own = {os.readlink(handle) for handle in handles if os.path.islink(handle)}
    for family in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{family}").read().splitlines()[1:]:
            local, state, inode = (line.split()[at] for at in (1, 3, 9))
            if state == "0A" and f"socket:[{inode}]" in own:
                yield local

for _ in range(2):  # a notebook may begin again, on the same port
    dist.init_process_group("gloo")
    store = dist.distributed_c10d._get_default_store()
    store.set("key", "value")
    print(store.get("key"), sorted({local.partition(":")[0] for local in listening()}))
    dist.destroy_process_group()
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def test_the_store_and_gloo_listen_on_the_loopback_interface_only(tmp_path: Path) -> None:
    place = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    with Rank(bundle(tmp_path / "b.pyz", notebook(MEET)), {**place, "GLOO_SOCKET_IFNAME": "lo"}) as rank:
        rank.wait()
    assert rank.text().splitlines() == ["b'value' ['0100007F']"] * 2, rank.describe()


class Store:
    """What torch's store was asked for."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        if "master_listen_fd" in fields:
            with socket.socket(fileno=fields["master_listen_fd"]) as listener:
                self.address = listener.getsockname()


class OldStore(Store):
    """Of a torch that takes no socket."""

    def __init__(self, *, host_name: str, port: int, is_master: bool) -> None:
        super().__init__(host_name=host_name, port=port, is_master=is_master)


def made_by(store: type[Store], **fields: Any) -> Store:
    module = SimpleNamespace(TCPStore=store)
    _wrap(module)
    made: Store = module.TCPStore(**fields)
    return made


def test_a_store_that_is_to_listen_here_gets_the_socket() -> None:
    made = made_by(Store, host_name="127.0.0.1", port=0, is_master=True)
    assert made.address == ("127.0.0.1", made.fields["port"])


@pytest.mark.parametrize(
    ("store", "host", "is_master"),
    [(Store, "127.0.0.1", False), (Store, "node-0", True), (OldStore, "127.0.0.1", True)],
    ids=["a client", "several machines", "an old torch"],
)
def test_every_other_store_is_made_as_it_was_asked_for(store: type[Store], host: str, is_master: bool) -> None:
    asked = {"host_name": host, "port": 0, "is_master": is_master}
    assert made_by(store, **asked).fields == asked


def test_where_the_port_is_taken_torch_says_so_or_uses_its_own_store_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asked = {"host_name": "127.0.0.1", "port": taken.getsockname()[1], "is_master": True}
        assert made_by(Store, **asked).fields == asked
