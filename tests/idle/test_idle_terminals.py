"""What a server does besides its kernels: which of it keeps the server, and for how long."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.terminals import Processes, Terminal, Tree, Use, is_container, why_busy

POLICY = Policy(ttl_s=4 * 3600, busy_silent_ttl_s=24 * 3600)
HOUR = 3600.0


def tree(cpu_pct: float | None = 0.0, io_bytes: float | None = 0.0, name: str = "python") -> Tree:
    return Tree(7, name, cpu_pct, io_bytes)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (tree(98.2), "python (7) computes (CPU 98 % of a core)"),
        (tree(0.5, 2048 * 1024, "wget"), "wget (7) reads and writes (2048 KiB a second)"),
        (tree(None), "python (7) was not measured yet"),
        (tree(0.5, 1000.0), None),
        (tree(1.9, None), None),
        (Tree(7, "rsession", 0.0, 0.0, is_connected=True), "a page of rsession (7) is open"),
    ],
)
def test_what_computes_reads_or_writes_keeps_a_server(found: Tree, words: str | None) -> None:
    assert why_busy([], Use((found,), {}), POLICY) == words


@pytest.mark.parametrize(
    ("program", "typed_s", "is_busy"),
    [
        ("vim", 1 * HOUR, True),
        ("python", 23 * HOUR, True),
        ("python", 25 * HOUR, False),
        ("top", 3 * HOUR, True),
        ("htop", 5 * HOUR, False),
        (None, 0.0, False),
    ],
)
def test_a_silent_program_in_the_foreground_counts_for_so_long(
    program: str | None, typed_s: float, is_busy: bool
) -> None:
    terminals = [Terminal("1", 5, 6 if program else 5, typed_s)]
    words = why_busy(terminals, Use((tree(),), {"1": program} if program else {}), POLICY)
    assert words == (f"terminal 1 runs {program}" if is_busy else None)


def test_no_limit_is_for_ever() -> None:
    forever = Policy(busy_silent_ttl_s=0.0)
    assert why_busy([Terminal("1", 5, 6, 1e9)], Use((), {"1": "ssh"}), forever) == "terminal 1 runs ssh"


def test_what_is_not_known_keeps_a_server() -> None:
    assert why_busy([], Use((), {}, "it is not known what runs (AccessDenied)"), POLICY) is not None


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def eventually(what: Callable[[], bool]) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.05)  # between looks
    raise AssertionError("it never became true")


class Looks:
    """Looks at this process's children with a clock of the test's own: a second passes between two looks."""

    def __init__(self, all_of_user: bool = False, pid: int | None = None) -> None:
        self.processes = Processes(pid or os.getpid(), all_of_user=all_of_user)
        self.at = 0.0

    def of(self, pid: int, terminals: tuple[Terminal, ...] = ()) -> Tree | None:
        return next((found for found in self.use(terminals).trees if found.pid == pid), None)

    def use(self, terminals: tuple[Terminal, ...] = ()) -> Use:
        self.at += 1.0
        return self.processes.look(terminals, self.at)


def test_a_child_of_a_child_that_computes_is_seen_and_one_that_sleeps_is_not() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with running(sys.executable, "-c", script) as busy, running("sleep", "1000") as quiet:
        eventually(lambda: bool(psutil.Process(busy.pid).children()))
        looks = Looks()
        first = looks.of(busy.pid)
        assert first is not None and first.cpu_pct is None
        eventually(lambda: ((found := looks.of(busy.pid)) is not None) and (found.cpu_pct or 0) > 2)
        slept = looks.of(quiet.pid)
        assert slept is not None and slept.cpu_pct == 0 and slept.name == "sleep"
        for child in psutil.Process(busy.pid).children():
            child.kill()


def test_what_a_child_that_has_ended_has_used_counts_through_its_parent() -> None:
    script = (
        "import subprocess, sys\n"
        "for _ in sys.stdin:\n"
        "    subprocess.run([sys.executable, '-c', 'for i in range(10**7): pass'])\n"
        "    print('done', flush=True)\n"
    )
    with running(sys.executable, "-c", script) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        looks = Looks()
        eventually(lambda: looks.of(parent.pid) is not None and (looks.of(parent.pid) or tree()).cpu_pct == 0)
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        parent.stdout.readline()
        found = looks.of(parent.pid)
        assert found is not None and found.cpu_pct is not None and found.cpu_pct > 2


def test_what_a_child_used_long_ago_is_no_work_of_the_interval_in_which_it_ends() -> None:
    script = (
        "import subprocess, sys\n"
        "code = 'import time\\nwhile time.process_time() < 1: pass\\nprint(1, flush=True)\\ninput()'\n"
        "subprocess.run([sys.executable, '-c', code], stdin=sys.stdin)\n"
        "print('done', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with running(sys.executable, "-c", script) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdout.readline()
        looks = Looks()
        eventually(lambda: looks.of(parent.pid) is not None and (looks.of(parent.pid) or tree()).cpu_pct == 0)
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        parent.stdout.readline()
        found = looks.of(parent.pid)
        assert found is not None and found.cpu_pct is not None and found.cpu_pct < 50


def test_reading_and_writing_is_seen(tmp_path: Path) -> None:
    script = "while True: open(sys.argv[1], 'wb').write(bytes(10**6))"
    with running(sys.executable, "-c", "import sys\n" + script, str(tmp_path / "x")) as writer:
        looks = Looks()
        eventually(lambda: ((found := looks.of(writer.pid)) is not None) and (found.io_bytes or 0) > 65536)


def test_an_application_whose_page_the_server_passes_on_is_seen_until_it_is_closed() -> None:
    script = (
        "import socket, sys\n"
        "listening = socket.create_server(('127.0.0.1', 0))\n"
        "print(listening.getsockname()[1], flush=True)\n"
        "accepted = [listening.accept()[0] for _ in range(1)]\n"
        "sys.stdin.read()\n"
    )
    with running(sys.executable, "-c", script) as application:
        assert application.stdout is not None
        looks, port = Looks(), int(application.stdout.readline())
        assert not getattr(looks.of(application.pid), "is_connected", None)
        with socket.create_connection(("127.0.0.1", port)):
            eventually(lambda: getattr(looks.of(application.pid), "is_connected", False))
        eventually(lambda: not getattr(looks.of(application.pid), "is_connected", True))


def test_what_left_the_tree_is_seen_in_a_container_only() -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '1000'], stdout=-3, start_new_session=True).pid)"
    starter = subprocess.check_output([sys.executable, "-c", script])
    pid = int(starter)
    try:
        assert all(found.pid != pid for found in Looks().use().trees)
        with running("sleep", "1000") as server:
            assert Looks(all_of_user=True, pid=server.pid).of(pid) is not None
    finally:
        os.kill(pid, 9)


def test_neither_the_server_nor_what_it_hangs_on_is_its_work() -> None:
    roots = {found.pid for found in Looks(all_of_user=True).use().trees}
    assert not roots & {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}


def test_a_shell_that_waits_runs_nothing_and_one_with_a_program_does() -> None:
    with running("sleep", "1000") as program:
        looks = Looks()
        use = looks.use((Terminal("1", 4, 4, 0.0), Terminal("2", 4, program.pid, 0.0), Terminal("3", 4, None, 0.0)))
        assert use.foreground == {"2": "sleep", "3": "something unknown"}


def test_a_program_that_only_shows_is_no_work_but_what_it_starts_is(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.write_text(f"#!{sys.executable}\nwhile True: pass\n")
    top.chmod(0o755)
    with running(str(top)) as shown:
        eventually(lambda: psutil.Process(shown.pid).name() == "top")
        looks = Looks()
        looks.of(shown.pid)
        eventually(lambda: sum(psutil.Process(shown.pid).cpu_times()[:2]) > 0.2)
        found = looks.of(shown.pid)
        assert found is not None and found.cpu_pct == 0


def test_a_pod_is_a_container() -> None:
    assert is_container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
