"""The environment of one rank. Pure: the inherited variables come as an argument."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...model import JobSpec

# Secrets of the server or kernel that submitted the job, which its code has no business with.
_SECRET = re.compile(r"JPY_.*|JUPYTERHUB_(API_TOKEN|CLIENT_ID|OAUTH_.*)|JUPYTER_TOKEN|KERNEL_.*TOKEN|EG_AUTH_TOKEN")
# What other launchers, and an outer job of ours, said about a process group that is not this one.
_FOREIGN = re.compile(
    r"(NODE_)?RANK|WORLD_SIZE|(LOCAL|GROUP|ROLE)_(RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(ADDR|PORT)|PET_.*|TORCHELASTIC_.*"
    r"|OMPI_.*|PMI_.*|PMIX_.*|JAX_COORDINATOR_.*|JOB_COMPLETION_INDEX|TF_CONFIG|MLK_(?!DATA_DIR$).*"
)


@dataclass(frozen=True)
class Place:
    """Where one rank stands in its job."""

    rank: int
    worker: int
    local_rank: int
    port: int
    """Of the process group, on 127.0.0.1."""
    gpus: list[str] | None
    """UUIDs of its worker's GPUs; None where the job asked for none."""


def places(spec: JobSpec, port: int, gpus: list[str]) -> list[Place]:
    """All ranks of a job. `gpus` are the granted UUIDs, `spec.gpus` for each worker in turn."""
    found = []
    for rank in range(spec.world_size):
        worker, local_rank = divmod(rank, spec.ranks_in_worker)
        own = gpus[worker * spec.gpus : (worker + 1) * spec.gpus] if spec.gpus else None
        found.append(Place(rank, worker, local_rank, port, own))
    return found


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the submitter's environment goes on to the ranks: no tokens, no other process group."""
    return {
        name: value for name, value in environ.items() if not _SECRET.fullmatch(name) and not _FOREIGN.fullmatch(name)
    }


def environment(
    spec: JobSpec, place: Place, *, base: Mapping[str, str], job: Path, nonce: str, lifeline: int, cores: int
) -> dict[str, str]:
    """Everything a rank finds in its environment, MLflow's variables left out.

    Args:
        base: what it inherits (see `inherited`), the kernelspec's variables included.
        job: the job folder.
        lifeline: number of the pipe whose end of file says that the supervisor is gone.
        cores: cores that all ranks share.
    """
    env = dict(base)
    # Threads of all ranks together fill the cores once: the default, all cores for each rank, makes them wait.
    env.setdefault("OMP_NUM_THREADS", str(max(1, cores // spec.world_size)))
    # What ranks of one machine tell each other stays on it; else gloo and NCCL listen where the network reaches them.
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        env.setdefault(name, "lo0" if sys.platform == "darwin" else "lo")
    env.update(spec.env)
    if place.gpus is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(place.gpus)
    elif "CUDA_VISIBLE_DEVICES" not in spec.env:
        env["CUDA_VISIBLE_DEVICES"] = ""  # a job that asked for no GPU must not take one that another job holds
    env.update(
        RANK=str(place.rank),
        WORLD_SIZE=str(spec.world_size),
        LOCAL_RANK=str(place.local_rank),
        LOCAL_WORLD_SIZE=str(spec.ranks_in_worker),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(place.port),
        MLK_JOB=job.name,
        MLK_NONCE=nonce,
        MLK_WORKER=str(place.worker),
        MLK_LIFELINE=str(lifeline),
        MLK_FILES=str(job / "files"),
        MLK_OUTPUTS=str(job / "outputs"),
        MLK_OUTPUT_LIMITS="{} {}".format(*spec.output_limits),
        MLK_CHECKPOINT_DIR=str(job / "checkpoints"),
        MLK_PARAMETERS=json.dumps(spec.parameters),
    )
    return env
