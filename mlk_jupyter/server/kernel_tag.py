"""Every kernel that this server starts bears its own id in its environment, and so does all that it starts."""

from __future__ import annotations

import functools
from typing import Any

from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

TAG = "MLK_KERNEL_ID"


def install(serverapp: Any) -> None:
    """Has the tag set from now on, once however often it is called.

    In the method by which all provisioners complete an environment, at each start and restart. A provisioner of ours
    would take the place of the one that is configured, and start none of the kernels whose kernelspec names another.

    Args: serverapp: the server; all that runs in its process is reached.
    """
    if TAG in getattr(KernelProvisionerBase._finalize_env, "sets", ()):
        return
    complete = KernelProvisionerBase._finalize_env

    @functools.wraps(complete)
    def tag(self: Any, env: dict[str, str]) -> None:
        complete(self, env)
        env[TAG] = self.kernel_id

    tag.sets = (TAG,)  # type: ignore[attr-defined]
    KernelProvisionerBase._finalize_env = tag  # type: ignore[method-assign]
