"""What becomes of jobs that are left alone, stopped, or fail."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from endjobs import processes_of
from machine_jobs import FOREVER, Jobs, wait_for

from mlk_jupyter.backends.base import Backend, Refused
from mlk_jupyter.errors import JobNotFound
from mlk_jupyter.model import Phase, RankState
from mlk_jupyter.record.privacy import close


def test_it_keeps_the_promise_of_a_backend(jobs: Jobs) -> None:
    assert isinstance(jobs.backend, Backend)


def test_a_job_of_two_ranks_succeeds_and_leaves_its_whole_record(jobs: Jobs) -> None:
    job = jobs.submit(
        "import os\nprint('I am', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])", "6 * 7", workers=2
    )
    status = jobs.until_over(job)
    assert status.phase is Phase.SUCCEEDED
    assert [step.phase for step in status.timeline] == [Phase.QUEUED, Phase.STARTING, Phase.RUNNING, Phase.SUCCEEDED]
    assert [(rank.rank, rank.state, rank.exit_code) for rank in status.ranks] == [
        (0, RankState.SUCCEEDED, 0),
        (1, RankState.SUCCEEDED, 0),
    ]
    assert status.progress.cells_done == status.progress.cells_total == 2
    assert status.reason is not None and "2 processes finished" in status.reason.text
    notebook = json.loads(jobs.notebook_text(job))
    assert notebook["cells"][0]["outputs"][0]["text"] == "I am 0 of 2\n"
    assert notebook["cells"][1]["outputs"][0]["data"]["text/plain"] == "42"
    assert "I am 1 of 2" in jobs.folder(job).log(1).read_text()
    assert not (jobs.folder(job).path / ".ballast").exists()
    assert processes_of(job) == []


def test_what_a_job_leaves_in_the_data_directory_counts_as_ours(jobs: Jobs, data_dir: Path, gpus: Any) -> None:
    gpus(1)
    jobs.until_over(jobs.submit("1", gpus=1))
    data_dir.chmod(0o755)
    close(data_dir)
    assert data_dir.stat().st_mode & 0o077 == 0, list(data_dir.iterdir())


@pytest.mark.parametrize("there", ["nothing", "ours", "others"])
def test_nobody_else_can_look_into_the_folders_of_jobs(jobs: Jobs, data_dir: Path, there: str) -> None:
    """Also where the data directory was there before, open to everybody; unless it is not ours alone."""
    data_dir.rmdir()
    if there != "nothing":
        for folder in (data_dir, data_dir / "jobs", data_dir / "clusters"):
            folder.mkdir()
            folder.chmod(0o755)
        (data_dir / "mlflow.db").touch(0o644)
    if there == "others":
        (data_dir / "data.csv").touch()
    job = jobs.submit("1")
    jobs.until_over(job)
    assert data_dir.stat().st_mode & 0o077 == (0o055 if there == "others" else 0)
    assert [path for path in data_dir.iterdir() if path.stat().st_mode & 0o077 and there == "others"] == (
        [data_dir / "data.csv"] if there == "others" else []
    )
    files = [path for path in jobs.folder(job).path.rglob("*") if path.is_file()]
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_the_notebook_runs_in_its_own_folder(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "work" / "data.txt").write_text("from the notebook's folder")
    job = jobs.submit("print(open('data.txt').read())")
    assert jobs.until_over(job).phase is Phase.SUCCEEDED
    assert "from the notebook's folder" in jobs.notebook_text(job)


def test_the_first_failure_ends_the_other_ranks_and_names_itself(jobs: Jobs) -> None:
    failing = f"import os\nif os.environ['RANK'] == '1':\n    raise KeyError('train')\n{FOREVER}"
    job = jobs.submit("1", failing, workers=3)
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.text == "Rank 1, cell 2: KeyError: 'train'"
    assert status.error == status.reason.text
    assert [rank.state for rank in status.ranks] == [RankState.STOPPED, RankState.FAILED, RankState.STOPPED]
    assert [rank.exit_code for rank in status.ranks] == [143, 1, 143]
    assert "KeyError" in jobs.notebook_text(job)
    assert processes_of(job) == []


def test_a_rank_that_is_killed_says_by_which_signal(jobs: Jobs) -> None:
    job = jobs.submit(
        f"import os, signal\nif os.environ['RANK'] == '1':\n    os.kill(os.getpid(), 9)\n{FOREVER}", workers=2
    )
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.text.startswith("Rank 1, cell 1: ")
    assert "SIGKILL" in status.reason.text
    assert status.ranks[1].signal == "SIGKILL"


def test_a_keeper_that_is_killed_takes_its_notebook_along_and_ends_the_job(jobs: Jobs) -> None:
    job = jobs.submit(FOREVER, workers=2)
    status = jobs.until_running(job)
    keeper = status.ranks[1].pid
    assert keeper is not None
    os.kill(keeper, 9)
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.text == "Rank 1 was killed (SIGKILL)."
    assert status.ranks[1].state is RankState.FAILED and status.ranks[1].signal == "SIGKILL"
    assert processes_of(job) == []


def test_a_stopped_job_keeps_its_notebook_and_says_who_stopped_it(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    job = jobs.submit("print('so far')", FOREVER, workers=2)
    jobs.until_running(job, cell=2)
    jobs.stop(job)
    status = jobs.until_settled(job)
    assert status.phase is Phase.STOPPED
    assert status.reason is not None and status.reason.text == "ann stopped it."
    assert [step.phase for step in status.timeline][-2:] == [Phase.STOPPING, Phase.STOPPED]
    assert [rank.state for rank in status.ranks] == [RankState.STOPPED, RankState.STOPPED]
    assert status.error is None
    assert "so far" in jobs.notebook_text(job)
    jobs.stop(job)
    assert jobs.status(job) == status


@pytest.mark.slow
def test_a_job_that_ignores_the_request_is_killed_and_its_reason_says_so(jobs: Jobs) -> None:
    ignoring = "import signal, subprocess, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'], start_new_session=True)"
    job = jobs.submit(f"{ignoring}\n{child}", FOREVER, grace_period_s=1)
    jobs.until_running(job, cell=2)
    jobs.stop(job)
    status = jobs.until_over(job)
    assert status.phase is Phase.STOPPED
    assert status.ranks[0].state is RankState.STOPPED and status.ranks[0].signal == "SIGKILL"
    assert status.reason is not None
    assert status.reason.text.endswith("stopped it. Rank 0 was killed, not having ended within 1 s.")
    assert "--grace-period" in (status.reason.hint or "")
    assert processes_of(job) == []


def test_a_job_over_its_time_limit_fails_and_says_so(jobs: Jobs) -> None:
    job = jobs.submit("print('so far')", FOREVER, time_limit_s=2)
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None
    assert (status.reason.code, status.reason.text) == ("time_limit", "It ran longer than its time limit of 2 s.")
    assert status.ranks[0].state is RankState.STOPPED


def test_one_request_makes_one_job_however_often_and_fast_it_comes(jobs: Jobs) -> None:
    request_id = uuid.uuid4().hex
    spec, bundle = jobs.bundle("1")

    async def submit_ten_times() -> list[str]:
        made = [jobs.backend.submit(spec, bundle, request_id=request_id) for _ in range(10)]
        return [status.id for status in await asyncio.gather(*made)]

    ids = asyncio.run(submit_ten_times())
    assert len(set(ids)) == 1
    assert [job.id for job in asyncio.run(jobs.backend.jobs())] == [ids[0]]
    jobs.until_over(ids[0])
    assert asyncio.run(jobs.backend.submit(spec, bundle, request_id=request_id)).phase is Phase.SUCCEEDED
    assert [path.name for path in jobs.folder(ids[0]).path.parent.glob(".new-*")] == []


@pytest.mark.slow
def test_twenty_jobs_at_once_all_succeed_on_ports_of_their_own(jobs: Jobs) -> None:
    made = [jobs.submit("import os\nprint('port', os.environ['MASTER_PORT'])") for _ in range(20)]
    assert {jobs.until_over(job).phase for job in made} == {Phase.SUCCEEDED}
    assert [job.id for job in asyncio.run(jobs.backend.jobs())] == made[::-1]


def test_a_deleted_job_is_stopped_first_and_leaves_nothing(jobs: Jobs) -> None:
    job = jobs.submit(FOREVER)
    jobs.until_running(job)
    asyncio.run(jobs.backend.delete(job))
    assert processes_of(job) == []
    assert list(jobs.backend._jobs_dir.glob(f"*{job}*")) == []
    with pytest.raises(JobNotFound):
        jobs.status(job)
    assert asyncio.run(jobs.backend.jobs()) == []


@pytest.mark.parametrize("name", ["../spec", "", "x" * 80, "Ω", "a/b", ".new-1", "absent"])
def test_what_names_no_job_is_not_found(jobs: Jobs, name: str) -> None:
    with pytest.raises(JobNotFound):
        jobs.folder(name)


def test_watching_tells_all_jobs_first_and_then_what_changes(jobs: Jobs) -> None:
    before = jobs.submit("1")
    jobs.until_settled(before)

    async def story() -> tuple[list[str], list[Phase], list[str]]:
        changes = jobs.backend.watch()
        first = [job.id for job in (await anext(changes)).changed]
        spec, bundle = jobs.bundle("2")
        new = (await jobs.backend.submit(spec, bundle, request_id=uuid.uuid4().hex)).id
        phases: list[Phase] = []
        async for change in changes:
            assert before not in [job.id for job in change.changed]
            phases += [job.phase for job in change.changed]
            if phases and phases[-1].final:
                break
        await jobs.backend.delete(new)
        removed = (await anext(changes)).removed
        await changes.aclose()
        assert removed == [new]
        return first, phases, removed

    first, phases, _ = asyncio.run(story())
    assert first == [before]
    assert phases[-1] is Phase.SUCCEEDED and phases == sorted(phases, key=list(Phase).index)


def test_asking_for_gpus_without_a_driver_is_refused_with_the_way_out(jobs: Jobs) -> None:
    with pytest.raises(Refused) as refused:
        jobs.submit("1", gpus=1)
    assert "no NVIDIA driver" in refused.value.detail and "0 GPUs" in refused.value.hint
    assert not jobs.backend._jobs_dir.exists()


def test_a_job_knows_its_place_and_no_secret_of_the_server(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_API_TOKEN", "hush-1")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hush-2")
    monkeypatch.setenv("WORLD_SIZE", "99")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    source = "import json, os\nprint(json.dumps(dict(os.environ)))"
    job = jobs.submit(source, workers=2, ranks_per_worker=2, env={"COLOUR": "blue"}, parameters={})
    assert jobs.until_over(job).phase is Phase.SUCCEEDED
    environments = [json.loads(jobs.folder(job).log(rank).read_text().splitlines()[-1]) for rank in range(4)]
    names = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE", "GROUP_RANK", "NODE_RANK", "GROUP_WORLD_SIZE")
    assert [[env[name] for name in names] for env in environments] == [
        ["0", "0", "2", "4", "0", "0", "2"],
        ["1", "1", "2", "4", "0", "0", "2"],
        ["2", "0", "2", "4", "1", "1", "2"],
        ["3", "1", "2", "4", "1", "1", "2"],
    ]
    assert {env["TORCHELASTIC_RUN_ID"] for env in environments} == {job}
    assert len({env["MASTER_PORT"] for env in environments}) == 1
    for env in environments:
        assert env["MLK_JOB"] == job and env["COLOUR"] == "blue" and env["CUDA_VISIBLE_DEVICES"] == ""
        assert int(env["OMP_NUM_THREADS"]) >= 1
        assert not any("hush" in value for value in env.values())


def test_the_supervisor_is_nobodys_child_and_holds_no_terminal(jobs: Jobs) -> None:
    job = jobs.submit(FOREVER)
    owner = jobs.until_running(job).owner
    assert owner is not None
    pid = int(owner["pid"])
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid()
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    jobs.stop(job)
    jobs.until_over(job)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.slow
def test_a_rank_that_leaves_while_others_wait_for_it_is_named(jobs: Jobs) -> None:
    job = jobs.submit(
        "import sys\nimport torch\nimport torch.distributed as dist\ndist.init_process_group('gloo')",
        "if dist.get_rank() == 1:\n    sys.exit(0)\ndist.all_reduce(torch.ones(1))",
        workers=2,
    )
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED and status.reason is not None
    assert status.reason.text.startswith("Rank 1, cell 2: It left by `sys.exit(0)` while rank 0 still waited for it")
    assert "Connection closed by peer" in status.reason.text
