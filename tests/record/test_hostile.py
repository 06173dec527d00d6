"""Whatever a job's stream holds, what is made of it stays small, and says what is left out."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.client.reading import outcome
from mlk_jupyter.model import JobSpec, JobStatus, Phase
from mlk_jupyter.record.curve import MOST_CURVES
from mlk_jupyter.record.folder import FRAMES_LIMIT, JobFolder
from mlk_jupyter.record.ledger import Ledger
from mlk_jupyter.record.outputs import COST_LIMIT, cost_of
from mlk_jupyter.record.replay import Replay
from mlk_jupyter.record.sequences import MOST_RANGES, SequenceSet
from mlk_jupyter.record.writer import FolderWriter
from mlk_jupyter.runs.recorder import kept, points_of
from mlk_jupyter.worker.frames import Encoder, Frame

NONCE = "0123456789abcdef"
MIB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "mlk-test-1")
    folder.path.mkdir()
    return folder


@pytest.fixture
def replay(make_notebook: Any) -> Replay:
    return Replay(make_notebook("a", "b"), world_size=1)


def tell(replay: Replay, *frames: dict[str, Any], rank: int = 0) -> None:
    for seq, frame in enumerate(frames, getattr(replay, "told", 0)):
        replay.apply({"rank": rank, "seq": seq, "time": 1.0, "cell": 0, **frame})
        replay.told = seq + 1  # type: ignore[attr-defined]


def display(data: Any, display_id: str | None = None) -> dict[str, Any]:
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    return {"kind": "output", "output": output, "display_id": display_id}


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "stream", "name": "stdout", "text": "x" * 8 * MIB},
        {"kind": "stream", "name": "stdout", "text": "\x01" * 2 * MIB},
        display({"text/html": "x" * 8 * MIB}),
        display({"text/html": "x" * 8 * MIB}, "same"),
        {"kind": "output", "output": {"output_type": "error", "ename": "E", "evalue": "x" * 8 * MIB, "traceback": []}},
    ],
    ids=["text", "text that grows as JSON", "displays", "displays of one id", "errors"],
)
def test_the_notebook_takes_so_much_output_and_says_that_there_was_more(replay: Replay, frame: dict[str, Any]) -> None:
    tell(replay, *[frame] * 24)
    assert len(json.dumps(replay.notebook())) < COST_LIMIT + MIB
    assert len(replay.notices) == 1 and "too large for the notebook" in replay.notices[0]
    tell(replay, {"kind": "clear_output"}, {"kind": "stream", "name": "stdout", "text": "room again"})
    assert replay.notebook()["cells"][0]["outputs"][0]["text"] == "room again"


def test_json_of_many_small_parts_counts_as_what_it_takes_in_memory() -> None:
    assert cost_of([[]] * 1_000) > 32_000 and cost_of([10**4_000]) > 4_000 and cost_of(deep(50)) > 50 * 50


def test_json_that_is_very_deep_is_no_output(replay: Replay) -> None:
    tell(replay, display({"application/json": deep(500)}), display({"application/json": deep(50)}))
    assert len(replay.notebook()["cells"][0]["outputs"]) == 1


def test_an_update_of_what_many_outputs_show_counts_for_each(replay: Replay) -> None:
    tell(replay, *[display({"text/plain": "small"}, "same")] * 2_000)
    tell(replay, {"kind": "update_display", "display_id": "same", "data": {"text/plain": "x" * MIB}, "metadata": {}})
    outputs = replay.notebook()["cells"][0]["outputs"]
    assert len(outputs) == 2_000 and outputs[0]["data"] == {"text/plain": "small"} and replay.notices
    tell(replay, {"kind": "update_display", "display_id": "same", "data": {"text/plain": "new"}, "metadata": {}})
    assert {output["data"]["text/plain"] for output in replay.notebook()["cells"][0]["outputs"]} == {"new"}


def test_of_too_many_metrics_the_first_are_shown(replay: Replay) -> None:
    names = [f"m{number}" for number in range(MOST_CURVES + 5)]
    tell(replay, *({"kind": "metric", "name": name, "value": at, "step": at} for at in range(40) for name in names))
    tell(replay, {"kind": "metric", "name": "n" * 1_000, "value": 1})
    assert [(one.name, one.value) for one in replay.metrics()] == [(name, 39) for name in names[:MOST_CURVES]]
    assert len(replay.notices) == 1 and "1,000 metrics" in replay.notices[0]


def test_texts_that_stand_in_the_status_are_short(replay: Replay) -> None:
    long = "x" * MIB
    tell(
        replay,
        {"kind": "rank_started", "host": long, "cells": 2},
        {"kind": "progress", "fraction": 0.5, "text": long},
        {"kind": "run", "run_id": "r", "experiment": long, "run_name": long, "tracking_uri": long},
        {"kind": "error", "ename": long, "evalue": long, "traceback": [long] * 50},
        {"kind": "rank_finished", "exit_code": None, "signal": long, "text": long},
        *({"kind": "notice", "text": f"{number} {long}"} for number in range(200)),
    )
    run = replay.run()
    assert run is not None
    models = [replay.progress(), run, *replay.ranks()]
    assert sum(len(model.model_dump_json()) for model in models) < 10_000
    assert len(str(replay.failures())) < 200_000
    assert len(replay.notices) == 100 and len("".join(replay.notices)) < 250_000
    assert replay.notices[-1] == "There are more notices than are shown."


def test_of_very_many_notices_the_record_keeps_the_first(folder: JobFolder) -> None:
    spec = JobSpec(notebook="a.ipynb", name="a")
    status = JobStatus(
        id="a", name="a", notebook="a.ipynb", backend="local", phase=Phase.RUNNING, created_at=1.0, spec=spec
    )
    ledger = Ledger(folder, status)
    for number in range(500):
        ledger.notice(f"Notice {number}.")
    assert len(ledger.status.notices) == 200
    assert ledger.status.notices[-1] == "There are more notices than are shown."


def test_gaps_without_end_are_closed_from_the_beginning() -> None:
    seen = SequenceSet()
    numbers = range(0, 10 * MOST_RANGES, 2)
    assert all(seen.add(number) for number in numbers)
    assert seen.missing < MOST_RANGES and not seen.add(9_998) and seen.add(9_997)
    assert not any(seen.add(number) for number in range(100))


def test_a_rank_that_the_job_does_not_have_is_not_shown(folder: JobFolder, replay: Replay) -> None:
    forged = Encoder(NONCE, 1).encode("error", ename="Forged", evalue="", traceback=[], cell=0, number=1)
    with FolderWriter(folder, replay, NONCE) as writer:
        writer.feed(0, forged + Encoder(NONCE, 0).encode("rank_started", cells=1))
    assert [rank.rank for rank in replay.ranks()] == [0] and replay.error() is None
    assert [frame["rank"] for frame in folder.each_frame()] == [0]
    assert folder.log(0).read_bytes() == forged, "what is no frame is text"
    tell(replay, {"kind": "error", "ename": "Planted", "evalue": "", "traceback": []}, rank=1)
    assert replay.error() is None


def test_a_planted_failure_of_a_rank_that_the_job_does_not_have_is_not_raised(folder: JobFolder) -> None:
    folder.write_spec(JobSpec(notebook="a.ipynb", name="a"))
    planted = {"kind": "error", "rank": 1, "seq": 0, "ename": "Forged", "evalue": "", "traceback": []}
    folder.frames.write_text(json.dumps(planted) + "\n")
    assert outcome(folder).failure is None
    folder.frames.write_text(json.dumps({**planted, "rank": 0}) + "\n")
    assert outcome(folder).failure is not None


def test_ranks_that_share_an_output_are_those_of_their_worker(folder: JobFolder, make_notebook: Any) -> None:
    replay = Replay(make_notebook("a"), world_size=6)
    with FolderWriter(folder, replay, NONCE, ranks_in_source=2) as writer:
        writer.feed(2, b"".join(Encoder(NONCE, rank).encode("rank_started", cells=1) for rank in range(6)))
    assert [rank.rank for rank in replay.ranks()] == [2, 3]


def test_few_files_are_open_however_many_ranks_write(folder: JobFolder, make_notebook: Any) -> None:
    with FolderWriter(folder, Replay(make_notebook("a")), NONCE) as writer:
        for rank in [*range(150), *range(150)]:
            writer.feed(rank, b"hello\n")
        handles = (Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
        ours = [handle for handle in handles if str(handle.resolve()).startswith(str(folder.path))]
        assert len(ours) <= 70
    assert all(folder.log(rank).read_text() == "hello\n" * 2 for rank in range(150))


def test_past_its_limit_the_record_holds_only_how_the_job_went_on(folder: JobFolder, replay: Replay) -> None:
    with folder.frames.open("wb") as file:
        file.truncate(FRAMES_LIMIT - 16 * MIB - 2)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    with FolderWriter(folder, replay, NONCE) as writer:
        encoder = Encoder(NONCE, 0)
        writer.feed(0, encoder.encode("stream", cell=0, name="stdout", text="hello\n"))
        writer.feed(0, encoder.encode("rank_finished", exit_code=0, signal=None, text=None))
    assert [frame["kind"] for frame in folder.each_frame()] == ["rank_finished"]
    assert folder.log(0).read_text() == "hello\n" and "hello" in str(replay.notebook())
    assert any("more than 256 MiB" in notice for notice in replay.notices)


def test_samples_that_say_too_much_or_come_too_often_are_not_kept(folder: JobFolder, replay: Replay) -> None:
    gpus = [{"index": number, "name": "x" * 100} for number in range(1_000)]
    encoder = Encoder(NONCE, 0)
    with folder.samples.open("wb") as file:
        file.truncate(64 * MIB)
    with FolderWriter(folder, replay, NONCE) as writer:
        writer.feed(0, encoder.encode("sample", time=1.0, cpu_cores=1.0, gpus=gpus))
        assert writer.sample(0) is None and replay.notices == []
        writer.feed(0, encoder.encode("sample", time=2.0, cpu_cores=1.0, gpus=[]))
        assert writer.sample(0) is not None and len(replay.notices) == 1
    assert folder.samples.stat().st_size == 64 * MIB


def lines_of_a_planted_file(kind: str) -> Iterable[bytes]:
    good = json.dumps({"kind": "notice", "rank": 0, "seq": 0, "text": "found"}).encode() + b"\n"
    yield good
    if kind == "a line of 100 MB":
        yield from [b"x" * MIB] * 100
        yield b"\n" + good.replace(b'"seq": 0', b'"seq": 1')
    elif kind == "a line without end":
        yield from [b"x" * MIB] * 100
    else:
        frame = {"kind": "error", "rank": 0, "ename": "E", "evalue": "x" * 200_000, "traceback": []}
        yield from (json.dumps({**frame, "rank": number, "seq": 0}).encode() + b"\n" for number in range(1, 500))


@pytest.mark.parametrize("kind", ["a line of 100 MB", "a line without end", "ranks without end"])
def test_a_planted_file_is_read_in_little_memory(folder: JobFolder, replay: Replay, kind: str) -> None:
    with folder.frames.open("wb") as file:
        file.writelines(lines_of_a_planted_file(kind))
    tracemalloc.start()
    try:
        count = sum(replay.apply(frame) for frame in folder.each_frame())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == (2 if kind == "a line of 100 MB" else 1) and replay.notices == ["found"]
    assert peak < 96 * MIB  # twice the largest frame, and the pieces it is read in


def test_what_stands_behind_the_largest_record_is_not_read(folder: JobFolder) -> None:
    with folder.frames.open("wb") as file:
        file.truncate(FRAMES_LIMIT)
        file.seek(0, os.SEEK_END)
        file.write(b'\n{"kind": "notice", "rank": 0, "seq": 0, "text": "far"}\n')
    assert list(folder.each_frame()) == [] and folder.frames_bytes() == FRAMES_LIMIT


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "metric", "name": ["x"], "value": 1.0, "time": 1.0},
        {"kind": "metric", "name": "x" * 1_000, "value": 1.0, "time": 1.0},
        {"kind": "metric", "name": "x", "value": 10**400, "time": 1.0},
        {"kind": "metric", "name": "x", "value": float("nan"), "time": 1.0},
        {"kind": "metric", "name": "x", "value": 1.0, "time": "now"},
        {"kind": "metric", "name": "x", "value": 1.0, "time": 1.0, "step": "first"},
        {"kind": "metric", "name": "x", "value": 1.0},
        {"kind": "run", "rank": "0", "run_id": "r"},
    ],
)
def test_what_mlflow_could_not_take_is_left_out(frame: Frame) -> None:
    assert kept([frame]) == []


def test_of_many_runs_and_metrics_mlflow_gets_so_many() -> None:
    runs = ({"kind": "run", "rank": 0, "run_id": f"r{number}", "x": [0]} for number in range(5_000))
    metrics = (
        {"kind": "metric", "name": f"m{number % 3_000}", "value": number, "time": 1.0} for number in range(60_000)
    )
    frames = kept([*runs, *metrics])
    assert len(frames) <= 200 + 10_000 + 1_000 and all("x" not in frame for frame in frames)
    points = points_of(frames)
    assert {point["key"] for point in points} == {f"m{number}" for number in range(1_000)}
    assert {"key": "m999", "value": 57_999.0, "timestamp": 1_000, "step": 0} in points
