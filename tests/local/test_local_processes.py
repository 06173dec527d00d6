"""Who processes are, what their environment holds, and the small things that keep jobs apart."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_jobs import wait_for

from mlk_jupyter.backends.local import machine, process
from mlk_jupyter.backends.local.catalogue import Catalogue
from mlk_jupyter.backends.local.environment import Place, environment, inherited, places
from mlk_jupyter.backends.local.ports import ReservedPort
from mlk_jupyter.backends.local.settle import ended
from mlk_jupyter.model import JobSpec, JobStatus, Phase, Progress, Reason
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.ledger import Ledger
from mlk_jupyter.record.ownership import Ownership, Taken


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], env={"MLK_MARK": "one of ours"})
    yield child
    child.kill()
    child.wait()


def spec(**changes: object) -> JobSpec:
    return JobSpec(**{"name": "n", "notebook": "n.ipynb", **changes})  # type: ignore[arg-type]


def status(job: str = "one", **changes: object) -> JobStatus:
    given = {"id": job, "name": "n", "notebook": "n.ipynb", "backend": "local", "phase": Phase.RUNNING}
    return JobStatus(**{**given, "created_at": 1.0, "spec": spec(), "owner": process.identity(), **changes})  # type: ignore[arg-type]


def test_a_process_is_known_by_boot_pid_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    who = process.identity(sleeper.pid)
    assert process.alive(who)
    assert not process.alive({**who, "start": "1"})
    assert not process.alive({**who, "boot": "another"})
    sleeper.kill()
    wait_for(lambda: not process.alive(who))  # a zombie is dead as well
    sleeper.wait()
    assert not process.alive(who)


def test_processes_are_found_by_what_their_environment_bears(sleeper: subprocess.Popen[bytes]) -> None:
    assert wait_for(lambda: process.bearing("MLK_MARK", "one of ours")) == [sleeper.pid]
    assert process.bearing("MLK_MARK", "one") == []


def test_descendants_are_found_to_any_depth() -> None:
    deep = "sh -c 'sh -c \"sleep 3600; true\"; true'; true"
    child = subprocess.Popen(["sh", "-c", deep], start_new_session=True)
    try:
        below = wait_for(lambda: len(found := process.descendants(child.pid)) == 3 and found)
        assert set(below) <= set(process.descendants(os.getpid()))
    finally:
        os.killpg(child.pid, 9)
        child.wait()


def test_only_one_process_owns_a_folder(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    with Ownership(folder):
        with pytest.raises(Taken), Ownership(folder):
            pass
        with pytest.raises(Taken), Ownership(folder, patience_s=0.1):
            pass
    with Ownership(folder):
        pass


def test_a_port_is_kept_from_other_processes_for_as_long_as_it_is_reserved(tmp_path: Path) -> None:
    ask = f"""
import fcntl, os, sys
file = os.open({str(tmp_path / "ports.lock")!r}, os.O_RDWR)
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[1]))
except BlockingIOError:
    sys.exit(7)
"""
    with ReservedPort(tmp_path) as port:
        assert 20_000 <= port.number < 32_768
        assert subprocess.run([sys.executable, "-c", ask, str(port.number)], check=False).returncode == 7
    assert subprocess.run([sys.executable, "-c", ask, str(port.number)], check=False).returncode == 0


def test_the_port_after_it_is_free_as_well_and_nobody_elses(tmp_path: Path) -> None:
    with ReservedPort(tmp_path) as one, ReservedPort(tmp_path) as other:
        assert one.number % 2 == other.number % 2 == 0 and one.number != other.number
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", one.number + 1))


def test_ranks_are_placed_worker_by_worker_with_their_workers_gpus() -> None:
    placed = places(spec(workers=2, gpus=2), 20_000, ["a", "b", "c", "d"])
    assert [(one.rank, one.worker, one.local_rank, one.gpus) for one in placed] == [
        (0, 0, 0, ["a", "b"]),
        (1, 0, 1, ["a", "b"]),
        (2, 1, 0, ["c", "d"]),
        (3, 1, 1, ["c", "d"]),
    ]


def rank_environment(asked: JobSpec, base: dict[str, str], gpus: list[str] | None = None) -> dict[str, str]:
    place = Place(rank=0, worker=0, local_rank=0, port=20_000, gpus=gpus)
    return environment(asked, place, base=base, job=Path("/jobs/one"), nonce="00ff", lifeline=5, cores=8)


def test_threads_are_shared_among_ranks_unless_somebody_chose() -> None:
    assert rank_environment(spec(workers=2), {})["OMP_NUM_THREADS"] == "4"
    assert rank_environment(spec(workers=20), {})["OMP_NUM_THREADS"] == "1"
    assert rank_environment(spec(workers=2), {"OMP_NUM_THREADS": "3"})["OMP_NUM_THREADS"] == "3"
    assert rank_environment(spec(env={"OMP_NUM_THREADS": "2"}), {"OMP_NUM_THREADS": "3"})["OMP_NUM_THREADS"] == "2"


def test_ranks_talk_over_the_loopback_interface_unless_somebody_chose() -> None:
    names = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    assert all(rank_environment(spec(), {})[name] in ("lo", "lo0") for name in names)
    assert rank_environment(spec(env={names[0]: "eth0"}), {names[1]: "eth1"})[names[0]] == "eth0"
    assert rank_environment(spec(), {names[1]: "eth1"})[names[1]] == "eth1"


def test_gpus_are_those_granted_and_without_any_none_unless_the_person_names_them() -> None:
    inherited_ones = {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert rank_environment(spec(gpus=1), inherited_ones, ["GPU-a"])["CUDA_VISIBLE_DEVICES"] == "GPU-a"
    assert rank_environment(spec(), inherited_ones)["CUDA_VISIBLE_DEVICES"] == ""
    assert rank_environment(spec(env={"CUDA_VISIBLE_DEVICES": "MIG-1"}), {})["CUDA_VISIBLE_DEVICES"] == "MIG-1"


def test_tokens_and_other_process_groups_are_not_inherited() -> None:
    kept = {"PATH": "/bin", "HOME": "/root", "MLK_DATA_DIR": "/data", "JUPYTERHUB_USER": "ann", "KERNEL_NAME": "x"}
    dropped = {
        "JPY_API_TOKEN": "t",
        "JUPYTERHUB_API_TOKEN": "t",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "t",
        "JUPYTER_TOKEN": "t",
        "KERNEL_GATEWAY_TOKEN": "t",
        "RANK": "3",
        "NODE_RANK": "3",
        "JAX_COORDINATOR_BIND_ADDRESS": "127.0.0.1:4000",
        "MASTER_ADDR": "elsewhere",
        "PET_NNODES": "2",
        "TORCHELASTIC_RUN_ID": "x",
        "OMPI_COMM_WORLD_RANK": "1",
        "JOB_COMPLETION_INDEX": "1",
        "TF_CONFIG": "{}",
        "MLK_LIFELINE": "9",
        "MLK_JOB": "outer",
    }
    assert inherited({**kept, **dropped}) == kept


def test_a_final_phase_never_changes(tmp_path: Path) -> None:
    ledger = Ledger(JobFolder(tmp_path), status())
    ledger.enter(Phase.FAILED, Reason(code="a", text="first"))
    ledger.enter(Phase.SUCCEEDED, Reason(code="b", text="second"))
    read = JobFolder(tmp_path).read_status()
    assert read is not None and read.phase is Phase.FAILED
    assert read.reason is not None and read.reason.text == "first"
    assert [step.phase for step in read.timeline] == [Phase.FAILED]


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.FAILED, Phase.STOPPED])
def test_a_job_that_does_not_succeed_is_never_shown_as_complete(tmp_path: Path, phase: Phase) -> None:
    ledger = Ledger(JobFolder(tmp_path), status())
    ledger.update(progress=Progress(cells_done=1, cells_total=1, fraction=1.0))
    ledger.enter(phase, Reason(code="a", text="over"))
    assert ledger.status.progress == Progress(cells_done=1, cells_total=1, fraction=None)
    ledger.update(progress=Progress(fraction=1.0))
    assert ledger.status.progress.fraction is None
    ledger.update(progress=Progress(fraction=0.4))
    assert ledger.status.progress.fraction == 0.4


def test_a_job_whose_supervisor_is_gone_is_not_shown_as_complete(tmp_path: Path) -> None:
    stale = status(progress=Progress(cells_done=1, cells_total=1, fraction=1.0))
    assert ended(JobFolder(tmp_path), stale).progress.fraction is None


def test_a_full_disk_costs_the_ballast_and_then_the_files_own_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path)
    ledger = Ledger(folder, status(notices=["x" * 500]))
    ledger.hold_room()
    ledger.save()

    def no_room(_folder: JobFolder, _status: JobStatus, *, lasting: bool) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    synced: list[int] = []
    monkeypatch.setattr(JobFolder, "write_status", no_room)
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    ledger.update(notices=[])
    ledger.enter(Phase.FAILED, Reason(code="disk_full", text="The disk is full."))
    assert synced == [(tmp_path / "status.json").stat().st_ino]
    assert not (tmp_path / ".ballast").exists()
    assert folder.read_status() == ledger.status


def test_an_unchanged_job_is_read_once_and_stays_the_same_object(tmp_path: Path) -> None:
    for number in range(50):
        folder = JobFolder(tmp_path / f"job-{number}")
        folder.path.mkdir()
        folder.write_status(status(folder.id, phase=Phase.SUCCEEDED))
    catalogue = Catalogue(tmp_path)
    first = catalogue.scan()
    JobFolder(tmp_path / "job-7").write_status(status("job-7", phase=Phase.SUCCEEDED, name="renamed"))
    second = catalogue.scan()
    assert len(first) == len(second) == 50
    assert [name for name in first if first[name] is not second[name]] == ["job-7"]
    assert second["job-7"].name == "renamed"


def test_what_is_no_job_folder_is_not_listed(tmp_path: Path) -> None:
    for name in (".new-abc", ".deleted-one-1", "UPPER", "1st", "x" * 70):
        (tmp_path / name).mkdir()
    (tmp_path / ".lock").touch()
    assert Catalogue(tmp_path).scan() == {}
    assert Catalogue(tmp_path / "absent").scan() == {}


def test_the_machine_is_described_or_unknown(tmp_path: Path) -> None:
    total, available = machine.memory()
    assert machine.cores() >= 1
    assert total is None or available is None or 0 <= available <= total
    assert machine.disk_free(tmp_path / "not" / "there") == pytest.approx(machine.disk_free(tmp_path), rel=0.1)
