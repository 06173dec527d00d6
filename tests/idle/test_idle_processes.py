"""CPU, bytes and state of a kernel's processes, with real ones: wherever they went, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from standin_kernel import DAEMON, Pretended, StandIn, Tables, until

from mlk_jupyter.gpus.devices import Device, Devices, Reading
from mlk_jupyter.idle.kernels import Process, Usage
from mlk_jupyter.idle.processes import Usages
from mlk_jupyter.idle.table import Facts, PsutilSystem, System, this_system

Start = Callable[[], StandIn]

SPIN = "\nwhile True: pass"
WORK = 4.0
"""Percent of a core that a machine under load still gives to each of its processes; who does nothing uses none."""


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[StandIn] = []

    def begin() -> StandIn:
        started.append(StandIn())
        return started[-1]

    yield begin
    for kernel in started:
        kernel.end_all()


class Watch:
    """Samples standing-in kernels."""

    def __init__(self, *kernels: StandIn, system: System | None = None) -> None:
        self._kernels = kernels
        self.usages = Usages(system=system)

    def __call__(self) -> dict[str, Usage]:
        return self.usages.sample({kernel.kernel_id: kernel.process for kernel in self._kernels})

    def one(self) -> Usage:
        return self()[self._kernels[0].kernel_id]

    def measured(self) -> Usage:
        """A sample that is compared with one that was taken after this call began."""
        self.usages = Usages()
        self.one()
        return until(lambda: usage if (usage := self.one()).cpu.known else None)  # type: ignore[no-any-return]

    def works(self) -> None:
        until(lambda: (self.one().cpu.value or 0.0) > WORK)


def test_a_first_sample_knows_no_use_yet(start: Start) -> None:
    usage = Watch(start()).one()
    assert usage.cpu.why == usage.io.why == "not measured yet"
    assert usage.stopped.value is False and usage.gpus.known


def test_a_thread_that_computes_silently_is_seen(start: Start) -> None:
    kernel = start()
    kernel.run("threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()")
    Watch(kernel).works()


def test_a_kernel_that_does_nothing_uses_next_to_nothing(start: Start) -> None:
    usage = Watch(start()).measured()
    assert usage.cpu.value is not None and usage.cpu.value < 2
    assert usage.io.value is not None and usage.io.value < 64 * 1024


@pytest.mark.parametrize(
    "way",
    [
        "subprocess.Popen([sys.executable, '-c', {code!r}])",
        "subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)",
        "subprocess.run(['sh', '-c', 'nohup \"$@\" >/dev/null 2>&1 &', 'sh', sys.executable, '-c', {code!r}])",
        "subprocess.run(['sh', '-c', 'setsid \"$@\" >/dev/null 2>&1 &', 'sh', sys.executable, '-c', {code!r}])",
    ],
    ids=["child", "setsid", "nohup", "double fork"],
)
def test_what_a_kernel_started_counts_wherever_it_went(start: Start, way: str) -> None:
    kernel = start()
    kernel.run(way.format(code=SPIN))
    Watch(kernel).works()


def test_a_daemon_that_forked_twice_is_found_by_its_tag(start: Start) -> None:
    kernel = start()
    kernel.run(DAEMON.replace("time.sleep(600)", "\n        while True: pass"))
    Watch(kernel).works()


def test_a_daemon_that_shed_the_tag_is_known_from_before(start: Start) -> None:
    kernel = start()
    shell = kernel.spawn("sh", "-c", f"env -i setsid {sys.executable} -c '{SPIN}' & echo $!; wait", stdout=-1)
    watch = Watch(kernel)
    watch.works()
    (child,) = psutil.Process(shell).children()
    try:
        os.kill(shell, signal.SIGKILL)
        until(lambda: child.ppid() != shell)
        until(lambda: watch.one().cpu.known)
        watch.usages.sample({})
        watch.works()
    finally:
        child.kill()


def test_children_that_come_and_go_between_two_samples_count(start: Start) -> None:
    kernel = start()
    watch = Watch(kernel)
    watch.one()
    kernel.run("for _ in range(8): subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])")
    assert until(lambda: watch.one().cpu.value) > WORK


def test_bytes_that_a_child_writes_count(start: Start) -> None:
    kernel = start()
    kernel.spawn("sh", "-c", "while true; do head -c 1000000 /dev/zero; done >/dev/null")
    watch = Watch(kernel)
    until(lambda: (watch.one().io.value or 0) > 64 * 1024)


def test_a_kernel_of_the_same_server_does_not_count_for_another(start: Start) -> None:
    idle, busy = start(), start()
    busy.spawn(sys.executable, "-c", SPIN)
    watch = Watch(idle, busy)
    usages = until(lambda: found if ((found := watch())[busy.kernel_id].cpu.value or 0) > WORK else None)
    assert usages[idle.kernel_id].cpu.value < 2


def test_what_this_server_starts_beside_kernels_does_not_count(start: Start) -> None:
    kernel = start()
    with subprocess.Popen([sys.executable, "-c", SPIN]) as busy:
        usage = Watch(kernel).measured()
        busy.kill()
    assert usage.cpu.value is not None and usage.cpu.value < 2


def test_a_suspended_kernel_is_told_and_for_how_long(start: Start) -> None:
    kernel = start()
    watch = Watch(kernel)
    assert watch.one().stopped.value is False
    os.kill(kernel.pid, signal.SIGSTOP)
    until(lambda: watch.one().stopped.value)
    until(lambda: (watch.one().stopped.age_s or 0) > 0)
    os.kill(kernel.pid, signal.SIGCONT)
    until(lambda: watch.one().stopped.value is False)


def test_a_kernel_that_has_ended_is_unknown(start: Start) -> None:
    kernel = start()
    watch = Watch(kernel)
    watch.one()
    kernel.end()
    assert {signal.why for signal in (watch.one().cpu, watch.one().gpus, watch.one().stopped)} == {
        "its process has ended"
    }


def test_a_number_that_was_given_again_is_not_the_kernel(start: Start) -> None:
    kernel = start()
    other = Process(kernel.pid, kernel.process.created - 3600)
    assert Usages().sample({"one": other})["one"].cpu.why == "its process has ended"


@pytest.mark.parametrize("system", [this_system, PsutilSystem, Pretended])
def test_every_system_sees_a_kernel_work(start: Start, system: Callable[[], System]) -> None:
    kernel = start()
    kernel.run("threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()")
    Watch(kernel, system=system()).works()


def test_a_system_that_counts_no_bytes_is_not_waited_for(start: Start) -> None:
    watch = Watch(start(), system=PsutilSystem())
    watch.one()
    usage = until(lambda: found if (found := watch.one()).cpu.known else None)
    assert usage.io.known and usage.io.value is None


# Tables: what cannot be arranged with real processes


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def sampler(system: Tables, pid: int = 10) -> Callable[[float], Usage]:
    """Samples the kernel whose process is `pid`, so many seconds after the sample before."""
    clock = Clock()
    usages = Usages(system=system, clock=clock)

    def sample(later_s: float = 10.0) -> Usage:
        clock.now += later_s
        return usages.sample({"k": Process(pid, 1000.0 + pid)})["k"]

    return sample


def test_a_child_that_ended_is_not_counted_twice() -> None:
    system = Tables()
    system.put(10, own_s=1.0)
    system.put(11, 10, own_s=0.0)
    sample = sampler(system)
    sample()
    system.put(11, 10, own_s=9.0)
    assert sample().cpu.value == pytest.approx(90)
    del system.table[11]
    system.put(10, own_s=1.0, reaped_s=9.5)
    assert sample().cpu.value == pytest.approx(5)


def test_work_of_a_grandchild_that_its_parent_did_not_outlive_counts_once() -> None:
    system = Tables()
    system.put(10)
    system.put(11, 10, own_s=1.0)
    system.put(12, 11, own_s=50.0)
    sample = sampler(system)
    sample()
    del system.table[11], system.table[12]
    system.put(10, reaped_s=52.0)
    assert sample().cpu.value == pytest.approx(10)


def test_counters_that_go_backwards_are_never_less_than_nothing() -> None:
    system = Tables()
    system.put(10, own_s=5.0, reaped_s=5.0)
    system.io[10] = 10**9
    sample = sampler(system)
    sample()
    system.put(10, own_s=1.0, reaped_s=0.0)
    system.io[10] = 10
    usage = sample()
    assert (usage.cpu.value, usage.io.value) == (0.0, 0.0)


def test_a_number_that_another_process_got_between_two_samples_begins_anew() -> None:
    system = Tables()
    system.put(10)
    system.put(11, 10, own_s=50.0)
    sample = sampler(system)
    sample()
    system.put(11, 1, own_s=70.0, began=500.0)
    assert sample().cpu.value == 0.0
    system.put(11, 10, own_s=1.0, began=900.0)
    assert sample().cpu.value == pytest.approx(10)


def test_a_process_that_becomes_known_late_brings_no_past_along() -> None:
    system = Tables()
    system.put(10)
    system.put(11, 1, own_s=500.0)
    sample = sampler(system)
    sample()
    system.known[11] = Facts(own=True, tag="k", job=False)
    system.put(11, 1, own_s=501.0)
    assert sample().cpu.value == pytest.approx(10)


def test_a_restarted_kernel_begins_anew() -> None:
    system, clock = Tables(), Clock()
    usages = Usages(system=system, clock=clock)
    for pid in (10, 20):
        system.put(pid, own_s=100.0)
        clock.now += 10
        assert usages.sample({"k": Process(pid, 1000.0 + pid)})["k"].cpu.why == "not measured yet"
        del system.table[pid]


def test_a_sample_taken_at_once_is_compared_with_an_older_one() -> None:
    system = Tables()
    system.put(10)
    sample = sampler(system)
    sample()
    system.put(10, own_s=5.0)
    assert sample(10.0).cpu.value == pytest.approx(50)
    system.put(10, own_s=5.01)
    assert sample(0.01).cpu.value == pytest.approx(50, abs=0.1)
    system.put(10, own_s=5.02)
    assert sample(0.01).cpu.value == pytest.approx(50, abs=0.1)
    assert sample(10.0).cpu.value == pytest.approx(0.2, abs=0.05)


def test_what_a_tick_of_the_clock_makes_up_is_no_work_however_often_somebody_asks() -> None:
    system, clock = Tables(), Clock()
    usages = Usages(system=system, clock=clock, period_s=9.0)

    def sample(later_s: float, own_s: float) -> float | None:
        clock.now += later_s
        system.put(10, own_s=own_s)
        return usages.sample({"k": Process(10, 1010.0)})["k"].cpu.value

    sample(0.0, 0.0)
    assert [sample(1.0, 0.02), sample(1.0, 0.02)] == pytest.approx([2.0, 1.0])
    assert sample(8.0, 0.02) == pytest.approx(0.0)
    assert max(sample(1.0, 0.04) or 0.0 for _ in range(8)) == pytest.approx(0.2, abs=0.05)
    assert sample(1.0, 0.94) == pytest.approx(10, abs=1)


def test_a_clock_that_jumps_does_not_lose_a_kernel() -> None:
    system = Tables()
    system.put(10)
    sample = sampler(system)
    sample()
    system.created = lambda row: 90000.0 + row.began  # type: ignore[method-assign]
    system.put(10, own_s=1.0)
    assert sample().cpu.value == pytest.approx(10)


def test_bytes_that_may_not_be_seen_are_unknown_and_not_none() -> None:
    system = Tables()
    system.put(10)
    system.put(11, 10)
    system.io[11] = PermissionError(13, "Permission denied")
    sample = sampler(system)
    sample()
    system.put(11, 10, own_s=0.01)
    usage = sample()
    assert usage.cpu.known and usage.io.why == "what its process p11 (11) reads and writes cannot be seen"


def test_a_process_that_hides_its_bytes_and_does_nothing_makes_nothing_unknown() -> None:
    system = Tables()
    system.put(10)
    system.put(11, 10)
    system.io[11] = PermissionError(13, "Permission denied")
    sample = sampler(system)
    sample()
    assert sample().io.value == 0.0
    system.put(12, 10)
    system.io[12] = PermissionError(13, "Permission denied")
    assert not sample().io.known  # it began meanwhile
    system.io[10] = 10_000
    assert sample().io.value == 1000.0


def test_gpus_are_asked_for_only_while_a_kernel_holds_one(start: Start) -> None:
    kernel, system, made = start(), Pretended(), []

    class Asked:
        def read(self) -> Reading:
            return Reading((Device("GPU-0", 0, busy=0.7, memory_bytes=1),))

        def close(self) -> None:
            made.append("closed")

    usages = Usages(system=system, devices=lambda: made.append("opened") or Asked())  # type: ignore[arg-type, return-value, func-returns-value]
    watch = Watch(kernel)
    watch.usages = usages
    assert watch.one().gpus.value == 0 and made == []
    system.hold(kernel.pid)
    usage = watch.one()
    assert (usage.gpus.value, usage.gpu_busy.value, usage.gpu_memory.value) == (1, 0.7, 1)
    system.hold(kernel.spawn("sleep", "600", start_new_session=True))
    assert watch.one().gpu_busy.value == 0.7  # its own children are no tenants beside it
    system.files[os.getpid()] = frozenset({"nvidia0", "nvidia-uvm"})
    assert watch.one().gpu_busy.value == 0.7
    with subprocess.Popen(["sleep", "600"]) as other:
        system.hold(other.pid, "nvidia0")
        assert watch.one().gpu_busy.value == 0.7  # somebody who only looks is none either
        system.hold(other.pid)
        assert watch.one().gpu_busy.why == "another process uses the same GPU"
        other.kill()
    usages.close()
    assert made == ["opened", "closed"]


def test_without_a_driver_nothing_is_loaded_for_gpus(start: Start) -> None:
    def never() -> Devices:
        raise AssertionError

    watch, system = Watch(start()), Pretended()
    system.gpus = False
    watch.usages = Usages(system=system, devices=never)
    usage = watch.one()
    assert usage.gpus.value == 0 and usage.gpu_busy.known and usage.gpu_memory.value == 0
