"""What `mlk gpus` prints of places with GPUs, few rights, and none."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from mlk_jupyter.cli.gpus import lines_of
from mlk_jupyter.costs.prices import Price
from mlk_jupyter.gpus.attribution import attribute
from mlk_jupyter.gpus.readings import Reading, Use
from mlk_jupyter.gpus.stock import Allocation, Node, Resource, SourceState, Stock
from mlk_jupyter.monitor.view import gpus

GPU = Resource("nvidia.com/gpu", 2, "NVIDIA-H100-80GB-HBM3", "nvidia", usable_bytes=80 * 1024**3)
LISTED = Price(Decimal("6.88"), Decimal("1.28"), Decimal("6.88"), "USD", "table", "2025-12", "list price of H100, AWS")


def printed(price: Price | None = None, **more: Any) -> list[str]:
    there = Stock("k", "The cluster", 0.0, **more)
    shown = gpus([(there, attribute(there))], lambda node, resource: price, currency="USD", me=(), now=0.0)
    return [" ".join(line.split()) for line in lines_of(shown.places[0], shown)]


def test_nodes_holders_prices_and_where_figures_come_from() -> None:
    held = Allocation("a", GPU.name, 1, "job", "digits-1", "digits-1", "team", "digits-1-0", "ada", time.time() - 7210)
    use = Use("GPU-0", node="a", namespace="team", pod="digits-1-0", busy=Reading(0.875, "exporter", "pod", 0.0))
    lines = printed(
        LISTED,
        nodes=[Node("a", (GPU,), is_cordoned=True)],
        allocations=[held],
        uses=[use],
        sources=[SourceState("x", True)],
    )
    assert "a H100 80GB 2 1 0 80 GiB 1.28-6.88 USD/h cordoned" in lines
    assert "digits-1 (ada) 1 a 2 h 87% not known 6.88 USD/h" in lines
    assert "Prices: list price of H100, AWS." in lines


def test_what_is_not_known_is_called_so() -> None:
    state = SourceState("dcgm-exporter", False, "No pod of dcgm-exporter is seen.", "Install it.")
    lines = printed(nodes=[Node("a", (GPU,))], is_whole=False, why="Only pods of team may be listed.", sources=[state])
    assert "a H100 80GB 2 0 not known 80 GiB not known" in lines
    assert "Who holds them is not known." in lines
    assert "dcgm-exporter: No pod of dcgm-exporter is seen. Install it." in lines


def test_a_place_without_gpus_says_why_once() -> None:
    why = "This machine has no NVIDIA driver."
    lines = printed(why=why, hint="Check it.", sources=[SourceState("NVML", False, why, "Check it.")])
    assert [line for line in lines if line] == ["The cluster:", f"{why} Check it."]
