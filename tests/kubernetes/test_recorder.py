"""One job of a cluster in its folder: the same record whatever became of connections and servers."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusterobjects import ID, at, condition, job, objects, pod, spec
from logserver import LogServer, Refusal
from recordedscene import (
    QUICK,
    RUNNING,
    Rank,
    Scene,
    bundle,
    ended,
    failed,
    running,
    succeeded,
    undisturbed,
    until,
)

from mlk_jupyter.backends.kubernetes.recording.positions import Positions
from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.model import JobStatus, Phase, RankState, RunState
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.ownership import Taken

pytestmark = pytest.mark.usefixtures("data_dir")  # nothing is read of a person's own jobs


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


@pytest.mark.parametrize("again", [100, 1], ids=["later", "in the same second"])
def test_the_record_of_a_run_begins_with_its_own_pods_though_the_job_is_heard_of_first(
    scene: Callable[..., Scene], again: int
) -> None:
    one = scene()
    new = {**pod(phase="Running", state=RUNNING)}
    new["metadata"] = {**new["metadata"], "name": "another", "uid": "another"}
    one.cluster.logs["another"] = LogServer()

    def at_work(since: float, of: Manifest) -> Objects:
        resumed = [condition("Suspended", "Resumed", status="False", when=since)]
        return objects(job(conditions=resumed, active=1, startTime=at(since)), pods=[of])

    async def run() -> JobStatus:
        async with one.recorder() as recorder:
            one.tell(recorder, at_work(1, pod(phase="Running", state=RUNNING)))
            said(one.cluster.server(), "run 0")
            await until(lambda: frames(b"run 0"))
            out = job(conditions=[condition("Suspended", when=1)])
            one.tell(recorder, objects(out, pods=[pod(phase="Running", state=RUNNING)]), phase=Phase.QUEUED)
            await until(lambda: recorder.status.phase is Phase.QUEUED)
            one.tell(recorder, at_work(again, pod(phase="Running", state=RUNNING)), phase=Phase.STARTING)
            await until(lambda: recorder.status.phase is Phase.STARTING)
            one.tell(recorder, at_work(again, new))
            said(one.cluster.logs["another"], "run 1").ends()
            one.cluster.logs["another"].end()
            await until(lambda: frames(b"run 1"))
            over = {**new, "status": pod(phase="Succeeded", state=ended())["status"]}
            done = [condition("SuccessCriteriaMet", when=160), condition("Complete", when=160)]
            one.tell(recorder, objects(job(conditions=done, succeeded=1, startTime=at(again)), pods=[over]))
            return await recorder.finished()

    def frames(text: bytes) -> bool:
        return one.folder.frames.exists() and text in one.folder.frames.read_bytes()

    def said(server: LogServer, text: str) -> Rank:
        rank = Rank(server)
        rank.frame("rank_started", world_size=1, worker=0, pid=1, host="h", cells=1)
        rank.frame("cell_started", cell=1, number=1, count=1)
        return rank.frame("stream", cell=1, name="stdout", text=text)

    assert asyncio.run(run()).phase is Phase.SUCCEEDED
    executed = one.folder.executed.read_text()
    assert "run 1" in executed and "run 0" not in executed
