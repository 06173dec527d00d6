"""`/mlk/gpus` and the topic `gpus`: what accelerators there are, who holds them, and what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .features import Feature

if TYPE_CHECKING:
    from pydantic import BaseModel


def _told() -> Sequence[type[BaseModel]]:
    from ..model.gpus import GpuHistory, Gpus

    return (
        Gpus,
        GpuHistory,
    )


FEATURE = Feature(told=_told)
