"""What left a kernel, outlived it and holds a GPU is ended; nothing else ever is. Real processes, pretended GPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from standin_kernel import DAEMON, Pretended, StandIn, Tables, until

from mlk_jupyter.gpus.devices import Devices
from mlk_jupyter.idle.kernels import TAG
from mlk_jupyter.idle.leftovers import Leftover, end, leftovers
from mlk_jupyter.idle.processes import Usages
from mlk_jupyter.idle.table import Facts, Row

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"


class Scene:
    """A kernel that is sampled, and its end."""

    def __init__(self) -> None:
        self.system = Pretended()
        self.usages = Usages(system=self.system, devices=lambda: Devices(NoDriver))
        self.kernels: list[StandIn] = []

    def start(self) -> StandIn:
        self.kernels.append(StandIn())
        return self.kernels[-1]

    def sample(self) -> None:
        self.usages.sample({kernel.kernel_id: kernel.process for kernel in self.kernels})

    def left(self, kernel: StandIn) -> list[int]:
        return [one.pid for one in self.usages.leftovers(kernel.kernel_id)]


class NoDriver:
    @staticmethod
    def nvmlInit() -> None:
        raise RuntimeError("no driver")


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    for kernel in scene.kernels:
        kernel.end_all()
    scene.usages.close()


def daemon(kernel: StandIn) -> int:
    """Starts one that forked twice; gives its number."""
    kernel.run(DAEMON)

    def is_it(process: psutil.Process) -> bool:
        try:
            session = os.getsid(process.pid)
            return process.environ().get(TAG) == kernel.kernel_id and session not in (process.pid, kernel.pid)
        except (psutil.Error, OSError):
            return False

    return int(until(lambda: [one.pid for one in psutil.process_iter() if is_it(one)])[0])


def setsid(kernel: StandIn) -> int:
    pid = kernel.spawn("sleep", "600", start_new_session=True)
    until(lambda: psutil.Process(pid).name() == "sleep")  # renamed a moment after it is told to have started
    until(lambda: TAG in psutil.Process(pid).environ())  # which can be read a moment after that
    return pid


@pytest.mark.parametrize("way", [daemon, setsid])
def test_what_left_and_holds_a_gpu_is_found_and_ended(scene: Scene, way: Callable[[StandIn], int]) -> None:
    kernel = scene.start()
    pid = way(kernel)
    scene.system.hold(pid)
    scene.sample()
    kernel.end()
    (found,) = scene.usages.leftovers(kernel.kernel_id)
    assert (found.pid, str(found)) == (pid, f"{psutil.Process(pid).name()} ({pid})")
    assert end([found], 20) == [str(found)]
    row = scene.system.row(pid)
    assert scene.left(kernel) == [] and (row is None or row.state == "Z")


def test_what_was_never_sampled_is_found_by_its_tag(scene: Scene) -> None:
    kernel = scene.start()
    pid = setsid(kernel)
    scene.system.hold(pid)
    kernel.end()
    assert scene.left(kernel) == [pid]


def test_what_shed_the_tag_is_found_when_it_was_seen_before(scene: Scene) -> None:
    kernel = scene.start()
    pid = kernel.spawn("env", "-i", "/bin/sleep", "600", start_new_session=True)
    try:
        until(lambda: psutil.Process(pid).name() == "sleep")
        scene.system.hold(pid)
        scene.sample()
        kernel.end()
        scene.kernels.clear()
        scene.sample()
        assert scene.left(kernel) == [pid] and scene.usages.leftovers("another") == []
    finally:
        os.kill(pid, signal.SIGKILL)


def test_what_holds_no_gpu_is_left_alone(scene: Scene) -> None:
    kernel = scene.start()
    setsid(kernel)
    only_looks = setsid(kernel)
    scene.system.hold(only_looks, "nvidia0", "nvidiactl")
    scene.sample()
    kernel.end()
    assert scene.left(kernel) == []


def test_nothing_is_left_of_a_kernel_that_lives(scene: Scene) -> None:
    kernel = scene.start()
    scene.system.hold(setsid(kernel))
    scene.system.hold(kernel.pid)
    scene.sample()
    assert scene.left(kernel) == []


def test_another_kernels_processes_are_spared(scene: Scene) -> None:
    kernel, other = scene.start(), scene.start()
    for pid in (other.pid, setsid(other), daemon(other)):
        scene.system.hold(pid)
    scene.sample()
    kernel.end()
    assert scene.left(kernel) == []


def test_this_server_and_what_it_descends_from_are_spared(scene: Scene) -> None:
    kernel = scene.start()
    scene.sample()
    kernel.end()
    here = scene.system.row(os.getpid())
    assert here is not None
    rows = scene.system.rows()
    line = {
        (one.pid, rows[one.pid].began) for one in [psutil.Process(), *psutil.Process().parents()] if one.pid in rows
    }
    owners = dict.fromkeys(line, kernel.kernel_id)
    assert leftovers(kernel.kernel_id, scene.system, rows, owners, lambda pid: True, ()) == []


def test_a_job_that_the_kernel_started_is_spared(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = scene.start()
    rank = kernel.spawn("env", "-u", TAG, "MLK_JOB=night-1", "sleep", "600", start_new_session=True)
    module = "mlk_jupyter.backends.local.supervisor"
    supervisor = kernel.spawn("env", "-u", TAG, "sh", "-c", "sleep 600 & wait", module, start_new_session=True)
    until(lambda: psutil.Process(supervisor).children() and psutil.Process(rank).name() == "sleep")
    for pid in (rank, supervisor, psutil.Process(supervisor).children()[0].pid):
        scene.system.hold(pid)
    scene.sample()
    try:
        kernel.end()
        assert scene.left(kernel) == []
    finally:
        for process in (*psutil.Process(supervisor).children(), psutil.Process(supervisor), psutil.Process(rank)):
            process.kill()


def test_another_users_process_is_spared() -> None:
    system = Tables()
    system.put(10)
    for own in (True, False):
        system.known[10] = Facts(own=own, tag="one", job=False)
        found = leftovers("one", system, system.rows(), {}, lambda pid: True, ())
        assert [one.pid for one in found] == ([10] if own else [])


def test_one_that_ignores_sigterm_is_killed_after_the_grace_period(scene: Scene) -> None:
    kernel = scene.start()
    pid = int(
        kernel.run(
            f"child = subprocess.Popen([sys.executable, '-c', {DEAF!r}], stdout=-1, start_new_session=True)\n"
            "child.stdout.readline(); answer = child.pid"
        )
    )
    scene.system.hold(pid)
    kernel.end()
    found = scene.usages.leftovers(kernel.kernel_id)
    assert end(found, 0.2) == [f"{psutil.Process(pid).name()} ({pid})"]


class Reused(Pretended):
    """The numbers of processes were given again."""

    def row(self, pid: int) -> Row | None:
        row = super().row(pid)
        return None if row is None else row._replace(began=row.began + 1)


def test_a_number_that_was_given_again_is_not_signalled() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        row = Pretended().row(process.pid)
        assert row is not None
        one = Leftover(process.pid, psutil.Process(process.pid).create_time(), row.began, row.name)
        assert end([one], 0.1, system=Reused()) == [str(one)]
        assert process.poll() is None
        process.kill()


def test_without_handles_of_processes_it_is_looked_before_each_signal(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    kernel = scene.start()
    pid = setsid(kernel)
    scene.system.hold(pid)
    kernel.end()
    found = scene.usages.leftovers(kernel.kernel_id)
    assert end(found, 20, system=Reused()) == [f"sleep ({pid})"] and psutil.pid_exists(pid)
    assert end(found, 20) == [f"sleep ({pid})"]
    assert scene.left(kernel) == []
