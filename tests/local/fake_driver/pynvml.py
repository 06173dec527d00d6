"""Stands in for nvidia-ml-py where there is no GPU: put this folder on PYTHONPATH. PRETENDED_GPUS says how many."""

from __future__ import annotations

import os
from types import SimpleNamespace


def nvmlInit() -> None:
    pass


def nvmlShutdown() -> None:
    pass


def nvmlDeviceGetCount() -> int:
    return int(os.environ["PRETENDED_GPUS"])


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    return index


def nvmlDeviceGetUUID(index: int) -> str:
    return f"GPU-{index:08d}"


def nvmlDeviceGetName(index: int) -> str:
    return "Pretended GPU"


def nvmlDeviceGetMemoryInfo(index: int) -> SimpleNamespace:
    return SimpleNamespace(total=80 * 1024**3, used=0, free=80 * 1024**3)


def nvmlDeviceGetMigMode(index: int) -> tuple[int, int]:
    return 0, 0


def nvmlDeviceGetUtilizationRates(index: int) -> SimpleNamespace:
    return SimpleNamespace(gpu=0, memory=0)


def nvmlDeviceGetComputeRunningProcesses(index: int) -> list[SimpleNamespace]:
    return []
