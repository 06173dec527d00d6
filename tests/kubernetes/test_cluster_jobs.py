"""Jobs from end to end on the tests' cluster: pods are processes, frames come out of their logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusterjobs import (
    FOREVER,
    NAMESPACE,
    POLICIES,
    Desk,
    full,
    held,
    posts,
    same_notebook,
    wait_for,
)
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.local import LocalBackend
from mlk_jupyter.bundle import build
from mlk_jupyter.errors import JobNotFound
from mlk_jupyter.model import JobSpec, Phase, RankState

Maker = Callable[..., dict[str, Any]]
Sit = Callable[..., Desk]


# A job that succeeds

RICH = (
    "import os, sys\nrank = int(os.environ['RANK'])\nprint('rank', rank, 'of', os.environ['WORLD_SIZE'])",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))\nprint('stderr', file=sys.stderr)\n1 + 1",
    "import mlk_jupyter\nmlk_jupyter.progress(0.5, 'half')\n[print('line', n) for n in range(200)]\nNone",
)


def test_the_notebook_of_a_job_in_the_cluster_is_the_same_as_that_of_one_on_this_machine(
    desk: Desk, tmp_path: Path, make_notebook: Maker
) -> None:
    job = desk.submit(*RICH, workers=2)
    status = desk.until_over(job)
    assert status.phase is Phase.SUCCEEDED and status.notices == [] and status.error is None
    assert [rank.state for rank in status.ranks] == [RankState.SUCCEEDED] * 2
    assert status.progress.cells_done == status.progress.cells_total == 3
    phases = [step.phase for step in status.timeline]
    assert phases[0] is Phase.QUEUED and phases[-2:] == [Phase.RUNNING, Phase.SUCCEEDED]
    assert [step.at for step in status.timeline] == sorted(step.at for step in status.timeline)
    assert desk.folder(job).read_log(1, 0, 10_000)[0].startswith(b"rank 1 of 2")

    spec = JobSpec(name="a job", notebook="a.ipynb", workers=2, mlflow=False)
    local = LocalBackend(tmp_path / "local")

    async def here() -> Path:
        made = await local.submit(spec, build(make_notebook(*RICH), spec, tmp_path), request_id="r" * 32)
        async for changes in local.watch():
            if any(job.phase.final for job in changes.changed):
                break
        return local.folder(made.id).executed

    mine = json.loads(asyncio.run(here()).read_bytes())
    theirs = json.loads(desk.folder(job).executed.read_bytes())
    assert same_notebook(theirs) == same_notebook(mine)


def test_several_ranks_in_each_worker_find_each_other(desk: Desk) -> None:
    tell = "import os\nprint(*(os.environ[n] for n in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE')))"
    job = desk.submit(tell, workers=2, ranks_per_worker=2)
    status = desk.until_over(job)
    assert status.phase is Phase.SUCCEEDED and status.world_size == 4 and status.notices == []
    logs = [desk.folder(job).read_log(rank, 0, 4000)[0].decode().splitlines() for rank in range(4)]
    told = ["0 0 4 2", "1 1 4 2", "2 0 4 2", "3 1 4 2"]
    # torchrun writes there too: it warns when the pod of the rendezvous ends before its own
    assert all(line in log for line, log in zip(told, logs, strict=True)), logs


def test_the_objects_of_a_job_are_what_was_rendered(desk: Desk, kube_cluster: FakeCluster) -> None:
    import yaml

    spec, bundle = desk.bundle(FOREVER, workers=2, options={"network": {"allow": ["10.0.0.0/8:443"]}})
    text = desk.do(desk.backend.render(spec, bundle))
    assert text is not None
    rendered = list(yaml.safe_load_all(text))
    assert posts(kube_cluster) == [], "rendering creates nothing"
    job = desk.submit(FOREVER, workers=2, options={"network": {"allow": ["10.0.0.0/8:443"]}})
    desk.until_running(job)
    found = [
        {"kind": kind, **each}
        for kind, name in (
            ("Job", names.JOBS), ("ConfigMap", names.CONFIG_MAPS), ("Service", names.SERVICES),
            ("NetworkPolicy", POLICIES), ("JobSet", names.JOB_SETS),
        )
        for each in held(kube_cluster, name)
    ]  # fmt: skip
    assert [one["kind"] for one in found] == [one["kind"] for one in rendered]
    as_job = json.loads(json.dumps(rendered).replace(rendered[0]["metadata"]["name"], job))
    owner = as_job[0]["metadata"]
    for wanted, made in zip(as_job, found, strict=True):
        assert wanted["metadata"]["labels"].items() <= made["metadata"]["labels"].items()
        assert missing(wanted.get("spec", {}), made.get("spec", {}), owner) == []
        assert wanted.get("binaryData") == made.get("binaryData")
        references = made["metadata"].get("ownerReferences", [])
        assert [one["name"] for one in references] == ([] if made["kind"] == "Job" else [job])
    assert {pod["metadata"]["labels"]["mlk-jupyter.io/job"] for pod in held(kube_cluster, names.PODS)} == {job}


def missing(wanted: Any, made: Any, owner: dict[str, Any], at: str = "") -> list[str]:
    """What was asked for and is not there, or is something else; what the server fills in is no difference."""
    if isinstance(wanted, dict) and isinstance(made, dict):
        return [
            text
            for key, value in wanted.items()
            for text in (missing(value, made[key], owner, f"{at}.{key}") if key in made else [f"{at}.{key}: absent"])
        ]
    if isinstance(wanted, list) and isinstance(made, list) and len(wanted) == len(made):
        return [
            text
            for number, pair in enumerate(zip(wanted, made, strict=True))
            for text in missing(*pair, owner, f"{at}[{number}]")
        ]
    # The nonce and what MLflow is told are of this submission; everything else is the same to the letter.
    return (
        [] if wanted == made or (at.endswith(".value") and len(str(wanted)) == len(str(made))) else [f"{at}: {made!r}"]
    )


# A job that fails


def test_a_failing_cell_is_told_as_cell_rank_and_exception(desk: Desk) -> None:
    fails = "import os, time\nif os.environ['RANK'] == '1':\n    {}['train']\ntime.sleep(30)"
    job = desk.submit("print('fine')", fails, workers=2)
    status = desk.until_over(job)
    assert status.phase is Phase.FAILED and status.reason is not None
    assert status.reason.text == "Rank 1, cell 2: KeyError: 'train'" == status.error
    wait_for(lambda: desk.seen[job].error == status.error, lambda: desk.seen)  # the end is told once it is written
    assert status.ranks[1].state is RankState.FAILED


# Stopping and deleting


def test_a_running_job_that_is_stopped_keeps_its_notebook_so_far(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = desk.submit("print('before')", FOREVER, workers=2)
    desk.until_running(job, 2)
    desk.stop(job)
    status = desk.until_over(job)
    assert status.phase is Phase.STOPPED and status.reason is not None and status.reason.text == "ada stopped it."
    assert desk.outputs(job)[:1] == ["before\n"] and "here\n" in desk.outputs(job)[1]
    assert held(kube_cluster, names.JOBS), "its objects are kept"
    desk.stop(job)  # once more changes nothing
    assert desk.status(job).phase is Phase.STOPPED


def test_a_queued_job_that_is_stopped_never_starts(desk: Desk, kube_cluster: FakeCluster) -> None:
    with full(kube_cluster):
        job = desk.submit(FOREVER, gpus=1)
        waiting = desk.until(job, lambda status: bool(status.reason and "GPU" in status.reason.text))
        assert waiting.phase is Phase.QUEUED
        desk.stop(job)
        status = desk.until_over(job)
    assert status.phase is Phase.STOPPED and status.started_at is None
    assert status.finished_at is not None


def test_stopping_a_job_that_is_over_changes_nothing(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = desk.submit("1")
    desk.until_over(job)
    before = kube_cluster.store.get(names.JOBS, NAMESPACE, job)
    desk.stop(job)
    assert desk.status(job).phase is Phase.SUCCEEDED
    assert kube_cluster.store.get(names.JOBS, NAMESPACE, job) == before


def test_a_job_is_stopped_by_another_process_than_the_one_that_records_it(sit: Sit) -> None:
    recording, other = sit(), sit(watching=False)
    job = recording.submit(FOREVER)
    recording.until_running(job)
    other.stop(job)
    assert recording.until_over(job).phase is Phase.STOPPED
    assert other.status(job).phase is Phase.STOPPED


def test_deleting_a_running_job_leaves_nothing(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = desk.submit(FOREVER, workers=2, options={"network": {}})
    desk.until_running(job)
    desk.delete(job)
    assert held(kube_cluster) == []
    assert not desk.folder_exists(job) and job not in desk.seen
    with pytest.raises(JobNotFound):
        desk.delete(job)
    with pytest.raises(JobNotFound):
        desk.status(job)


def test_a_deletion_beside_a_watch_lists_nothing(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = desk.submit(FOREVER)
    desk.until_running(job)
    before = len(kube_cluster.requests)
    desk.delete(job)
    asked = [one for one in kube_cluster.requests[before:] if one.verb == "list"]
    assert asked == [] and held(kube_cluster) == []


def test_a_record_is_not_begun_again_while_it_is_being_removed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = desk.submit(FOREVER)
    desk.until_running(job)
    watching, remove = desk.backend._controller.reconciler, desk.backend._records.remove
    begun: list[str] = []

    def late(job_id: str) -> None:
        """The watch has told that the job is gone, and was listened to, before the record goes."""
        wait_for(lambda: watching.informer is not None and job_id not in watching.informer.job_ids())
        for _ in range(2):
            desk.do(told())
            wait_for(lambda: not watching._changed)
        remove(job_id)

    async def told() -> None:
        watching.heard({job})

    monkeypatch.setattr(desk.backend._records, "remove", late)
    monkeypatch.setattr(watching, "_begin", lambda asked, **_: begun.append(asked.id))
    desk.delete(job)
    assert begun == []
    with pytest.raises(JobNotFound):
        desk.status(job)


def test_a_job_deleted_by_another_process_vanishes_from_the_list_for_good(sit: Sit, kube_cluster: FakeCluster) -> None:
    recording, other = sit(), sit(watching=False)
    running, over = recording.submit(FOREVER), recording.submit("1")
    recording.until_running(running)
    recording.until_over(over)
    for job in (running, over):
        other.delete(job)
    wait_for(lambda: not recording.seen, lambda: recording.seen)
    assert held(kube_cluster) == []
    assert not recording.folder_exists(running) and not recording.folder_exists(over)
    recording.look_away()
    recording.view()
    assert recording.seen == {}


def test_a_deleted_job_leaves_the_list_of_whoever_looks_also_after_all_were_asked_for(desk: Desk) -> None:
    job = desk.submit("1")
    desk.until_over(job)
    assert [one.id for one in desk.do(desk.backend.jobs())] == [job]
    desk.delete(job)
    wait_for(lambda: job not in desk.seen, lambda: desk.seen)


def test_only_objects_that_bear_our_label_are_removed(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = desk.submit("1")
    desk.until_over(job)
    for kind in (names.CONFIG_MAPS, names.SERVICES):
        (ours,) = held(kube_cluster, kind)
        name = ours["metadata"]["name"]
        kube_cluster.do(lambda kind=kind, name=name: kube_cluster.store.delete(kind, NAMESPACE, name))
        spec = {"spec": {"clusterIP": "None"}} if kind == names.SERVICES else {"data": {"a": "b"}}
        kube_cluster.create(kind, {"metadata": {"name": name}, **spec}, NAMESPACE)
    desk.delete(job)
    assert kube_cluster.store.find(names.CONFIG_MAPS, NAMESPACE, f"{job}-bundle") is not None
    assert kube_cluster.store.find(names.SERVICES, NAMESPACE, job) is not None
    assert held(kube_cluster) == []
