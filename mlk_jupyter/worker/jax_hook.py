"""`jax.distributed.initialize()` without arguments finds the job's ranks.

JAX asks each class it knows of a cluster whether it is there; a class is known from its definition on. The coordinator
listens on the port after MASTER_PORT, where PyTorch's process group does not.
"""

from __future__ import annotations

import os

from .imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from .launchers import Identity

_LOOPBACK = "127.0.0.1"


def install(identity: Identity) -> None:
    """To be called before the first cell."""
    when_imported("jax._src.clusters.cluster", lambda module: _define(module, identity))


def _define(module: Any, identity: Identity) -> None:
    class Job(module.ClusterEnv):  # type: ignore[misc]
        """The ranks of this job. Defined before JAX's own classes, it is asked before them."""

        name = "mlk"

        @classmethod
        def is_env_present(cls) -> bool:
            # Which TPU is whose, only Google's own metadata say.
            return identity.launcher != "none" and not getattr(module, "running_in_cloud_tpu_vm", False)

        @classmethod
        def get_coordinator_address(cls, *args: Any, override_coordinator_port: Any = None, **kwargs: Any) -> str:
            port = override_coordinator_port or int(identity.master_port) + 1
            if identity.master_addr == _LOOPBACK:  # else it listens where the network reaches it
                os.environ.setdefault("JAX_COORDINATOR_BIND_ADDRESS", f"{_LOOPBACK}:{port}")
            return f"{identity.master_addr}:{port}"

        @classmethod
        def get_process_count(cls) -> int:
            return identity.world_size

        @classmethod
        def get_process_id(cls) -> int:
            return identity.rank

        @classmethod
        def get_local_process_id(cls) -> Optional[int]:
            """Ranks that share a worker's GPUs have one each; a rank alone has all of them."""
            return identity.local_rank if identity.local_world_size > 1 else None
