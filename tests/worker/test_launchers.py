"""A rank finds its place from what started it."""

from __future__ import annotations

import json

import pytest

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


def test_user_code_finds_all_six_variables() -> None:
    assert identify(TORCHRUN).environment() == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "node-0",
        "MASTER_PORT": "1234",
    }  # fmt: skip
