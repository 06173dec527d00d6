"""The record of attempts, init containers and pods of several ranks, and of what could not be written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from clusterobjects import ID, condition, failed_job, job, objects, pod, spec
from logserver import LogServer
from recordedscene import (
    NONCE,
    Rank,
    Scene,
    ended,
    running,
    succeeded,
    until,
)

from mlk_jupyter.backends.kubernetes.recording import recorder as recording
from mlk_jupyter.backends.kubernetes.recording.intake import Intake
from mlk_jupyter.backends.kubernetes.recording.positions import Positions
from mlk_jupyter.backends.kubernetes.resources import Objects
from mlk_jupyter.model import JobStatus, Phase
from mlk_jupyter.record.folder import JobFolder

pytestmark = pytest.mark.usefixtures("data_dir")  # nothing is read of a person's own jobs


def test_a_next_attempt_begins_anew_and_keeps_what_was(scene: Callable[..., Scene]) -> None:
    one = scene(spec(mlflow=False, retries=2))
    first, second = one.cluster.server(), one.cluster.server(attempt=2)
    Rank(first).runs(lines=3)
    first.end()
    Rank(second, begun=100).runs(lines=1).ends()
    second.end()

    async def run() -> JobStatus:
        async with one.recorder() as recorder:
            one.tell(recorder, running())
            await until(lambda: recorder.status.progress.cells_done == 2)
            lost = [pod(phase="Failed", state=ended(137))]
            one.tell(recorder, running(attempt=2, more=lost))
            await until(lambda: (one.folder.path / "frames-a1.jsonl").exists())
            done = [condition("SuccessCriteriaMet", when=60), condition("Complete", when=60)]
            objects = Objects(
                ID,
                owners=[failed_job(), job(attempt=2, conditions=done, succeeded=1)],
                pods=[*lost, pod(attempt=2, phase="Succeeded", state=ended())],
                now=1_800_000_200,
            )
            one.tell(recorder, objects)
            return await asyncio.wait_for(recorder.finished(), 30)

    status = asyncio.run(run())
    assert status.attempt == 2 and status.phase is Phase.SUCCEEDED
    fresh = next(told for told in one.told if told.attempt == 2)
    assert fresh.progress.cells_done == 0 and fresh.metrics == [], "what the attempt before did is not shown as its own"
    text = json.loads(one.folder.executed.read_bytes())["cells"][0]["outputs"][0]["text"]
    assert text == "hello 0\n"
    log = one.folder.log(0).read_text()
    assert log.index("hello 2") < log.index("[mlk: attempt 1 ended here; attempt 2 begins]") < log.rindex("hello 0")


def test_the_log_of_the_staging_step_comes_before_that_of_its_rank(scene: Callable[..., Scene]) -> None:
    class Staged(LogServer):
        @contextlib.asynccontextmanager
        async def log(self, namespace: str, pod: str, container: str, **asked: Any) -> AsyncIterator[Any]:
            source = staging if container == "staging" else worker
            async with source.log(namespace, pod, container, **asked) as pieces:
                yield pieces

    one, staging, worker = scene(), LogServer(over=True), LogServer(over=True)
    staging.write(1, b"fetching data\n")
    Rank(worker).runs().ends()
    name = pod()["metadata"]["name"]
    one.cluster.logs[name] = Staged()
    done = succeeded()
    done.pods[0] = pod(phase="Succeeded", state=ended(), init=ended())
    status = asyncio.run(one.to_the_end(done))
    assert status.notices == []
    assert one.folder.log(0).read_bytes().startswith(b"fetching data\nforeign text before")


def test_what_a_failing_init_container_of_somebody_else_wrote_last_is_told(scene: Callable[..., Scene]) -> None:
    one = scene()
    init = LogServer(over=True)
    init.write(1, b"asking for a token\n")
    init.write(2, b"no token\x07 for this pod; sent Authorization: Bearer abcdefghijklmnop\n")
    failed = pod(phase="Failed", init={"terminated": {"exitCode": 3}}, init_name="vault-agent")
    one.cluster.logs[failed["metadata"]["name"]] = init
    status = asyncio.run(one.to_the_end(objects(failed_job(), pods=[failed])))
    assert status.reason is not None
    assert status.reason.text.startswith(
        "The init container vault-agent of rank 0 ended with exit code 3. The last line of rank 0's log: no token"
    )
    assert status.reason.text.isprintable() and "abcdefghijklmnop" not in status.reason.text
    assert status.reason.hint is not None and "-c vault-agent" in status.reason.hint
    assert one.folder.log(0).read_bytes().startswith(b"asking for a token\nno token")


def test_a_pod_of_several_ranks_is_one_log(scene: Callable[..., Scene]) -> None:
    one = scene(spec(2, mlflow=False, ranks_per_worker=2))
    for worker in range(2):
        server = one.cluster.server(worker)
        for rank in (2 * worker, 2 * worker + 1):
            frames = Rank(server, rank, begun=rank)
            frames.frame("rank_started", world_size=4, worker=worker, pid=rank, host=f"pod-{worker}", cells=3)
            frames.frame("log", name="stdout", text=f"I am {rank}\n").ends()
        server.write(9, b"foreign\n")
        server.end()
    status = asyncio.run(one.to_the_end(succeeded(2)))
    assert [(rank.rank, rank.worker, rank.last_line) for rank in status.ranks] == [
        (0, 0, "foreign"),
        (1, 0, "I am 1"),
        (2, 1, "foreign"),
        (3, 1, "I am 3"),
    ]


def test_a_hostile_container_speaks_for_no_rank_but_its_own_and_ends_no_record(scene: Callable[..., Scene]) -> None:
    one = scene()
    server = one.cluster.server()
    forger = Rank(server, 1).runs(0)
    forger.frame("error", cell=0, number=1, ename="Forged", evalue="", traceback=[])
    rank = Rank(server).runs()
    marker = f"@mlk:{NONCE} ".encode()
    for number in range(1, 40):  # a frame without end, in a log of many markers, and a line without end behind it
        rank.text(marker + b"0 900 %d/999999999 %s\n" % (number, b"x" * 7_000))
        rank.text(marker * 300 + b"\n")
    rank.frame("output", cell=1, output={"output_type": "display_data", "data": {"text/html": [["deep"]]}}).ends()
    server.write(30, marker * 3_000)
    server.end()
    status = asyncio.run(one.to_the_end(succeeded()))
    assert [found.rank for found in status.ranks] == [0] and status.progress.cells_done == 2
    assert not one.folder.log(1).exists() and b"Forged" in one.folder.log(0).read_bytes()
    assert "Forged" not in json.dumps(json.loads(one.folder.executed.read_bytes()))
    assert any("cannot be read: too large" in text for text in status.notices)


def test_frames_that_never_came_are_counted_in_a_notice(scene: Callable[..., Scene]) -> None:
    one = scene()
    server = one.cluster.server()
    Rank(server).runs().ends()
    server.rotate(kept=10)
    server.end()
    status = asyncio.run(one.to_the_end(succeeded()))
    assert any("of rank 0 could not be read" in text for text in status.notices)


def test_a_full_disk_is_said_and_the_job_still_gets_its_end(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scene()
    Rank(one.cluster.server()).runs().ends()
    one.cluster.server().end()
    real = recording.FolderWriter.feed

    def feed(self: Any, source: int, data: bytes) -> None:
        real(self, source, data)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording.FolderWriter, "feed", feed)
    status = asyncio.run(one.to_the_end(succeeded()))
    assert status.phase is Phase.SUCCEEDED
    assert any("No space left on device" in text for text in status.notices)


# On the event loop


def test_a_change_is_told_before_it_is_written(scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    one, disk_is_slow = scene(), threading.Event()
    real = JobFolder.write_status

    def slow(self: JobFolder, status: JobStatus, *, lasting: bool) -> None:
        assert disk_is_slow.wait(30)
        real(self, status, lasting=lasting)

    async def run() -> None:
        async with one.recorder() as recorder:
            one.tell(recorder, running())
            await until(lambda: bool(one.told))
            assert one.told[-1].phase is Phase.RUNNING and one.folder.read_status() is None
            disk_is_slow.set()
            await until(lambda: one.folder.read_status() is not None)

    monkeypatch.setattr(JobFolder, "write_status", slow)
    asyncio.run(run())


def test_the_record_is_written_by_threads(scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    one = scene()
    Rank(one.cluster.server()).runs().ends()
    one.cluster.server().end()
    loops, opened = threading.get_ident(), os.open

    def watched(path: Any, *args: Any, **keywords: Any) -> int:
        assert threading.get_ident() != loops or str(one.folder.path) not in str(path), path
        return opened(path, *args, **keywords)

    monkeypatch.setattr(os, "open", watched)
    status = asyncio.run(one.to_the_end(succeeded()))
    assert status.phase is Phase.SUCCEEDED and one.folder.log(0).exists()


def test_readers_of_logs_wait_for_a_slow_disk(tmp_path: Path) -> None:
    """Else a log of 256 MiB would come to lie in memory."""

    class Slow:
        pending = False

        def feed(self, source: int, data: bytes) -> None: ...

    async def run() -> None:
        full: list[bool] = []
        intake = Intake(cast("Any", Slow()), Positions(JobFolder(tmp_path)), lambda: full.append(True))
        intake.add(0, b"a" * 1024)
        await intake.room()
        assert not full
        intake.add(0, b"a" * (1024 * 1024))
        waiting = asyncio.ensure_future(intake.room())
        for _ in range(5):
            await asyncio.sleep(0)
        assert full and not waiting.done()
        assert [len(data) for _, data in intake.cut({}).pieces] == [1024, 1024 * 1024]
        await waiting

    asyncio.run(run())
