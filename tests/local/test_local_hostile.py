"""What a job may leave in its folder, which belongs to the code that it runs, disturbs that job alone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from machine_jobs import Jobs, wait_for

from mlk_jupyter import cli, library
from mlk_jupyter.backends.local import launch, process, settle
from mlk_jupyter.backends.local.queue import GpuQueue, Ticket
from mlk_jupyter.client.returned import keep_key, key_of
from mlk_jupyter.errors import JobNotFound, MlkError
from mlk_jupyter.follow.tail import Tails
from mlk_jupyter.model import JobStatus, Phase
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.notebook import NOTEBOOK_BYTES, executed

SECRET = '{"kind": "metric", "rank": 0, "seq": 1, "name": "SECRET", "value": 1}\n'
FILES = [
    ".", "logs", "spec.json", "status.json", "frames.jsonl", "samples.jsonl", "logs/rank-0.log", "bundle.pyz",
    "executed.ipynb", "so-far.ipynb", "launch.json", "stop.json", "supervisor.log", ".lock", ".settling", ".ballast",
    "values.key",
]  # fmt: skip
ODD: dict[str, Callable[[Path, Path], None]] = {
    "fifo": lambda path, elsewhere: os.mkfifo(path),
    "folder": lambda path, elsewhere: (path / "deeper").mkdir(parents=True),
    "link": lambda path, elsewhere: path.symlink_to(elsewhere),
    "closed": lambda path, elsewhere: path.mkdir(mode=0),
}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job's end leaves to a process of its own is not done: the folder is looked at while it is as it is."""
    monkeypatch.setattr(settle.detach, "start", lambda module, folder: None)


@pytest.fixture
def job(jobs: Jobs, data_dir: Path) -> JobFolder:
    """The whole folder of a job that ran, and whose supervisor died before it said how that ended."""
    spec, bundle = jobs.bundle("print(1)")
    folder = JobFolder(data_dir / "jobs" / "a-job-1")
    (folder.path / "logs").mkdir(parents=True)
    status = JobStatus(
        id=folder.id, name=spec.name, notebook=spec.notebook, backend="local", phase=Phase.RUNNING, created_at=1.0,
        spec=spec, owner={"boot": "another", "pid": 2, "start": "1"}, folder=str(folder.path),
    )  # fmt: skip
    folder.write_spec(spec)
    folder.write_status(status, lasting=False)
    launch.write(folder, launch.Launch(python="python", directory="/", nonce="0"))
    keep_key(folder, b"k" * 32)
    for path, data in ((folder.bundle, bundle.data), (folder.executed, b"{}"), (folder.log(0), b"said\n")):
        path.write_bytes(data)
    for name in FILES:
        if name != "stop.json":
            (folder.path / name).touch()
    return folder


def looked_at(jobs: Jobs, folder: JobFolder) -> list[Any]:
    """All that anybody reads of a job that is over."""
    status = jobs.status(folder.id)
    seen = [status, asyncio.run(jobs.backend.jobs()), settle.ended(folder, status)]
    for read in (
        folder.read_spec, folder.read_frames, folder.frames_bytes, lambda: folder.read_log(0, 0, 1000),
        lambda: folder.log_bytes(0), lambda: executed(folder), lambda: launch.read(folder), lambda: key_of(folder),
        lambda: list(folder.each_frame()), lambda: library.notebook_file(folder).read_text(),
    ):  # fmt: skip
        try:
            seen.append(read())
        except MlkError as error:
            seen.append(error.detail)
    with contextlib.suppress(OSError):  # as it says; what matters is that it ends
        folder.sync()
    tails = Tails(folder)
    while tails.read():
        pass
    return [*seen, tails.curves(), tails.log(5)]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", FILES)
def test_whatever_lies_in_its_folder_stays_with_that_job(
    jobs: Jobs, job: JobFolder, tmp_path: Path, quiet: None, ordinary: None, kind: str, name: str
) -> None:
    other = job.path.with_name("another-1")
    shutil.copytree(job.path, other)
    status = json.loads((other / "status.json").read_text())
    (other / "status.json").write_text(json.dumps({**status, "id": "another-1", "phase": "Succeeded"}))
    elsewhere = tmp_path / "elsewhere"
    if name in (".", "logs"):
        elsewhere.mkdir()
        for each in ("rank-0.log", "frames.jsonl", "executed.ipynb", "status.json"):
            (elsewhere / each).write_text(SECRET)
    else:
        elsewhere.write_text(SECRET)
    before = {path: path.stat().st_mtime_ns for path in [elsewhere, *elsewhere.glob("*")]}
    path = job.path / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    ODD[kind](path, elsewhere)
    assert "SECRET" not in repr(looked_at(jobs, job))
    assert [one.phase for one in asyncio.run(jobs.backend.jobs()) if one.id == "another-1"] == [Phase.SUCCEEDED]
    asyncio.run(jobs.backend.stop(job.id))
    asyncio.run(jobs.backend.delete(job.id))
    with pytest.raises(JobNotFound):
        jobs.status(job.id)
    assert os.listdir(job.path.parent) == ["another-1"]  # noqa: PTH208
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_deleting_left_behind_disturbs_no_later_job(jobs: Jobs, data_dir: Path, few_files: None) -> None:
    """An hour after a deletion that was cut off, each submission tries to remove the rest."""
    folder = data_dir / "jobs"
    left = [folder / name for name in (".deleted-a-1", ".deleted-b-1", ".new-a", ".new-b")]
    deep = left[0] / "/".join(["d" * 250] * 15)
    deep.mkdir(parents=True)
    at = os.open(deep, os.O_RDONLY)
    for _ in range(150):
        os.mkdir("d", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    os.mkfifo(left[1])
    left[2].symlink_to(data_dir)
    left[3].symlink_to("nowhere")
    for path in left:
        os.utime(path, (0, 0), follow_symlinks=False)
    jobs.backend._sweep()
    assert not any(os.path.lexists(path) for path in left)


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        # Asks for the end with what would let the supervisor wait for ever, when it asks who it was.
        ("os.mkfifo(job / 'stop.json')", Phase.STOPPED),
        ("(job / 'stop.json').write_text('[' * 100_000)", Phase.STOPPED),
        # More than a pipe holds: whoever writes into one waits for a reader.
        ("os.mkfifo(job / 'logs' / 'rank-0.log'); print('x' * 200_000)", Phase.FAILED),
    ],
)
def test_a_running_job_that_changes_its_own_folder_comes_to_its_end(jobs: Jobs, change: str, phase: Phase) -> None:
    before = "import os, time, mlk_jupyter\nfrom pathlib import Path\njob = Path(mlk_jupyter.checkpoint_dir()).parent\n"
    job = jobs.submit(f"{before}{change}\nwhile True: time.sleep(0.05)")
    status = jobs.until_over(job)
    assert status.phase is phase, status.reason


def test_a_job_whose_record_is_damaged_while_it_waits_ends_when_it_is_deleted(
    jobs: Jobs, data_dir: Path, gpus: Callable[[int], None]
) -> None:
    gpus(1)
    GpuQueue(data_dir).ask(Ticket("first-1", created_at=0.0, wants=1, owner=process.identity()), [])
    job = jobs.submit("1", gpus=1)
    owner = jobs.until(job, lambda it: it.reason is not None and it.reason.code == "waiting_for_gpus").owner
    assert owner is not None
    status = jobs.folder(job).path / "status.json"
    status.unlink()
    status.mkdir()  # nothing says who runs it
    asyncio.run(jobs.backend.delete(job))
    wait_for(lambda: not process.alive(owner))


def test_a_process_of_the_job_that_holds_its_lock_keeps_nobody_from_its_end(jobs: Jobs, job: JobFolder) -> None:
    held = os.open(job.path / ".lock", os.O_RDWR)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        status = jobs.status(job.id)
        assert status.phase is Phase.FAILED and [one.phase for one in asyncio.run(jobs.backend.jobs())] == [
            Phase.FAILED
        ]
        asyncio.run(jobs.backend.delete(job.id))
    finally:
        os.close(held)
    assert not job.path.exists()


@pytest.mark.parametrize(
    "said",
    [
        {"id": "another-1"}, {"folder": "/root"}, {"backend": "a-cluster"}, {"owner": {}},
        {"owner": {"boot": process.boot_id(), "pid": "all", "start": "1"}}, {"created_at": "Infinity"},
        {"progress": {"fraction": "NaN"}},
    ],
)  # fmt: skip
def test_a_record_that_says_what_cannot_be_is_a_damaged_one(
    jobs: Jobs, job: JobFolder, quiet: None, said: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = job.path / "status.json"
    told = json.dumps({**json.loads(path.read_text()), **said}).replace('"Infinity"', "1e999").replace('"NaN"', "NaN")
    path.write_text(told)
    known = jobs.status(job.id)
    assert (known.id, known.folder, known.phase) == (job.id, str(job.path), Phase.FAILED)
    for command in (["jobs"], ["show", job.id], ["stop", job.id], ["delete", job.id]):
        assert cli.main(command) == 0
    assert job.id in capsys.readouterr().out


def test_a_bundle_that_says_to_unpack_to_more_than_any_notebook_has_is_not_unpacked(job: JobFolder) -> None:
    job.executed.unlink()
    assert executed(job) is not None
    data = bytearray(job.bundle.read_bytes())
    entry = data.rfind(b"job/notebook.ipynb") - 46  # of the zip's directory
    data[entry + 24 : entry + 28] = (NOTEBOOK_BYTES + 1).to_bytes(4, "little")
    job.bundle.write_bytes(data)
    assert executed(job) is None


def test_a_ticket_for_gpus_that_is_no_file_is_none(data_dir: Path) -> None:
    (data_dir / "gpus").mkdir()
    os.mkfifo(data_dir / "gpus" / "a-job-1.json")
    (data_dir / "gpus" / "a-job-2.json").write_text("[" * 100_000)
    assert GpuQueue(data_dir).held() == {} and GpuQueue(data_dir).waiting() == []


@pytest.mark.parametrize("pid", [-1, 0, 1, "1", None])
def test_no_record_can_name_all_processes_as_the_one_that_writes_it(pid: Any) -> None:
    """A signal to -1 reaches every process of the person, and one to 0 the group of whoever sends it."""
    assert not process.alive({"boot": process.boot_id(), "pid": pid})
