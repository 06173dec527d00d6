"""Which rank this is, found from what started it. Pure."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, MutableMapping, Optional

DEFAULT_PORT = "29500"  # what torch.distributed takes where nothing is said


class Identity:
    """One rank's place in its job.

    Attributes: rank, world_size, local_rank, local_world_size, worker: numbers from 0 (sizes from 1).
                master_addr, master_port: where rank 0 listens. launcher: what said so, in a word.
    """

    def __init__(
        self,
        launcher: str,
        rank: int,
        world_size: int,
        local_rank: int = 0,
        local_world_size: int = 1,
        master_addr: str = "127.0.0.1",
        master_port: str = DEFAULT_PORT,
        worker: Optional[int] = None,
    ) -> None:
        if not (0 <= rank < world_size and 0 <= local_rank < local_world_size):
            raise ValueError(f"rank {rank} of {world_size}, local rank {local_rank} of {local_world_size}")
        self.launcher = launcher
        self.rank, self.world_size = rank, world_size
        self.local_rank, self.local_world_size = local_rank, local_world_size
        self.master_addr, self.master_port = master_addr, master_port
        self.worker = rank // local_world_size if worker is None else worker

    @property
    def workers(self) -> int:
        """How many workers the job has."""
        return -(-self.world_size // self.local_world_size)

    def environment(self) -> Dict[str, str]:
        """The variables that say this rank's place: torchrun's, and Lightning's name for the worker (NODE_RANK)."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.world_size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_world_size),
            "GROUP_RANK": str(self.worker),
            "GROUP_WORLD_SIZE": str(self.workers),
            "NODE_RANK": str(self.worker),
            "MASTER_ADDR": self.master_addr,
            "MASTER_PORT": self.master_port,
        }

    def complete(self, env: MutableMapping[str, str]) -> None:
        """Makes an environment the one that torchrun gives: the place, and what it says beside it where nobody has.

        Libraries ask TORCHELASTIC_RUN_ID whether the ranks were started for them, and start their own where not. A
        TORCHELASTIC_ERROR_FILE is not given: no agent would read it.
        """
        env.update(self.environment())
        for name, value in {
            "ROLE_NAME": "default",
            "ROLE_RANK": str(self.rank),
            "ROLE_WORLD_SIZE": str(self.world_size),
            "TORCHELASTIC_RUN_ID": env.get("MLK_JOB") or "none",  # torchrun's own word for a run without a name
            "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_MAX_RESTARTS": "0",
            "TORCHELASTIC_USE_AGENT_STORE": "False",  # rank 0 has to be the one that listens
            "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        }.items():
            env.setdefault(name, value)


def identify(env: Mapping[str, str]) -> Identity:
    """This rank's place, from the first launcher that has left its trace: torchrun or ours (RANK and WORLD_SIZE),
    PET_* of a training operator, Open MPI, an Indexed Job, TF_CONFIG; alone where there is none.

    Raises: ValueError with a sentence when the trace contradicts itself.
    """
    try:
        for read in (_torchrun, _operator, _open_mpi, _indexed_job, _tensorflow):
            identity = read(env)
            if identity is not None:
                return identity
        return Identity("none", 0, 1)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The launcher's variables do not say which rank this is: {error}") from error


def _master(env: Mapping[str, str]) -> Dict[str, str]:
    return {
        "master_addr": env.get("MASTER_ADDR") or env.get("PET_MASTER_ADDR") or "127.0.0.1",
        "master_port": env.get("MASTER_PORT") or env.get("PET_MASTER_PORT") or DEFAULT_PORT,
    }


def _torchrun(env: Mapping[str, str]) -> Optional[Identity]:
    """torchrun, our own launcher, and PyTorchJob without torchrun (one rank a pod)."""
    if not (env.get("RANK") and env.get("WORLD_SIZE")):
        return None
    worker = env.get("MLK_WORKER") or env.get("GROUP_RANK")
    return Identity(
        "torchrun" if env.get("TORCHELASTIC_RUN_ID") else "mlk" if env.get("MLK_NONCE") else "environment",
        int(env["RANK"]),
        int(env["WORLD_SIZE"]),
        int(env.get("LOCAL_RANK") or 0),
        int(env.get("LOCAL_WORLD_SIZE") or 1),
        worker=int(worker) if worker else None,
        **_master(env),
    )


def _operator(env: Mapping[str, str]) -> Optional[Identity]:
    """PET_* of a training operator whose pods start one rank each, without torchrun."""
    if not (env.get("PET_NODE_RANK") and env.get("PET_NNODES")):
        return None
    nodes = int(env["PET_NNODES"].split(":")[-1])
    return _of_worker("operator", int(env["PET_NODE_RANK"]), nodes, env.get("PET_NPROC_PER_NODE"), env)


def _open_mpi(env: Mapping[str, str]) -> Optional[Identity]:
    if not (env.get("OMPI_COMM_WORLD_RANK") and env.get("OMPI_COMM_WORLD_SIZE")):
        return None
    return Identity(
        "mpi",
        int(env["OMPI_COMM_WORLD_RANK"]),
        int(env["OMPI_COMM_WORLD_SIZE"]),
        int(env.get("OMPI_COMM_WORLD_LOCAL_RANK") or 0),
        int(env.get("OMPI_COMM_WORLD_LOCAL_SIZE") or 1),
        worker=int(env["MLK_WORKER"]) if env.get("MLK_WORKER") else None,
        **_master(env),
    )


def _indexed_job(env: Mapping[str, str]) -> Optional[Identity]:
    """An Indexed Job: the pod's index is the worker's number. MLK_WORKERS says how many there are."""
    if not (env.get("JOB_COMPLETION_INDEX") and env.get("MLK_WORKERS")):
        return None
    worker = int(env["JOB_COMPLETION_INDEX"])
    return _of_worker("indexed job", worker, int(env["MLK_WORKERS"]), env.get("MLK_RANKS_PER_WORKER"), env)


def _of_worker(launcher: str, worker: int, workers: int, per_worker: Optional[str], env: Mapping[str, str]) -> Identity:
    """Ranks of a pod count on from the pod before it; LOCAL_RANK says which of them this is."""
    local_size = int(per_worker) if per_worker and per_worker.isdigit() else 1
    local = int(env.get("LOCAL_RANK") or 0)
    return Identity(
        launcher, worker * local_size + local, workers * local_size, local, local_size, worker=worker, **_master(env)
    )


def _tensorflow(env: Mapping[str, str]) -> Optional[Identity]:
    """TF_CONFIG: the chief (or master) is rank 0, workers follow; parameter servers and evaluators have no rank."""
    if not env.get("TF_CONFIG"):
        return None
    config: Dict[str, Any] = json.loads(env["TF_CONFIG"])
    task, cluster = config.get("task") or {}, config.get("cluster") or {}
    if not task or not cluster:
        return None
    members = [(kind, index) for kind in ("chief", "master", "worker") for index in range(len(cluster.get(kind, [])))]
    place = (task["type"], int(task["index"]))
    if place not in members:
        raise ValueError(f"TF_CONFIG names task {place[0]} {place[1]}, which is no training worker")
    rank = members.index(place)
    first = cluster[members[0][0]][members[0][1]]
    # The port in TF_CONFIG belongs to TensorFlow's own server; ours must be another one.
    return Identity(
        "tensorflow",
        rank,
        len(members),
        worker=rank,
        master_addr=env.get("MASTER_ADDR") or first.rsplit(":", 1)[0],
        master_port=env.get("MASTER_PORT") or DEFAULT_PORT,
    )
