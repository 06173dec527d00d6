"""Functions as people write them: a job imports this module, as it lies beside them."""

from __future__ import annotations

from typing import Any

BESIDE = 2


def double(x: Any) -> Any:
    return x * BESIDE


def train(x: Any, *, lr: float = 0.5) -> dict[str, Any]:
    print("training")
    return {"x": double(x), "lr": lr}


class Model:
    def __init__(self, weight: float) -> None:
        self.weight = weight


def makes_model() -> Any:
    return Model(3.5)


def fails(text: str) -> None:
    raise ValueError(text)
