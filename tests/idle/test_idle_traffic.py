"""Bytes that kernels move over the network: real sockets, a recorded answer of the system, and what it may not tell."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from standin_kernel import LIMIT_S, StandIn, Tables, until

from mlk_jupyter.idle.kernels import Process, Usage
from mlk_jupyter.idle.network import LinuxNetwork, Network, Socket, devices_moved, listed, parsed
from mlk_jupyter.idle.processes import Usages
from mlk_jupyter.idle.traffic import Traffic

RATE = 200_000
WORK = 64 * 1024

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="counts sockets on Linux only")


@pytest.fixture
def kernel() -> Iterator[StandIn]:
    started = StandIn()
    yield started
    started.end_all()


@pytest.fixture
def sender() -> Iterator[tuple[int, threading.Event]]:
    """The port of a server that sends 200 KB a second to whoever connects; and whether somebody has."""
    is_connected = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as connections:

        def send(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(bytes(RATE // 20))
                    time.sleep(0.05)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = connections.enter_context(listening.accept()[0])
                    is_connected.set()
                    threading.Thread(target=send, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1], is_connected
        listening.shutdown(socket.SHUT_RDWR)


FETCH = """
import socket
connection = socket.create_connection(("127.0.0.1", {port}))
while connection.recv(65536): pass
"""


@needs_linux
@pytest.mark.parametrize("way", ["thread", "child"])
def test_a_download_into_memory_is_work(kernel: StandIn, sender: tuple[int, threading.Event], way: str) -> None:
    port, is_connected = sender
    code = FETCH.format(port=port)
    if way == "thread":
        kernel.run(f"threading.Thread(target=lambda: exec({code!r}, {{}}), daemon=True).start()")
    else:
        kernel.spawn(sys.executable, "-c", code)
    assert is_connected.wait(LIMIT_S)
    usages = Usages()
    usages.sample({"k": kernel.process})
    until(lambda: (usages.sample({"k": kernel.process})["k"].io.value or 0) > WORK)


@needs_linux
def test_a_connection_over_which_nothing_comes_is_no_work(kernel: StandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kernel.run(f"import socket; kept = socket.create_connection(('127.0.0.1', {listening.getsockname()[1]}))")
        usages = Usages()
        usages.sample({"k": kernel.process})
        io = until(lambda: found if (found := usages.sample({"k": kernel.process})["k"].io).known else None)
    assert io.value < 1024


@needs_linux
def test_the_system_counts_what_a_socket_moves() -> None:
    network = LinuxNetwork()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as one,
        listening.accept()[0] as other,
    ):
        one.sendall(bytes(5000))
        assert len(other.recv(5000, socket.MSG_WAITALL)) == 5000
        inode = os.fstat(other.fileno()).st_ino
        mine = next(found for found in network.sockets() or [] if found.inode == inode)
    assert mine.moved is None or mine.moved >= 5000
    assert not mine.leaves


# What the system says


def message(source: bytes, target: bytes, inode: int, info: bytes, family: int = socket.AF_INET) -> bytes:
    head = struct.pack(
        "=4B2s2s16s16sI8s5I", family, 1, 0, 0, b"\1\1", b"\2\2", source, target, 0, b"cookie88", 0, 0, 0, 7, inode
    )
    attributes = struct.pack("=HH", 5, 4 + 1) + b"\0" * 4 + struct.pack("=HH", 4 + len(info), 2) + info
    body = head + attributes
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body


INFO = bytes(120) + struct.pack("=QQ", 1000, 234) + bytes(96)
HERE, THERE = socket.inet_aton("10.0.0.2"), socket.inet_aton("93.184.216.34")
LAST = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def test_an_answer_of_the_system_is_read() -> None:
    found, is_last = parsed(message(HERE, THERE, 42, INFO) + LAST)
    assert is_last and found == [Socket(b"cookie88", 42, 1234, leaves=True)]


@pytest.mark.parametrize(
    ("source", "target", "family"),
    [
        (socket.inet_aton("127.0.0.1"), socket.inet_aton("127.0.0.1"), socket.AF_INET),
        (HERE, HERE, socket.AF_INET),
        (*[socket.inet_pton(socket.AF_INET6, "::1")] * 2, socket.AF_INET6),
        (*[socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1")] * 2, socket.AF_INET6),
    ],
)
def test_what_goes_from_here_to_here_leaves_by_no_device(source: bytes, target: bytes, family: int) -> None:
    assert [one.leaves for one in parsed(message(source, target, 1, INFO, family))[0]] == [False]


def test_an_old_system_that_counts_no_bytes_gives_none() -> None:
    assert parsed(message(HERE, THERE, 42, bytes(104)))[0][0].moved is None


def test_a_refusal_of_the_system_is_an_error() -> None:
    with pytest.raises(OSError, match="does not list"):
        parsed(struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -errno.ENOENT))


def test_tables_of_the_system_are_read() -> None:
    tcp = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 0100007F:0016 01 00000000:00000000 00:00000000 00000000  1000        0 77 1 0\n"
        "   1: 0200000A:1F91 22D8B85D:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 78 1 0\n"
        "   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 79 1 0\n"
    )
    if sys.byteorder == "little":
        assert listed(tcp) == [Socket(77, 77, None, leaves=False), Socket(78, 78, None, leaves=True)]
    dev = "Inter-|\n face |bytes\n    lo: 9 1 0 0 0 0 0 0 9 1\n  eth0:100 1 0 0 0 0 0 0 23 1\n"
    assert devices_moved(dev) == 123


# What it may not tell


class Said(Network):
    """A namespace of a table."""

    def __init__(self) -> None:
        self.table: dict[int, Socket] | None = {}
        self.holding: dict[int, set[int]] = {}
        self.devices: dict[str, int | None] = {"here": 0}
        self.namespaces: dict[int, str] = {}
        self.looked = 0

    def put(self, inode: int, moved: int | None, *, pid: int = 10, leaves: bool = True) -> None:
        assert self.table is not None
        self.table[inode] = Socket(inode, inode, moved, leaves)
        self.holding.setdefault(pid, set()).add(inode)

    def sockets(self) -> list[Socket] | None:
        return None if self.table is None else list(self.table.values())

    def moved(self, pid: int | None = None) -> int | None:
        return self.devices[self.namespace(pid)]

    def namespace(self, pid: int | None = None) -> str:
        return self.namespaces.get(pid or 0, "here")

    def held(self, pid: int) -> set[int]:
        self.looked += 1
        return self.holding.get(pid, set())


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def sample(said: Said) -> Callable[[], Usage]:
    """Samples the kernel whose process is 10, ten seconds after the sample before; it was sampled once."""
    system, now = Tables(), [100.0]
    system.put(10)
    system.network = said
    usages = Usages(system=system, clock=lambda: now[0])

    def take() -> Usage:
        now[0] += 10
        return usages.sample({"k": Process(10, 1010.0)})["k"]

    take()
    return take


def test_a_new_connection_counts_whole_and_an_old_one_what_it_grew(said: Said, sample: Callable[[], Usage]) -> None:
    said.put(1, 5_000)
    assert sample().io.value == 500
    said.put(1, 7_000)
    assert sample().io.value == 200
    assert sample().io.value == 0


def test_connections_of_others_do_not_count(said: Said, sample: Callable[[], Usage]) -> None:
    said.put(1, 10**9, pid=99)
    assert sample().io.value == 0


def test_who_holds_a_connection_is_looked_for_once(said: Said, sample: Callable[[], Usage]) -> None:
    said.put(1, 1000)
    said.put(2, 1000, pid=99)
    for moved in range(2000, 9000, 1000):
        said.put(1, moved)
        said.put(2, moved, pid=99)
        sample()
    assert said.looked == 2  # the second time for what was nobody's, whose process may not have been a member yet


def test_connections_too_short_to_be_seen_make_it_unknown(said: Said, sample: Callable[[], Usage]) -> None:
    said.put(1, 100)
    said.devices["here"] = 2_000_000
    assert "short connections" in (sample().io.why or "")
    assert said.table is not None
    del said.table[1]
    said.devices["here"] = 4_000_000
    assert not sample().io.known
    assert sample().io.value == 0  # and it is known again as soon as nothing goes over the network


def test_a_network_that_others_use_does_not_matter(said: Said, sample: Callable[[], Usage]) -> None:
    said.devices["here"] = 10**9
    assert sample().io.value == 0
    said.put(1, 50_000_000, pid=99)
    said.put(2, 100)
    said.devices["here"] += 52_000_000
    assert sample().io.value == 10


def test_an_old_connection_does_not_make_what_others_move_unknown(said: Said, sample: Callable[[], Usage]) -> None:
    said.put(1, 100)
    sample()
    for _ in range(400):  # an hour later
        sample()
    said.devices["here"] = 10**9
    assert sample().io.value == 0


def test_without_bytes_of_connections_the_network_decides(said: Said, sample: Callable[[], Usage]) -> None:
    said.put(1, None)
    assert sample().io.value == 0
    said.devices["here"] = 2_000_000
    assert not sample().io.known
    said.table = {}
    for _ in range(400):
        sample()
    said.devices["here"] = 4_000_000
    assert sample().io.value == 0


def test_a_system_that_tells_nothing_of_its_network_keeps_no_kernel_for_ever(
    said: Said, sample: Callable[[], Usage]
) -> None:
    said.table, said.devices["here"] = None, None
    assert [sample().io.value for _ in range(3)] == [0, 0, 0]


def test_processes_in_a_namespace_of_their_own_count_by_its_devices(said: Said, sample: Callable[[], Usage]) -> None:
    said.namespaces[10], said.devices["apart"] = "apart", 10**9
    assert sample().io.value == 0  # what it had moved before nobody knows
    said.devices["apart"] = 10**9 + 2_000_000
    assert sample().io.value == 200_000


def test_a_new_kernel_may_hold_what_was_nobodys(said: Said) -> None:
    traffic = Traffic(said)
    said.put(1, 100, pid=11)
    for at in (0.0, 10.0, 20.0):
        said.put(1, int(at) * 10 + 200, pid=11)
        traffic.sample(at, {"k": [10]})
    said.put(1, 1000, pid=11)
    assert traffic.sample(30.0, {"k": [10], "new": [11]})["new"].moved == 600
