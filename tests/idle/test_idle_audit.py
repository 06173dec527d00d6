"""The audit: whole lines in a folder that several servers write into, whatever the disk does."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.idle import audit as module
from mlk_jupyter.idle.audit import Audit, decision, read
from mlk_jupyter.idle.signals import NAMES, Sample, Signal, Verdict, unknown

SAMPLE = Sample(
    at=100.0,
    execution=Signal("idle", 4000.0),
    message=Signal("execute_request", 4000.0),
    pending=Signal(0),
    presence=Signal(),
    output=Signal(),
    input=Signal(False),
    cpu=Signal(0.1),
    io=Signal(0.0),
    stopped=Signal(False),
    gpus=Signal(1),
    gpu_busy=unknown("tenants share the GPU"),
    gpu_memory=Signal(2**30),
    jobs=Signal(()),
    waits_for=Signal(),
)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_decision_carries_all_signals_the_verdict_and_the_policy(tmp_path: Path) -> None:
    verdict = Verdict("due", "idle_gpu", "idle, holds 1 GPU unused", quiet_s=3700.0, limit_s=3600.0, used=("gpus",))
    policy = {"MLK_IDLE_GPU_TTL": 3600.0, "MLK_IDLE_MODE": "enforce"}
    Audit(tmp_path / "idle").write(
        decision("stopped", kernel="k", path="a.ipynb", sample=SAMPLE, verdict=verdict, policy=policy)
    )
    (record,) = read(tmp_path / "idle")
    assert (record["event"], record["kernel"], record["path"]) == ("stopped", "k", "a.ipynb")
    assert set(record["signals"]) == set(NAMES)
    assert record["signals"]["gpu_busy"] == {"value": None, "age_s": None, "why": "tenants share the GPU"}
    assert record["signals"]["message"] == {"value": "execute_request", "age_s": 4000.0, "why": None}
    assert record["verdict"]["because"] == "idle, holds 1 GPU unused"
    assert record["policy"] == policy
    assert record["at"] > 0 and record["server"]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "idle"
    Audit(folder).write({"event": "warned"})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "audit.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "https://person:hunter2@hooks.example.org/services/T0/hunter2?token=hunter2",
        "hunter2",
        "https://[hunter2",
    ],
)
def test_nothing_that_lets_others_post_to_the_webhook_is_written(tmp_path: Path, url: str) -> None:
    Audit(tmp_path).write({"event": "policy", "policy": {"MLK_IDLE_WEBHOOK": url, "webhook": [url]}})
    text = (tmp_path / "audit.jsonl").read_text()
    assert "hunter2" not in text.removesuffix("\n").lower()


def test_what_json_cannot_hold_is_written_as_well_as_it_can(tmp_path: Path) -> None:
    Audit(tmp_path).write({"event": "failed", "seconds": float("nan"), "error": OSError("gone"), "name": "\ud800"})
    (record,) = read(tmp_path)
    assert record["seconds"] is None and record["error"] == "gone" and record["name"] == "?"


def test_samples_never_push_decisions_out(tmp_path: Path) -> None:
    audit = Audit(tmp_path, rotate_bytes=400)
    audit.write({"at": 1.0, "event": "stopped"})
    for number in range(200):
        audit.write({"at": 2.0 + number, "event": "sample"})
    records = list(read(tmp_path))
    assert records[0]["event"] == "stopped"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 7 * 500


def test_rotation_keeps_the_newest_and_reading_gives_them_in_order(tmp_path: Path) -> None:
    audit = Audit(tmp_path, rotate_bytes=500)
    for number in range(100):
        audit.write({"at": float(number), "event": "warned", "number": number})
    numbers = [record["number"] for record in read(tmp_path)]
    assert numbers == list(range(numbers[0], 100)) and 10 < len(numbers) < 100
    assert sorted(path.name for path in tmp_path.glob("audit.jsonl*")) == [
        "audit.jsonl",
        *(f"audit.jsonl.{number}" for number in range(1, module.KEPT + 1)),
    ]


@pytest.mark.parametrize(("error", "files"), [(BlockingIOError(), 1), (OSError(errno.ENOLCK, "No locks"), 3)])
def test_another_server_rotates_alone_and_without_locks_everybody_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, files: int
) -> None:
    def refuses(*_: object) -> None:
        raise error

    monkeypatch.setattr("fcntl.flock", refuses)
    audit = Audit(tmp_path, rotate_bytes=200)
    for number in range(5):
        audit.write({"at": float(number), "event": "warned", "text": "x" * 50})
    assert len(list(tmp_path.glob("audit.jsonl*"))) == files and audit.lost == 0


def test_several_servers_write_whole_lines_into_one_file_through_rotations(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path; from mlk_jupyter.idle.audit import Audit\n"
        "audit = Audit(Path(sys.argv[1]), rotate_bytes=30_000)\n"
        "for n in range(200): audit.write({'event': 'warned', 'writer': sys.argv[2], 'n': n, 'text': 'x' * 50})\n"
        "sys.exit(audit.lost)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", write, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    lines = sum(len(_lines(path)) for path in tmp_path.glob("audit.jsonl*"))
    found = sorted((record["writer"], record["n"]) for record in read(tmp_path))
    assert found == [(name, number) for name in "abc" for number in range(200)]
    assert lines == 600


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    Audit(tmp_path).write({"event": "warned"})
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"at": 1, "event": "sto')  # the machine went down
    assert [record["event"] for record in read(tmp_path)] == ["warned"]
    Audit(tmp_path).write({"event": "stopped"})
    assert [record["event"] for record in read(tmp_path)] == ["warned", "stopped"]


@pytest.mark.parametrize(
    "line",
    [b"[1]", b'{"event": "warned"}', b'{"at": "noon", "event": "warned"}', b'{"at": 1}', b"\xff\xfe", b"[" * 9999],
    ids=["no object", "no time", "a word for a time", "no event", "no text", "deep"],
)
def test_what_is_no_record_is_skipped(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "audit.jsonl").write_bytes(line + b'\n{"at": 2, "event": "warned"}\n')
    assert [record["at"] for record in read(tmp_path)] == [2]


def test_a_clock_that_was_set_back_changes_no_order_within_a_kind(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    for at in (1000.0, 10.0, 1001.0):
        audit.write({"at": at, "event": "warned"})
    audit.write({"at": 1000.5, "event": "sample"})
    assert [record["at"] for record in read(tmp_path)] == [1000.0, 10.0, 1000.5, 1001.0]


def test_one_file_can_be_read_by_itself(tmp_path: Path) -> None:
    Audit(tmp_path).write({"event": "warned"})
    assert [record["event"] for record in read(tmp_path / "audit.jsonl")] == ["warned"]
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none"))


@pytest.mark.parametrize(
    "short", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only file system"), 5]
)
def test_a_full_disk_is_told_once_counted_and_got_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, short: OSError | int
) -> None:
    write = os.write

    def refusing(handle: int, data: bytes) -> int:
        if isinstance(short, OSError):
            raise short
        return write(handle, data[:short])

    audit = Audit(tmp_path)
    audit.write({"event": "warned"})
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "write", refusing)
        for _ in range(3):
            audit.write({"event": "stopped"})
        assert audit.lost == 3
        assert len(caplog.records) == 1 and str(tmp_path) in caplog.text
    audit.write({"event": "resumed"})
    assert "written again; 3 records" in caplog.text
    assert [record["event"] for record in read(tmp_path)] == ["warned", "resumed"]


def test_a_folder_that_vanished_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "idle"
    audit = Audit(folder)
    audit.write({"event": "warned"})
    (folder / "audit.jsonl").unlink()
    folder.rmdir()
    audit.write({"event": "stopped"})
    assert audit.lost == 0 and [record["event"] for record in read(folder)] == ["stopped"]


def test_what_is_no_file_in_its_place_is_counted_and_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit.jsonl")
    (tmp_path / "samples.jsonl").symlink_to(tmp_path / "elsewhere")
    audit = Audit(tmp_path)
    audit.write({"event": "stopped"})
    audit.write({"event": "sample"})
    assert audit.lost == 2 and not (tmp_path / "elsewhere").exists()


def test_decisions_go_to_the_log_of_the_pod_only_when_asked_and_samples_never(
    tmp_path: Path,
) -> None:
    write = (
        "import sys; from pathlib import Path; from mlk_jupyter.idle.audit import Audit\n"
        "audit = Audit(Path(sys.argv[1]), log=sys.argv[2] == 'log')\n"
        "audit.write({'event': 'sample'}); audit.write({'event': 'stopped', 'kernel': 'k'})"
    )

    def said(how: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", write, str(tmp_path), how], check=True, capture_output=True, text=True
        ).stdout

    assert said("no") == ""
    (line,) = said("log").splitlines()
    assert json.loads(line)["kernel"] == "k"
