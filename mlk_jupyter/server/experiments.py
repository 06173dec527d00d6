"""`/mlk/mlflow`: experiments and runs, read from the tracking server that this server was configured with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .features import Feature

if TYPE_CHECKING:
    from pydantic import BaseModel


def _told() -> Sequence[type[BaseModel]]:
    from ..model.runs import Curves, Experiments, RunDetail, RunsPage

    return (
        Curves,
        Experiments,
        RunDetail,
        RunsPage,
    )


FEATURE = Feature(told=_told)
