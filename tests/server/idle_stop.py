"""Stopping a kernel in a test."""

from __future__ import annotations

from typing import Any

import psutil

from mlk_jupyter.idle.kernels import Ended, Look
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.stopping import stop
from mlk_jupyter.server.kernel_host import JupyterKernels

WHY = "This kernel is being stopped: it was idle for 1 h."


def seen(host: JupyterKernels, kernel_id: str) -> Look:
    look = host.look(kernel_id)
    assert look is not None
    return look


async def stopped(host: JupyterKernels, kernel_id: str, kind: Any = "idle", **more: Any) -> Ended:
    """Stops a kernel that is due for good, unless `more` says otherwise."""

    async def yes() -> bool:
        return True

    async def none() -> list[str]:
        return []

    asked = {"still_due": yes, "leftovers": none, "policy": Policy(), "why": WHY, **more}
    return await stop(host, kernel_id, kind=kind, **asked)


def runs(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
