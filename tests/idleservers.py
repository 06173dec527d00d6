"""A server of this process's own, as it writes down its kernels for the command line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from mlk_jupyter.idle.policy import Policy, as_values
from mlk_jupyter.idle.servers import Server
from mlk_jupyter.idle.state import host
from mlk_jupyter.model.kernels import Explained, IdleTotals, Kernels, KernelState, LeaseView, PolicyView, SignalView

FIRST, SECOND = "0a1b2c3d-0000-4000-8000-000000000001", "0a1b2cff-0000-4000-8000-000000000002"


def kernel(kernel_id: str = FIRST, path: str | None = "work/train.ipynb", **known: Any) -> KernelState:
    """A kernel that is idle."""
    told = {"state": "quiet", "kind": "idle_gpu", "words": "idle, holds 1 GPU unused", **known}
    return KernelState(id=kernel_id, name="python3", path=path, **told)


def write(data_dir: Path, *kernels: KernelState, **known: Any) -> Server:
    """Writes what a server knows, as `server` makes it."""
    made = server(*kernels, **known)
    folder = data_dir / "idle" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{host()}-{made.pid}.json").write_text(json.dumps(made.model_dump(mode="json")))
    return made


def server(
    *kernels: KernelState,
    policy: Policy | None = None,
    pid: int | None = None,
    created: float | None = None,
    url: str = "http://127.0.0.1:8888/",
    **known: Any,
) -> Server:
    """A server; by default it is this process."""
    policy = policy or Policy(mode="enforce")
    signals = [SignalView(name="cpu", value=0.31), SignalView(name="gpu_busy", why="several tenants share the GPU")]
    return Server(
        pid=pid or os.getpid(),
        created=psutil.Process().create_time() if created is None else created,
        url=url,
        root="/srv/home",
        written=time.time() - 12,
        kernels=Kernels(
            kernels=list(kernels),
            policy=PolicyView(mode=policy.mode, values=as_values(policy)),
            now=time.time(),
            **{"totals": IdleTotals(saved_limit_s=3 * 86400.0), **known},
        ),
        explained={
            one.id: Explained(
                kernel=one,
                signals=signals,
                limits=as_values(policy),
                sources={"MLK_IDLE_TTL": "notebook"},
                sentences=["It has done nothing for 42 min.", "It holds 1 GPU and does not use it."],
            )
            for one in kernels
        },
    )


def lease(left_s: float, total_left_s: float | None = None) -> LeaseView:
    """A lease that holds."""
    return LeaseView(until=time.time() + left_s, left_s=left_s, total_left_s=total_left_s)
