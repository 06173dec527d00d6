"""Tells the keeper of MLflow runs and metrics that the notebook logs."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wire import Sender


def install(sender: Sender) -> None:
    pass


def watching() -> bool:
    return False
