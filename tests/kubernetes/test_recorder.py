"""One job of a cluster in its folder: the same record whatever became of connections and servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import io
import json
import os
import threading
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from clusterobjects import ID, condition, failed_job, job, objects, pod, spec
from logserver import LogServer, Refusal

from mlk_jupyter.backends.kubernetes.recording import recorder as recording
from mlk_jupyter.backends.kubernetes.recording.intake import Intake
from mlk_jupyter.backends.kubernetes.recording.positions import Positions
from mlk_jupyter.backends.kubernetes.recording.recorder import Recorder
from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.backends.kubernetes.status.read import read
from mlk_jupyter.backends.kubernetes.status.submitted import SubmittedJob
from mlk_jupyter.backends.kubernetes.timing import RecordingTiming
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RankState, RunState
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.ownership import Taken
from mlk_jupyter.worker.frames import Encoder

NONCE = "0123456789abcdef"
CELLS = ("print('hello')", "loss", "1 / 0")


QUICK = RecordingTiming(tick_s=0.002, unseen_s=0.002, snap_s=0.004, shortest_s=0.001, longest_s=0.01)


@pytest.fixture(autouse=True)
def own_data(data_dir: Path) -> None:
    """Nothing is read of a person's own jobs."""


class Cluster:
    """Logs by pod, and ConfigMaps by path."""

    def __init__(self) -> None:
        self.logs: dict[str, LogServer] = {}
        self.objects: dict[str, Manifest] = {}
        self.gets: list[str] = []

    def server(self, worker: int = 0, attempt: int = 1) -> LogServer:
        return self.logs.setdefault(pod(worker, attempt=attempt)["metadata"]["name"], LogServer())

    async def get(self, path: str, **params: str) -> Manifest:
        self.gets.append(path)
        if path not in self.objects:
            raise Refusal(404)
        return self.objects[path]

    @contextlib.asynccontextmanager
    async def log(self, namespace: str, pod: str, container: str, **asked: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        if pod not in self.logs:
            raise Refusal(404)
        async with self.logs[pod].log(namespace, pod, container, **asked) as pieces:
            yield pieces


def bundle(make_notebook: Callable[..., dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("job/notebook.ipynb", json.dumps(make_notebook(*CELLS)))
    return file.getvalue()


class Rank:
    """What one rank writes, with a fixed clock."""

    def __init__(self, server: LogServer, rank: int = 0, *, begun: float = 0.0) -> None:
        self._server = server
        self._encoder = Encoder(NONCE, rank)
        self._at = begun

    def frame(self, kind: str, **fields: Any) -> Rank:
        self._at += 0.125
        self._server.write(
            self._at, *self._encoder.encode(kind, time=1_800_000_000 + self._at, **fields).splitlines(keepends=True)
        )
        return self

    def text(self, text: bytes) -> Rank:
        self._at += 0.125
        self._server.write(self._at, text)
        return self

    def runs(self, lines: int = 20) -> Rank:
        self.frame("rank_started", world_size=1, worker=0, pid=7, host="pod-0", python="3.11", ipython=None, cells=3)
        self.text(b"foreign text before the first cell\n")
        self.frame("cell_started", cell=0, number=1, count=1)
        for number in range(lines):
            self.frame("stream", cell=0, name="stdout", text=f"hello {number}\n")
            self.frame("log", name="stderr", text=f"detail {number}\n")
            self.frame("sample", cpu_cores=1.0, memory_bytes=10**6, gpus=[])
        self.frame("cell_finished", cell=0, status="ok", seconds=1.0)
        self.frame("cell_started", cell=1, number=2, count=2)
        image = {"output_type": "display_data", "data": {"image/png": "A" * 40_000}, "metadata": {}}
        self.frame("output", cell=1, output=image, display_id=None)
        self.text(b"foreign text again\n")
        self.frame("metric", name="loss", value=0.5, step=1)
        return self.frame("cell_finished", cell=1, status="ok", seconds=1.0)

    def ends(self, code: int = 0) -> Rank:
        if code:
            self.frame("cell_started", cell=2, number=3, count=3)
            self.frame("error", cell=2, number=3, ename="ZeroDivisionError", evalue="by zero", traceback=["Traceback"])
            self.frame("cell_finished", cell=2, status="error", seconds=0.5)
        return self.frame("rank_finished", exit_code=code, signal=None, text=None)


RUNNING = {"running": {"startedAt": "2027-01-15T08:00:05Z"}}


def ended(code: int = 0) -> Manifest:
    return {"terminated": {"exitCode": code, "startedAt": "2027-01-15T08:00:05Z", "finishedAt": "2027-01-15T08:01:00Z"}}


def running(workers: int = 1, attempt: int = 1, more: list[Manifest] | None = None) -> Objects:
    pods = [pod(number, attempt=attempt, phase="Running", state=RUNNING) for number in range(workers)]
    return Objects(
        ID, owners=[job(workers, attempt=attempt, active=workers)], pods=[*(more or []), *pods], now=1_800_000_030
    )


def succeeded(workers: int = 1) -> Objects:
    done = [condition("SuccessCriteriaMet", when=60), condition("Complete", when=60)]
    pods = [pod(number, phase="Succeeded", state=ended()) for number in range(workers)]
    return Objects(ID, owners=[job(workers, conditions=done, succeeded=workers)], pods=pods, now=1_800_000_070)


def failed(workers: int = 1, failing: int = 0) -> Objects:
    pods = [
        pod(
            number,
            phase="Failed",
            state=ended(1 if number == failing else 143),
            deleted=None if number == failing else 61,
        )
        for number in range(workers)
    ]
    return Objects(ID, owners=[failed_job(workers)], pods=pods, now=1_800_000_070)


class Scene:
    """A job, its cluster and its folder."""

    def __init__(self, tmp_path: Path, bundle: bytes, asked: JobSpec | None = None) -> None:
        self.cluster = Cluster()
        self.spec = asked or spec(mlflow=False)
        self.folder = JobFolder(tmp_path / "jobs" / ID)
        self.folder.path.mkdir(parents=True)
        self.folder.bundle.write_bytes(bundle)
        self.told: list[JobStatus] = []
        self.timing = QUICK

    def recorder(self) -> Recorder:
        about = SubmittedJob(ID, "ns", self.spec, NONCE)
        return Recorder(self.folder, about, self.cluster, on_change=self.told.append, timing=self.timing)

    def tell(self, recorder: Recorder, objects: Objects, **changes: Any) -> None:
        recorder.update(objects, dataclasses.replace(read(objects, self.spec), **changes))

    async def to_the_end(self, objects: Objects) -> JobStatus:
        async with self.recorder() as recorder:
            self.tell(recorder, objects)
            return await asyncio.wait_for(recorder.finished(), 30)

    def record(self) -> dict[str, bytes]:
        """All that a reader of the folder may see, but for the status and its moments."""
        names = ("frames.jsonl", "samples.jsonl", "executed.ipynb")
        files = [*(self.folder.path / name for name in names), *sorted((self.folder.path / "logs").glob("*"))]
        return {file.name: file.read_bytes() for file in files if file.exists()}


@pytest.fixture
def scene(tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]) -> Callable[..., Scene]:
    made = iter(range(1000))
    return lambda asked=None: Scene(tmp_path / str(next(made)), bundle(make_notebook), asked)


async def until(true: Callable[[], bool]) -> None:
    async def turn() -> None:
        while not true():  # noqa: ASYNC110  what is waited for is no object of ours
            await asyncio.sleep(0.002)

    await asyncio.wait_for(turn(), 30)


def undisturbed(scene: Callable[..., Scene], code: int = 0) -> dict[str, bytes]:
    """The record of the same job that nothing happened to."""
    calm = scene()
    Rank(calm.cluster.server()).runs().ends(code)
    calm.cluster.server().end()
    asyncio.run(calm.to_the_end(failed() if code else succeeded()))
    return calm.record()


def test_a_job_is_written_down_from_its_log(scene: Callable[..., Scene]) -> None:
    one = scene()
    Rank(one.cluster.server()).runs().ends()
    one.cluster.server().end()
    status = asyncio.run(one.to_the_end(succeeded()))
    assert status.phase is Phase.SUCCEEDED and status == one.folder.read_status()
    assert status.progress.cells_done == 2 and [metric.name for metric in status.metrics] == ["loss"]
    assert [rank.state for rank in status.ranks] == [RankState.SUCCEEDED]
    assert status.run is not None and status.run.state is RunState.OFF
    assert [step.phase for step in status.timeline][-2:] == [Phase.RUNNING, Phase.SUCCEEDED]
    notebook = json.loads(one.folder.executed.read_bytes())
    assert notebook["cells"][0]["outputs"][0]["text"].startswith("hello 0\nhello 1\n")
    assert b"foreign text before" in one.folder.log(0).read_bytes()
    assert status.notices == []


@pytest.mark.parametrize("code", [0, 1])
def test_a_record_is_the_same_however_often_the_connection_was_cut(scene: Callable[..., Scene], code: int) -> None:
    cut = scene()
    server = cut.cluster.server()
    server.cut_after, server.piece_bytes = 46_000, 700
    Rank(server).runs().ends(code)
    server.end()
    asyncio.run(cut.to_the_end(failed() if code else succeeded()))
    assert len(server.asked) > 2
    assert cut.record() == undisturbed(scene, code)


def test_a_record_is_the_same_however_often_its_server_was_restarted(scene: Callable[..., Scene]) -> None:
    one = scene()
    server = one.cluster.server()
    server.piece_bytes = 300

    async def run() -> None:
        rank = Rank(server)
        rank.runs(lines=1)
        for _ in range(5):
            rank_lines = len(server.lines)
            async with one.recorder() as recorder:
                one.tell(recorder, running())
                await until(lambda: Positions(one.folder).of(pod()["metadata"]["uid"]).time == server.lines[-1][0])
            for number in range(3):
                rank.frame("stream", cell=1, name="stdout", text=f"more {rank_lines} {number}\n")
                rank.text(b"more foreign text %d\n" % number)
        rank.ends()
        server.end()
        await one.to_the_end(succeeded())

    asyncio.run(run())
    calm = scene()
    calm.cluster.logs = one.cluster.logs
    asyncio.run(calm.to_the_end(succeeded()))
    assert one.record() == calm.record()


@pytest.mark.parametrize("begun", [True, False], ids=["later", "at its very beginning"])
def test_what_a_killed_server_wrote_after_its_last_snapshot_is_not_doubled(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    one = scene()
    server = one.cluster.server()
    rank = Rank(server)

    def snapped() -> bool:
        if not begun:
            return (one.folder.path / "positions.json").exists()
        return Positions(one.folder).of(pod()["metadata"]["uid"]).time == server.lines[-1][0]

    async def run() -> None:
        if begun:
            rank.runs(lines=2)
        with monkeypatch.context() as killed:
            async with one.recorder() as recorder:
                one.tell(recorder, running())
                await until(snapped)
                killed.setattr(Positions, "write", lambda *_: None)  # from here on as if it were killed at once
                rank.text(b"foreign text that must not stand there twice\n")
                rank.frame("log", name="stdout", text="nor this\n")
                rank.frame("stream", cell=1, name="stdout", text="nor that\n")
                await until(lambda: b"nor that" in one.folder.read_log(0, 0, 100_000)[0])
        rank.ends()
        server.end()
        await one.to_the_end(succeeded())

    asyncio.run(run())
    text = one.folder.log(0).read_text()
    assert [text.count(words) for words in ("must not stand there twice", "nor this", "nor that")] == [1, 1, 1]


def test_a_failing_cell_is_told_as_cell_exception_and_rank(scene: Callable[..., Scene]) -> None:
    one = scene()
    Rank(one.cluster.server()).runs().ends(1)
    one.cluster.server().end()
    status = asyncio.run(one.to_the_end(failed()))
    assert status.phase is Phase.FAILED and status.reason is not None
    assert status.reason.text == "Rank 0, cell 3: ZeroDivisionError: by zero" == status.error


def test_the_failure_of_a_rank_that_nobody_looked_at_is_told(scene: Callable[..., Scene]) -> None:
    one = scene(spec(3, mlflow=False))
    Rank(one.cluster.server(0)).runs()
    Rank(one.cluster.server(2), 2).frame("rank_started", world_size=3, worker=2, pid=8, host="pod-2", cells=3).ends(1)
    one.cluster.server(1)
    for server in one.cluster.logs.values():
        server.end()
    status = asyncio.run(one.to_the_end(failed(3, failing=2)))
    assert status.reason is not None and status.reason.text == "Rank 2, cell 3: ZeroDivisionError: by zero"
    assert b"Rank 2 failed first" in one.folder.executed.read_bytes()


def test_a_job_is_not_over_before_its_log_is_read(scene: Callable[..., Scene]) -> None:
    one = scene()
    server = one.cluster.server()
    rank = Rank(server).runs()

    async def run() -> None:
        async with one.recorder() as recorder:
            one.tell(recorder, running())
            await until(lambda: recorder.status.progress.cells_done == 2)
            server.refusals = [Refusal(503)] * 1_000_000
            server.write(0, b"")
            one.tell(recorder, succeeded())
            await until(lambda: recorder.status.reason is not None and recorder.status.reason.code == "reading_logs")
            assert not recorder.status.phase.final
            rank.ends()
            server.end()
            server.refusals.clear()
            assert (await asyncio.wait_for(recorder.finished(), 30)).phase is Phase.SUCCEEDED

    asyncio.run(run())
    assert [status.phase.final for status in one.told].count(True) >= 1
    phases = [status.phase for status in one.told]
    assert all(phase is Phase.SUCCEEDED for phase in phases[phases.index(Phase.SUCCEEDED) :])


def test_a_log_that_cannot_be_had_does_not_keep_a_job_from_ending(scene: Callable[..., Scene]) -> None:
    one = scene()
    one.timing = dataclasses.replace(QUICK, last_logs_s=0.05)
    one.cluster.server().refusals = [Refusal(500)] * 1_000_000
    status = asyncio.run(one.to_the_end(succeeded()))
    assert status.phase is Phase.SUCCEEDED
    assert any("rank 0" in text for text in status.notices)


def test_a_final_status_is_never_changed_again(scene: Callable[..., Scene]) -> None:
    one = scene()
    Rank(one.cluster.server()).runs().ends()
    one.cluster.server().end()

    async def run() -> JobStatus:
        before = await one.to_the_end(succeeded())
        async with one.recorder() as recorder:
            one.tell(recorder, running())
            assert await asyncio.wait_for(recorder.finished(), 30) == before
        return before

    assert asyncio.run(run()) == one.folder.read_status()


def test_only_one_process_records_a_job(scene: Callable[..., Scene]) -> None:
    one = scene()

    async def run() -> None:
        async with one.recorder():
            with pytest.raises(Taken):
                async with one.recorder():
                    pass
        async with one.recorder():
            pass

    asyncio.run(run())


def test_a_pod_that_was_removed_before_it_was_read_is_said_to_be(scene: Callable[..., Scene]) -> None:
    one = scene()
    one.timing = dataclasses.replace(QUICK, late_s=0.05)
    gone = dataclasses.replace(succeeded(), pods=[])
    status = asyncio.run(one.to_the_end(gone))
    assert status.phase is Phase.SUCCEEDED
    assert any("pod is gone" in text for text in status.notices)


def test_other_ranks_are_read_while_somebody_looks(scene: Callable[..., Scene]) -> None:
    one = scene(spec(3, mlflow=False))
    for worker in range(3):
        one.cluster.server(worker).write(1, b"worker %d\n" % worker)

    async def run() -> None:
        async with one.recorder() as recorder:
            one.tell(recorder, running(3))
            await until(lambda: one.folder.log(0).exists())
            assert not one.cluster.server(1).asked and not one.cluster.server(2).asked
            recorder.look(2)
            await until(lambda: one.folder.log(2).exists())
            assert not one.cluster.server(1).asked
            recorder.look(None)
            await until(lambda: one.folder.log(1).exists())

    asyncio.run(run())


def test_a_look_before_anything_is_known_of_the_job_does_no_harm(scene: Callable[..., Scene]) -> None:
    one = scene()
    one.cluster.server().write(1, b"zero\n")

    async def run() -> None:
        async with one.recorder() as recorder:
            recorder.look(None)
            for _ in range(5):
                await asyncio.sleep(0)
            one.tell(recorder, running())
            await until(lambda: one.folder.log(0).exists())

    asyncio.run(run())


def test_a_look_expires(scene: Callable[..., Scene]) -> None:
    one = scene(spec(2, mlflow=False))
    one.timing = dataclasses.replace(QUICK, look_s=0.0)
    one.cluster.server(0).write(1, b"zero\n")

    async def run() -> None:
        async with one.recorder() as recorder:
            recorder.look(1)
            one.tell(recorder, running(2))
            await until(lambda: one.folder.log(0).exists())
            assert not one.cluster.server(1).asked

    asyncio.run(run())


def test_a_folder_is_made_with_the_code_from_the_cluster(
    tmp_path: Path, scene: Callable[..., Scene], make_notebook: Callable[..., dict[str, Any]]
) -> None:
    one = scene()
    one.folder = JobFolder(tmp_path / "new" / "jobs" / ID)
    data = bundle(make_notebook)
    one.cluster.objects[f"/api/v1/namespaces/ns/configmaps/{ID}-bundle"] = {
        "binaryData": {"bundle.pyz": base64.b64encode(data).decode()}
    }
    Rank(one.cluster.server()).runs().ends()
    one.cluster.server().end()
    status = asyncio.run(one.to_the_end(succeeded()))
    assert one.folder.bundle.read_bytes() == data and one.folder.read_spec() == one.spec
    assert status.phase is Phase.SUCCEEDED and one.folder.executed.exists()


def test_what_the_cluster_tells_while_something_is_waited_for_is_not_lost(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scene()
    one.cluster.server()  # its log stands open, and says nothing that would be written down
    ending = running()
    ending.pods[0]["metadata"]["deletionTimestamp"] = "2027-01-15T08:01:00Z"

    async def run() -> JobStatus:
        async with one.recorder() as recorder:

            async def get(path: str, **params: str) -> Manifest:
                assert path == "/api/v1/namespaces/ns"
                one.tell(recorder, running())
                return {"metadata": {"name": "ns"}}

            monkeypatch.setattr(one.cluster, "get", get)
            one.tell(recorder, ending)
            await until(lambda: recorder.status.phase is Phase.RUNNING and recorder.status.reason is None)
            return recorder.status

    assert asyncio.run(run()).reason is None


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
