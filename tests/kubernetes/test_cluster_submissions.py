"""Submitting to the tests' cluster: all or nothing, once however often it is tried; and what a queued job waits for."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusterjobs import IMAGE, NAMESPACE, Desk, full, held, posts, wait_for
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.base import Refused
from mlk_jupyter.backends.kubernetes.api.api_errors import Forbidden
from mlk_jupyter.backends.kubernetes.timing import Limits, Timing
from mlk_jupyter.model import Phase
from mlk_jupyter.model.ids import new_job_id

Sit = Callable[..., Desk]
REAL = r"\?(?!.*dryRun)"  # of a request that is no dry_run
JOB_POST, MAP_POST = f"/jobs{REAL}", f"/configmaps{REAL}"
REQUEST = "0123456789abcdef0123456789abcdef"


def created(cluster: FakeCluster) -> list[str]:
    return [one.partition("/")[0] for one in posts(cluster)]


# What it waits for


def test_a_job_that_a_quota_keeps_out_says_the_figures_and_runs_when_there_is_room(
    desk: Desk, kube_cluster: FakeCluster
) -> None:
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "8"}}}
    kube_cluster.create(names.QUOTAS, quota, NAMESPACE)
    with full(kube_cluster):
        job = desk.submit("print('ran')", gpus=2)
        waiting = desk.until_reason(job, "quota_exceeded")
        assert waiting.phase is Phase.QUEUED and waiting.reason is not None
        assert "asks 2, 8 of 8 used" in waiting.reason.text
    assert desk.until_over(job).phase is Phase.SUCCEEDED


def test_a_job_for_which_no_gpu_is_free_says_so_and_runs_when_one_is(desk: Desk, kube_cluster: FakeCluster) -> None:
    with full(kube_cluster):
        job = desk.submit("print('ran')", gpus=1)
        waiting = desk.until(job, lambda status: bool(status.reason and "GPU" in status.reason.text))
        assert waiting.phase is Phase.QUEUED and waiting.reason is not None and waiting.reason.hint
        wait_for(lambda: desk.seen[job].reason == waiting.reason)
    status = desk.until_over(job)
    assert status.phase is Phase.SUCCEEDED
    assert [step.phase for step in status.timeline][:2] == [Phase.QUEUED, Phase.STARTING]


def test_a_job_whose_secret_went_missing_names_it_and_runs_when_it_is_there(
    desk: Desk, kube_cluster: FakeCluster
) -> None:
    secret = {"metadata": {"name": "token"}, "stringData": {"TOKEN": "hunter2"}}
    kube_cluster.create(names.SECRETS, secret, NAMESPACE)
    with full(kube_cluster):
        job = desk.submit(
            "import os\nprint(len(os.environ['TOKEN']))", gpus=1, options={"env_from": [{"secret": "token"}]}
        )
        kube_cluster.do(lambda: kube_cluster.store.delete(names.SECRETS, NAMESPACE, "token"))
    waiting = desk.until_reason(job, "secret_not_found")
    assert waiting.phase is Phase.STARTING and waiting.reason is not None and "token" in waiting.reason.text
    kube_cluster.create(names.SECRETS, secret, NAMESPACE)
    assert desk.until_over(job).phase is Phase.SUCCEEDED
    assert desk.outputs(job) == ["7\n"]
    written = b"".join(path.read_bytes() for path in desk.folder(job).path.rglob("*") if path.is_file())
    assert b"hunter2" not in written


def test_an_image_that_is_nowhere_is_named(desk: Desk) -> None:
    job = desk.submit("1", options={"image": "registry.invalid/team/torch:9"})
    waiting = desk.until_reason(job, "registry_unknown")
    assert waiting.phase is Phase.STARTING and waiting.reason is not None
    assert "registry.invalid/team/torch:9" in waiting.reason.text


# All or nothing, once


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"gpus": 16}, "gpus_over_node"),
        ({"options": {"env_from": [{"config_map": "none"}]}}, "config"),
        ({"options": {"service_account": "none"}}, "service_account"),
        ({"options": {"image": None}}, "image"),
    ],
)
def test_a_job_that_the_preflight_refuses_creates_nothing(
    desk: Desk, kube_cluster: FakeCluster, spec: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        desk.submit("1", **spec)
    assert any(code in finding.code for finding in refused.value.preflight.findings), refused.value
    assert posts(kube_cluster) == []
    assert desk.seen == {} and held(kube_cluster) == []


def test_fifty_submissions_of_one_request_are_one_job(sit: Sit, kube_cluster: FakeCluster) -> None:
    desks = [sit(), sit(watching=False)]
    spec, bundle = desks[0].bundle("print('once')", workers=2)

    async def half(desk: Desk) -> list[str]:
        made = await asyncio.gather(*(desk.backend.submit(spec, bundle, request_id=REQUEST) for _ in range(25)))
        return [status.id for status in made]

    running = [asyncio.run_coroutine_threadsafe(half(desk), desk._loop) for desk in desks]
    ids = {job for one in running for job in one.result(100)}
    assert ids == {new_job_id("a job", REQUEST)}
    for kind in (names.JOBS, names.CONFIG_MAPS, names.SERVICES):
        assert len(held(kube_cluster, kind)) == 1
    assert desks[0].until_over(ids.pop()).phase is Phase.SUCCEEDED
    assert len(held(kube_cluster, names.PODS)) == 2


@pytest.mark.parametrize("path", [JOB_POST, MAP_POST])
def test_an_answer_that_was_lost_after_the_commit_is_found_out(
    desk: Desk, kube_cluster: FakeCluster, path: str
) -> None:
    with kube_cluster.fault("lost_answer", methods=("POST",), path=path, times=1) as fault:
        job = desk.submit("print('once')")
    assert fault.met == 1
    assert desk.until_over(job).phase is Phase.SUCCEEDED
    assert [one["metadata"]["name"] for one in held(kube_cluster, names.JOBS)] == [job]


@pytest.mark.parametrize("lost", [False, True])
def test_a_job_whose_second_object_is_refused_is_taken_back(desk: Desk, kube_cluster: FakeCluster, lost: bool) -> None:
    times = 1 if lost else 0
    with (
        kube_cluster.fault("lost_answer", methods=("POST",), path=JOB_POST, times=times),
        kube_cluster.fault("error", status=403, methods=("POST",), path=MAP_POST),
        pytest.raises(Forbidden),
    ):
        desk.submit("1", request_id=REQUEST)
    wait_for(lambda: held(kube_cluster) == [], lambda: held(kube_cluster))
    job = new_job_id("a job", REQUEST)
    wait_for(lambda: job not in desk.seen)
    assert not desk.folder_exists(job)
    assert desk.submit("print('now')", request_id=REQUEST) == job, "the same request may be tried again"
    assert desk.until_over(job).phase is Phase.SUCCEEDED


def test_a_name_that_is_taken_by_something_else_is_left_alone(desk: Desk, kube_cluster: FakeCluster) -> None:
    job = new_job_id("a job", REQUEST)
    foreign = {"metadata": {"name": f"{job}-bundle"}, "data": {"a": "b"}}
    kube_cluster.create(names.CONFIG_MAPS, foreign, NAMESPACE)
    with pytest.raises(Exception, match="already"):
        desk.submit("1", request_id=REQUEST)
    wait_for(lambda: held(kube_cluster) == [], lambda: held(kube_cluster))
    assert kube_cluster.store.get(names.CONFIG_MAPS, NAMESPACE, f"{job}-bundle")["data"] == {"a": "b"}


# A process that is killed while it submits


def start_run(tmp_path: Path, notebook: dict[str, Any]) -> subprocess.Popen[bytes]:
    """`mlk run` in a process of its own, which leaves the job alone."""
    (tmp_path / "cut.ipynb").write_text(json.dumps(notebook))
    command = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())", "run"]
    command += [str(tmp_path / "cut.ipynb"), "--backend", "kubernetes", "--image", IMAGE, "--no-mlflow", "--detach"]
    return subprocess.Popen(command, env={**os.environ, "MLK_USER": "ada"}, stdin=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(30)


def test_a_submission_cut_off_after_its_first_object_is_completed_by_the_next_watch(
    sit: Sit, kube_cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., Any]
) -> None:
    desk = sit(watching=False)
    with kube_cluster.fault("delay", seconds=100, methods=("POST",), path=MAP_POST) as fault:
        process = start_run(tmp_path, make_notebook("print('completed')"))
        try:
            wait_for(lambda: fault.met)
        finally:
            kill(process)
    (owner,) = held(kube_cluster, names.JOBS)
    assert held(kube_cluster, names.CONFIG_MAPS) == []
    desk.view()
    status = desk.until_over(owner["metadata"]["name"])
    assert status.phase is Phase.SUCCEEDED and desk.outputs(status.id) == ["completed\n"]
    assert len(held(kube_cluster, names.SERVICES)) == 1


def test_a_submission_cut_off_before_its_first_object_is_named_and_not_before_it_is_cut_off(
    sit: Sit, kube_cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., Any]
) -> None:
    desk = sit(watching=False)
    with kube_cluster.fault("delay", seconds=100, methods=("POST",), path=JOB_POST) as fault:
        process = start_run(tmp_path, make_notebook("1"))
        try:
            wait_for(lambda: fault.met)
            desk.view()
            (job,) = desk.seen
            assert desk.seen[job].phase is Phase.QUEUED
            assert wait_for(lambda: job in desk.backend._controller.reconciler.others), (
                "it is seen that somebody is at it"
            )
        finally:
            kill(process)
        status = desk.until_over(job)
    assert status.phase is Phase.FAILED and status.reason is not None and status.reason.code == "not_created"
    assert held(kube_cluster) == []
    desk.delete(job)
    assert desk.seen == {}


def test_a_request_whose_submission_was_cut_off_can_be_tried_again(sit: Sit, kube_cluster: FakeCluster) -> None:
    desk = sit(watching=False, timing=Timing(requests=Limits(tries=1)))
    with kube_cluster.fault("reset", methods=("POST",), path=JOB_POST), pytest.raises(Exception, match="went away"):
        desk.submit("print('again')", request_id=REQUEST)
    job = new_job_id("a job", REQUEST)
    desk.view()
    assert desk.until_over(job).phase is Phase.FAILED
    assert desk.submit("print('again')", request_id=REQUEST) == job
    assert desk.until(job, lambda status: status.phase is Phase.SUCCEEDED)
    wait_for(lambda: desk.folder(job).executed.exists())
    assert desk.outputs(job) == ["again\n"]
