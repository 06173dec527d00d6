"""Reading and writing the files of a job folder while others write and read them."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlk_jupyter.model import JobSpec, JobStatus, Phase, Reason
from mlk_jupyter.record.folder import JobFolder, data_dir, is_job_id, write_atomically
from mlk_jupyter.record.ledger import Ledger
from mlk_jupyter.record.notebook import as_file, executed


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "mlk-test-1")
    folder.path.mkdir()
    return folder


def test_the_data_directory_can_be_chosen(data_dir: Path) -> None:
    from mlk_jupyter.record import folder

    assert folder.data_dir() == data_dir and folder.jobs_dir() == data_dir / "jobs"


def test_without_a_choice_it_lies_in_jupyters_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLK_DATA_DIR", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path / "mlk-jupyter"


@pytest.mark.parametrize("name", ["..", "a/b", "", ".", "A", "-a", "a" * 64, "a\n", "a b", "0a"])
def test_what_is_no_job_id_is_never_joined_to_a_path(name: str) -> None:
    assert not is_job_id(name)
    with pytest.raises(ValueError, match="is not a job id"):
        JobFolder.of(name)


def test_frames_are_read_from_an_offset_and_a_torn_line_is_left_for_later(folder: JobFolder) -> None:
    folder.frames.write_bytes(b'{"a":1}\nbroken\n[1]\n{"b":2}\n{"c"')
    frames, offset = folder.read_frames()
    assert frames == [{"a": 1}, {"b": 2}]
    with folder.frames.open("ab") as file:
        file.write(b":3}\n")
    assert folder.read_frames(offset) == ([{"c": 3}], folder.frames.stat().st_size)


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=50), max_size=3)), st.integers(1, 200))
def test_reading_in_pieces_gives_every_frame_once(
    tmp_path_factory: pytest.TempPathFactory, frames: list[dict[str, Any]], limit: int
) -> None:
    folder = JobFolder(tmp_path_factory.mktemp("mlk-job"))
    folder.frames.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    read: list[dict[str, Any]] = []
    offset = -1
    following = 0
    while following != offset:
        offset = following
        piece, following = folder.read_frames(offset, limit)
        read += piece
    assert read == frames == list(folder.each_frame())


@pytest.mark.parametrize(
    ("offset", "limit", "text"),
    [(0, 4, b"0123"), (8, 4, b"89"), (99, 4, b""), (-3, 10, b"789"), (-99, 2, b"01")],
)
def test_a_log_is_read_from_either_end(folder: JobFolder, offset: int, limit: int, text: bytes) -> None:
    assert folder.read_log(0, offset, limit) == (b"", 0)
    folder.log(0).parent.mkdir()
    folder.log(0).write_bytes(b"0123456789")
    assert folder.read_log(0, offset, limit) == (text, 10)


def test_a_full_disk_keeps_the_old_content_and_leaves_nothing_behind(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.path / "status.json"
    write_atomically(path, b"old")

    def full(*_: object) -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", full)
        with pytest.raises(OSError, match="No space"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [entry.name for entry in folder.path.iterdir()] == ["status.json"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that were brought to the disk, in order."""
    inodes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: inodes.append(os.fstat(handle).st_ino))
    return inodes


def test_what_is_to_last_is_on_the_disk_before_it_takes_its_place_and_then_its_place_is(
    folder: JobFolder, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, before = Path.replace, list[int]()

    def watched(path: Path, target: Path) -> Path:
        before.extend(synced)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    path = folder.path / "status.json"
    write_atomically(path, b"new")
    assert before == [path.stat().st_ino] and synced == [*before, folder.path.stat().st_ino]


def test_what_is_soon_replaced_waits_for_no_disk(folder: JobFolder, synced: list[int]) -> None:
    write_atomically(folder.path / "status.json", b"new", lasting=False)
    assert not synced


@pytest.mark.parametrize("ranks", [1, 200])
def test_a_folder_that_is_to_last_does_with_all_its_logs(folder: JobFolder, synced: list[int], ranks: int) -> None:
    (folder.path / "logs").mkdir()
    files = [folder.bundle, folder.frames, folder.samples, *(folder.log(rank) for rank in range(ranks))]
    for file in files:
        file.write_bytes(b"x")
    folder.sync()
    wanted = [*files, folder.path, folder.path / "logs", folder.path.parent]
    assert {path.stat().st_ino for path in wanted} == set(synced)


def test_a_file_system_that_syncs_no_folders_is_no_trouble_and_a_broken_disk_is(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(number: int) -> None:
        def fsync(handle: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    refuses(errno.EINVAL)
    folder.sync()
    refuses(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        folder.sync()


@pytest.mark.parametrize("phase", list(Phase))
def test_how_a_job_ended_lasts_and_what_was_said_before_does_not_wait(
    folder: JobFolder, synced: list[int], phase: Phase
) -> None:
    spec = JobSpec(name="x", notebook="x.ipynb")
    first = Phase.STARTING if phase is Phase.QUEUED else Phase.QUEUED
    status = JobStatus(
        id="job-1", name="x", notebook="x.ipynb", backend="local", phase=first, created_at=0.0, spec=spec
    )
    ledger = Ledger(folder, status)
    ledger.enter(phase, Reason(code="x", text="X."))
    assert bool(synced) is phase.final


def test_a_spec_comes_back_and_a_broken_one_is_none(folder: JobFolder) -> None:
    spec = JobSpec(name="x", notebook="a.ipynb", parameters={"lr": [0.1, None]}, time_limit_s="2h")
    assert folder.read_spec() is None
    folder.write_spec(spec)
    assert folder.read_spec() == spec
    (folder.path / "spec.json").write_text("{")
    assert folder.read_spec() is None


@pytest.mark.parametrize("text", ["\ud800", os.fsdecode(b"caf\xe9")], ids=ascii)
@pytest.mark.parametrize("field", ["name", "notebook", "parameters", "env"])
def test_a_spec_takes_no_text_that_cannot_be_written_down(field: str, text: str) -> None:
    value = {"A": text} if field in ("parameters", "env") else text
    with pytest.raises(ValidationError, match=r"UTF-8|unicode"):
        JobSpec.model_validate({"name": "x", "notebook": "a.ipynb", field: value})


def test_the_executed_notebook_is_the_finished_file_else_what_the_frames_tell(
    folder: JobFolder, make_notebook: Any
) -> None:
    assert executed(folder) is None
    with zipfile.ZipFile(folder.bundle, "w") as bundle:
        bundle.writestr("job/notebook.ipynb", json.dumps(make_notebook("x")))
    folder.write_spec(JobSpec(name="digits", notebook="a.ipynb", parameters={"lr": 1}))
    frame = {"kind": "stream", "rank": 0, "seq": 0, "time": 1.0, "cell": 0, "name": "stdout", "text": "é\ud800"}
    folder.frames.write_text(json.dumps(frame) + "\n")
    folder.executed.write_text("{torn")
    notebook = executed(folder)
    assert notebook is not None and notebook["cells"][0]["outputs"][0]["text"] == "é?"
    assert notebook["metadata"]["mlk"]["job"] == {"id": "mlk-test-1", "name": "digits", "parameters": {"lr": 1}}
    folder.executed.write_bytes(as_file(notebook))
    folder.frames.unlink()
    assert executed(folder) == notebook


def test_a_bundle_that_is_no_zip_gives_no_notebook(folder: JobFolder) -> None:
    folder.bundle.write_bytes(b"nothing")
    assert executed(folder) is None
