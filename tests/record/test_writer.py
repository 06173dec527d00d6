"""What ranks write becomes the files of the job folder."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import whole_story

from mlk_jupyter.record import writer as writing
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.replay import Replay
from mlk_jupyter.record.writer import FolderWriter
from mlk_jupyter.worker.frames import Encoder

NONCE = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "mlk-test-1")
    folder.path.mkdir()
    return folder


@pytest.fixture
def notebook(make_notebook: Any) -> dict[str, Any]:
    return make_notebook("a", "b", "c")


def lines(*frames: dict[str, Any], rank: int = 0) -> bytes:
    encoder = Encoder(NONCE, rank)
    fields = [{key: value for key, value in frame.items() if key not in ("rank", "seq")} for frame in frames]
    return b"".join(encoder.encode(frame.pop("kind"), **frame) for frame in fields)


def log_of(folder: JobFolder, rank: int = 0) -> str:
    return folder.log(rank).read_text()


def test_the_folder_replays_to_the_same_notebook(folder: JobFolder, notebook: dict[str, Any]) -> None:
    live = Replay(notebook)
    with FolderWriter(folder, live, NONCE) as writer:
        writer.feed(0, lines(*whole_story()))
    again = Replay(notebook)
    for frame in folder.each_frame():
        again.apply(frame)
    assert again.notebook() == live.notebook() and again.metrics() == live.metrics()


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 10**6))
def test_foreign_bytes_between_frames_break_nothing(
    tmp_path_factory: pytest.TempPathFactory, foreign: list[bytes], seed: int
) -> None:
    order = random.Random(seed)
    folder = JobFolder(tmp_path_factory.mktemp("mlk-job"))
    pieces = lines(*whole_story()).splitlines(keepends=True)
    for piece in foreign:
        pieces.insert(order.randint(0, len(pieces)), piece + b"\n")
    data = b"".join(pieces)
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    replay = Replay(notebook)
    with FolderWriter(folder, replay, NONCE) as writer:
        while data:
            size = order.randint(1, 4096)
            writer.feed(0, data[:size])
            data = data[size:]
    assert replay.result == {"accuracy": 0.97}
    assert len(list(folder.each_frame())) == len(whole_story())


def test_what_is_fed_can_be_read_at_once(folder: JobFolder, notebook: dict[str, Any]) -> None:
    writer = FolderWriter(folder, Replay(notebook), NONCE)
    writer.feed(0, lines({"kind": "log", "name": "stdout", "text": "hello\n"}, {"kind": "notice", "text": "n"}))
    assert log_of(folder) == "hello\n"
    assert [frame["kind"] for frame in folder.each_frame()] == ["notice"]
    writer.close()


def test_the_log_holds_streams_foreign_lines_and_tracebacks_each_on_its_lines(
    folder: JobFolder, notebook: dict[str, Any]
) -> None:
    stream = {"kind": "stream", "cell": 0, "name": "stdout", "text": "no newline"}
    error = {"kind": "error", "cell": 0, "ename": "E", "evalue": "v", "traceback": ["\x1b[31mTraceback\x1b[0m", "E: v"]}
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        writer.feed(0, lines(stream, error) + b"from C\n")
        assert writer.last_line(0) == "from C"
    assert log_of(folder) == "no newline\n\x1b[31mTraceback\x1b[0m\nE: v\nfrom C\n"


def test_a_long_foreign_line_comes_whole_whatever_its_bytes(folder: JobFolder, notebook: dict[str, Any]) -> None:
    line = "日本語 ".encode() * 5_000 + b"\xff\n"
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        for at in range(0, len(line), 10_001):
            writer.feed(0, line[at : at + 10_001])
    assert folder.log(0).read_bytes() == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\n\n", "b"),
        ("10 %\r 20 %\r", "20 %"),
        ("\x1b[32mgreen\x1b[0m\n", "green"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07\n", "link"),
        ("\n \n", None),
    ],
    ids=["the last that has text", "progress bar", "colours", "hyperlink", "nothing"],
)
def test_the_last_line_is_what_a_terminal_would_show(
    folder: JobFolder, notebook: dict[str, Any], text: str, line: str | None
) -> None:
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        assert writer.last_line(3) is None
        writer.feed(3, lines({"kind": "log", "name": "stdout", "text": text}, rank=3))
        assert writer.last_line(3) == line


def test_text_that_was_fed_twice_is_written_once(folder: JobFolder, notebook: dict[str, Any]) -> None:
    data = lines({"kind": "log", "name": "stdout", "text": "once\n"})
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        writer.feed(0, data + data)
    assert log_of(folder) == "once\n"


def test_a_folder_is_continued_where_another_writer_left_it_torn(folder: JobFolder, notebook: dict[str, Any]) -> None:
    story = lines(*whole_story())
    first = FolderWriter(folder, Replay(notebook), NONCE)
    first.feed(0, story[: len(story) // 2])
    first.close()
    with folder.frames.open("ab") as file:
        file.write(b'{"kind": "stream", "te')  # it died here
    replay, whole = Replay(notebook), Replay(notebook)
    with FolderWriter(folder, replay, NONCE) as second:
        second.feed(0, story)
    for frame in whole_story():
        whole.apply(frame)
    assert replay.notebook() == whole.notebook()
    assert [frame["seq"] for frame in folder.each_frame()] == list(range(len(whole_story())))
    assert log_of(folder).count("one ") == 1


def test_what_another_writer_took_and_the_frames_do_not_hold_is_not_missing(
    folder: JobFolder, notebook: dict[str, Any]
) -> None:
    """Text of other ranks goes to their logs alone, and most samples are dropped."""
    said = [{"kind": "log", "name": "stdout", "text": f"{number}\n"} for number in range(10)]
    story = lines({"kind": "status", "state": "busy"}, *said, rank=1).splitlines(keepends=True)
    with FolderWriter(folder, Replay(notebook), NONCE) as first:
        first.feed(1, b"".join(story[:8]))
        known = first.highest()
    assert known == {1: 7}
    with FolderWriter(folder, Replay(notebook), NONCE, known) as second:
        assert second.last_line(1) == "6"
        second.feed(1, b"".join(story[8:]))
        assert second.missing() == {}
    with FolderWriter(folder, Replay(notebook), NONCE, {1: 5}) as third:
        third.feed(1, story[-1])
        assert third.missing() == {1: 4}


def test_samples_are_thinned_as_the_job_grows_old(folder: JobFolder, notebook: dict[str, Any]) -> None:
    day = 24 * 3600
    frames = [
        {"kind": "sample", "time": 1e9 + at, "cpu_cores": 1.0, "memory_bytes": at, "gpus": []} for at in range(day)
    ]
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        writer.feed(0, lines(*frames))
        latest = writer.sample(0)
        assert writer.sample(1) is None
    assert latest is not None and latest.memory_bytes == day - 1 and latest.gpus == []
    written = [json.loads(line)["time"] - 1e9 for line in folder.samples.read_text().splitlines()]
    assert written[:100] == list(range(100))
    assert 1_000 < len(written) < 4_000


def test_a_log_that_is_too_long_says_so_once(
    folder: JobFolder, notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LOG_LIMIT", 1024 * 1024)
    frames = [{"kind": "log", "name": "stdout", "text": "x" * 1023 + "\n"} for _ in range(3_000)]
    data = lines(*frames)
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        for at in range(0, len(data), 65_536):
            writer.feed(0, data[at : at + 65_536])
        writer.feed(0, b"the end\n")
        assert writer.last_line(0) == "the end"
    text = log_of(folder)
    assert text.endswith("[mlk: the log is cut here: it has reached 1 MiB]\n")
    assert text.count("mlk:") == 1 and len(text) < 1024 * 1024 + 200


def test_a_full_disk_is_said_tears_no_line_and_loses_nothing_of_the_replay(
    folder: JobFolder, notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    story = lines(*whole_story()).splitlines(keepends=True)
    real, room = os.write, [300]

    def full(handle: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = min(len(data), room[0])
        room[0] -= size
        return real(handle, data[:size])

    replay = Replay(notebook)
    with FolderWriter(folder, replay, NONCE) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space left"):
                for line in story[:20]:
                    writer.feed(0, line)
            refused = writer.unwritten_bytes
            assert refused > 0
        fed = len(list(folder.each_frame())) + 1
        writer.feed(0, b"".join(story[fed:]))  # room again
        assert writer.unwritten_bytes == refused
    assert replay.result == {"accuracy": 0.97}
    for line in folder.frames.read_text().splitlines():
        json.loads(line)


def test_frames_of_ranks_beyond_reason_are_dropped(folder: JobFolder, notebook: dict[str, Any]) -> None:
    with FolderWriter(folder, Replay(notebook), NONCE) as writer:
        writer.feed(0, lines({"kind": "log", "name": "stdout", "text": "x"}, rank=999_999_999))
    assert not folder.log(999_999_999).exists()
