"""A rank finds its place from what started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlk_jupyter.worker import jax_hook
from mlk_jupyter.worker.launchers import identify

TF = {"cluster": {"chief": ["c-0.svc:2222"], "worker": ["w-0.svc:2222", "w-1.svc:2222"], "ps": ["p-0.svc:2222"]}}
TORCHRUN = {
    "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_RANK": "1",
    "MASTER_ADDR": "node-0", "MASTER_PORT": "1234", "TORCHELASTIC_RUN_ID": "x",
}  # fmt: skip


def place(env: dict[str, str]) -> tuple:
    found = identify(env)
    return (
        found.launcher, found.rank, found.world_size, found.local_rank, found.local_world_size, found.worker,
        found.master_addr, found.master_port,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({}, ("none", 0, 1, 0, 1, 0, "127.0.0.1", "29500"), id="alone"),
        pytest.param(TORCHRUN, ("torchrun", 5, 8, 1, 4, 1, "node-0", "1234"), id="torchrun"),
        pytest.param(
            {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MLK_NONCE": "n",
             "MLK_WORKER": "0", "MASTER_PORT": "4000"},
            ("mlk", 1, 2, 1, 2, 0, "127.0.0.1", "4000"), id="our launcher",
        ),
        pytest.param({"RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "job-0"},
                     ("environment", 2, 4, 0, 1, 2, "job-0", "29500"), id="PyTorchJob, one rank a pod"),
        pytest.param({**TORCHRUN, "PET_NODE_RANK": "0", "PET_NNODES": "9"},
                     ("torchrun", 5, 8, 1, 4, 1, "node-0", "1234"), id="torchrun goes before what the operator set"),
        pytest.param({"PET_NODE_RANK": "1", "PET_NNODES": "2", "PET_NPROC_PER_NODE": "1", "PET_MASTER_ADDR": "j-0"},
                     ("operator", 1, 2, 0, 1, 1, "j-0", "29500"), id="PET without torchrun"),
        pytest.param({"PET_NODE_RANK": "1", "PET_NNODES": "1:3", "PET_NPROC_PER_NODE": "auto"},
                     ("operator", 1, 3, 0, 1, 1, "127.0.0.1", "29500"), id="PET, elastic"),
        pytest.param({"JOB_COMPLETION_INDEX": "2", "MLK_WORKERS": "3", "MASTER_ADDR": "job-0.job"},
                     ("indexed job", 2, 3, 0, 1, 2, "job-0.job", "29500"), id="Indexed Job"),
        pytest.param({"JOB_COMPLETION_INDEX": "1", "MLK_WORKERS": "2", "MLK_RANKS_PER_WORKER": "4", "LOCAL_RANK": "3"},
                     ("indexed job", 7, 8, 3, 4, 1, "127.0.0.1", "29500"), id="Indexed Job, four ranks a pod"),
        pytest.param({"JOB_COMPLETION_INDEX": "1"}, ("none", 0, 1, 0, 1, 0, "127.0.0.1", "29500"),
                     id="an Indexed Job of somebody else's"),
        pytest.param({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
                      "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, ("mpi", 3, 4, 1, 2, 1, "127.0.0.1", "29500"), id="Open MPI"),
        pytest.param({"TF_CONFIG": json.dumps({**TF, "task": {"type": "worker", "index": 1}})},
                     ("tensorflow", 2, 3, 0, 1, 2, "c-0.svc", "29500"), id="TF_CONFIG, worker"),
        pytest.param({"TF_CONFIG": json.dumps({**TF, "task": {"type": "chief", "index": 0}})},
                     ("tensorflow", 0, 3, 0, 1, 0, "c-0.svc", "29500"), id="TF_CONFIG, chief"),
    ],
)  # fmt: skip
def test_the_launchers_variables_give_the_place(env: dict[str, str], expected: tuple) -> None:
    assert place(env) == expected


@pytest.mark.parametrize(
    "env",
    [
        {"RANK": "4", "WORLD_SIZE": "4"},
        {"RANK": "x", "WORLD_SIZE": "4"},
        {"RANK": "-1", "WORLD_SIZE": "4"},
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": json.dumps({**TF, "task": {"type": "ps", "index": 0}})},
        {"JOB_COMPLETION_INDEX": "5", "MLK_WORKERS": "2"},
    ],
)
def test_variables_that_contradict_themselves_are_refused_in_words(env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="do not say which rank"):
        identify(env)


def test_user_code_finds_its_place_in_the_variables_of_torchrun_and_lightning() -> None:
    assert identify(TORCHRUN).environment() == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_RANK": "1",
        "GROUP_WORLD_SIZE": "2", "NODE_RANK": "1", "MASTER_ADDR": "node-0", "MASTER_PORT": "1234",
    }  # fmt: skip


def test_what_a_launcher_said_beside_the_place_stays() -> None:
    env = {**TORCHRUN, "TORCHELASTIC_USE_AGENT_STORE": "True", "ROLE_RANK": "3", "TORCHELASTIC_MAX_RESTARTS": "7"}
    identify(env).complete(env)
    assert (env["TORCHELASTIC_USE_AGENT_STORE"], env["ROLE_RANK"]) == ("True", "3")
    assert (env["TORCHELASTIC_MAX_RESTARTS"], env["TORCHELASTIC_RUN_ID"]) == ("7", "x")


@pytest.mark.slow
def test_a_rank_has_the_environment_that_torchrun_gives(tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(
        "import json, os\nopen(os.environ['LOOK'] + os.environ['RANK'], 'w').write(json.dumps(dict(os.environ)))"
    )
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    before = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run(started, check=True, env={**before, "LOOK": str(tmp_path / "rank")}, capture_output=True)
    for rank in range(2):
        given = json.loads((tmp_path / f"rank{rank}").read_text())
        added = given.keys() - before.keys() - {"LOOK"}
        own = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2", "MLK_NONCE": "n"}
        identify(own).complete(own)
        # What torchrun tells itself; the threads are those that this machine has for each rank.
        apart = {"TORCHELASTIC_ERROR_FILE", "TORCHELASTIC_SIGNALS_TO_HANDLE", "OMP_NUM_THREADS"}
        assert added - own.keys() <= apart
        # With a store of torchrun's own no rank listens; a job's rank 0 has to.
        elsewhere = {"MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE"}
        for name in (added & own.keys()) - elsewhere:
            assert own[name] == given[name], name
        assert own["TORCHELASTIC_USE_AGENT_STORE"] == "False"


def jax_cluster(env: dict[str, str]) -> Any:
    """The class that JAX is given in a rank with these variables."""
    known: list[Any] = []

    class ClusterEnv:
        def __init_subclass__(cls) -> None:
            known.append(cls)

    jax_hook._define(SimpleNamespace(ClusterEnv=ClusterEnv), identify(env))
    return known[0]


def test_jax_finds_the_ranks_and_a_coordinator_that_the_network_does_not_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    job = jax_cluster(
        {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "4000"}
    )
    assert job.is_env_present()
    assert job.get_coordinator_address(timeout_secs=300, override_coordinator_port=None) == "127.0.0.1:4001"
    assert os.environ["JAX_COORDINATOR_BIND_ADDRESS"] == "127.0.0.1:4001"
    assert (job.get_process_count(), job.get_process_id(), job.get_local_process_id()) == (2, 1, 1)


def test_where_nobody_started_several_ranks_jax_looks_for_itself() -> None:
    assert not jax_cluster({}).is_env_present()
