"""`/mlk/costs` and the topic `costs`: what jobs and kernels cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .features import Feature

if TYPE_CHECKING:
    from pydantic import BaseModel


def _told() -> Sequence[type[BaseModel]]:
    from ..model.costs import Costs, JobCost, JobCosts

    return (
        Costs,
        JobCost,
        JobCosts,
    )


FEATURE = Feature(told=_told)
