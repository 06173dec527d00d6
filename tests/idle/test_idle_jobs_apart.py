"""A job that a kernel submitted is not the kernel: it works while the kernel does nothing, and outlives it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from standin_kernel import Pretended, StandIn, until

from mlk_jupyter.idle.kernels import TAG
from mlk_jupyter.idle.processes import Usages

MLK = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())"]


@pytest.fixture
def kernel(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("MLK_BACKEND", "local")
    kernel = StandIn()
    yield kernel
    kernel.end_all()
    subprocess.run([*MLK, "delete", "night"], capture_output=True, check=True)


def processes_of(job_id: str) -> list[int]:
    """Its ranks, and what they started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MLK_JOB") == job_id:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_a_job_neither_counts_as_its_kernels_work_nor_ends_with_it(kernel: StandIn, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text("while True: pass\n")
    words = [*MLK, "run", str(script), "--name", "night", "--no-mlflow", "--detach"]
    job_id = kernel.run(f"answer = subprocess.run({words!r}, stdout=-1, text=True).stdout.strip()")
    system = Pretended()
    usages = Usages(system=system)
    ranks = until(lambda: processes_of(job_id))
    until(lambda: any(psutil.Process(pid).cpu_times().user > 0.5 for pid in processes_of(job_id)))
    for pid in (ranks := processes_of(job_id)):
        assert TAG not in psutil.Process(pid).environ()
    supervisors = [pid for pid in {one.pid for rank in ranks for one in psutil.Process(rank).parents()} if pid > 1]
    supervisor = [
        pid for pid in supervisors if "mlk_jupyter.backends.local.supervisor" in psutil.Process(pid).cmdline()
    ]
    assert supervisor and TAG not in psutil.Process(supervisor[0]).environ()

    def cpu() -> float | None:
        return usages.sample({kernel.kernel_id: kernel.process})[kernel.kernel_id].cpu.value

    assert until(lambda: (found := cpu()) is not None and found < 2)
    for pid in (*ranks, *supervisor):
        system.hold(pid)
    kernel.end()
    assert usages.leftovers(kernel.kernel_id) == []
    assert all(psutil.pid_exists(pid) for pid in ranks)
