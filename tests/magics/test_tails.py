"""What is read of a job's files as they grow: the end of its log, its curves, how busy its GPUs are."""

from __future__ import annotations

import json

import pytest
from recordedjob import Recorded

from mlk_jupyter.follow.tail import Tails


def test_only_the_end_of_a_log_is_read_however_long_it_is(job: Recorded) -> None:
    with job.folder.log(0).open("wb") as log:
        log.truncate(1 << 40)  # a hole: takes no room, and could not be read whole
        log.seek(0, 2)
        log.write(b"\n" + b"x" * 20_000 + b"\nlast\n")
    assert Tails(job.folder).log(8) == ("last",)


def test_curves_are_read_as_they_grow_and_begin_anew_with_the_ranks(job: Recorded) -> None:
    tails = Tails(job.folder)
    assert tails.curves() == {}
    job.frame(kind="metric", name="loss", value=1.0, step=10)
    job.frame(kind="stream", cell=0, name="stdout", text='"kind":"metric","name":"fake","value":1')
    with job.folder.frames.open("a") as file:
        file.write('{"kind":"metric","rank":0,"name":"loss","val')
    tails.read()
    assert tails.curves() == {"loss": [(10.0, 1.0)]}
    with job.folder.frames.open("a") as file:
        file.write('ue":null,"step":20,"time":2.0}\n"metric"\n{"kind":"metric"}\n')
    tails.read()
    assert tails.curves() == {"loss": [(10.0, 1.0), (20.0, None)]}
    job.folder.frames.rename(job.folder.path / "frames-a1.jsonl")
    job.frame(kind="metric", name="loss", value=3.0, step=1)
    tails.read()
    assert tails.curves() == {"loss": [(1.0, 3.0)]}


def test_ranks_that_log_the_same_give_one_curve_the_lowest_ranks(job: Recorded) -> None:
    tails = Tails(job.folder)
    for rank in (1, 0, 1, 0):
        job.frame(kind="metric", name="loss", value=float(rank), step=1, rank=rank)
    tails.read()
    assert tails.curves() == {"loss": [(1.0, 0.0), (1.0, 0.0)]}


def test_gpu_use_is_the_mean_of_the_gpus_of_each_sample(job: Recorded) -> None:
    samples = [{"busy": 0.2}, {"busy": 0.6}, {"busy": None}]
    job.folder.samples.write_text(json.dumps({"kind": "sample", "rank": 0, "time": 5.0, "gpus": samples}) + "\n")
    tails = Tails(job.folder)
    tails.read()
    assert tails.gpus() == [(5.0, pytest.approx(0.4))]
