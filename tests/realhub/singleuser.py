"""A person's server, of which each kernel holds one GPU that does nothing, where `TEST_GPU` says so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from jupyterhub.singleuser import main

from mlk_jupyter.idle.kernels import Process, Usage
from mlk_jupyter.idle.processes import Usages
from mlk_jupyter.idle.signals import Signal

if os.environ.get("TEST_GPU"):
    measured = Usages.sample

    def sample(self: Usages, targets: Mapping[str, Process]) -> dict[str, Usage]:
        held = {"gpus": Signal(1, 0.0), "gpu_busy": Signal(0.0, 0.0), "gpu_memory": Signal(2**30, 0.0)}
        return {name: replace(usage, **held) for name, usage in measured(self, targets).items()}

    Usages.sample = sample  # type: ignore[method-assign]

main()
