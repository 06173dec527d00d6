"""What faces are shown of accelerators: totals, prices, what does nothing, and what is not known."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.costs.prices import Price
from mlk_jupyter.gpus.attribution import attribute
from mlk_jupyter.gpus.readings import Reading, Use
from mlk_jupyter.gpus.stock import Allocation, Node, Resource, Stock
from mlk_jupyter.model.gpus import Gpus
from mlk_jupyter.monitor.poller import Monitor
from mlk_jupyter.monitor.view import gpus, title_of

GPU = "nvidia.com/gpu"


def price(per_hour: str | None = "2.00") -> Callable[[Node, Resource], Price | None]:
    def of(node: Node, resource: Resource) -> Price | None:
        if per_hour is None:
            return None
        amount = Decimal(per_hour) * Decimal(str(resource.weight))
        return Price(amount, amount, amount, "USD", "file", None, "a test")

    return of


def node(total: int = 4, **more: Any) -> Node:
    return Node("n", (Resource(GPU, total, "NVIDIA-H100-80GB-HBM3", "nvidia"),), **more)


def held(name: str, count: int = 1, **more: Any) -> Allocation:
    return Allocation("n", GPU, count, "pod", f"team/{name}", name, "team", name, **more)


def use(pod: str | None, busy: float | None, at: float = 0.0, number: int = 0) -> Use:
    reading = None if busy is None else Reading(busy, "exporter", "pod" if pod else "device", at)
    return Use(f"GPU-{number}", node="n", namespace="team" if pod else None, pod=pod, busy=reading)


def stock(
    *allocations: Allocation, uses: Sequence[Use] = (), nodes: Sequence[Node] | None = None, **more: Any
) -> Stock:
    return Stock("k", "The cluster", 0.0, [node()] if nodes is None else nodes, allocations, uses, **more)


def view(*stocks: Stock, per_hour: str | None = "2.00", **more: Any) -> Gpus:
    return gpus(
        [(one, attribute(one)) for one in stocks],
        price(per_hour),
        currency="USD",
        me={"ada"},
        now=more.pop("now", 0.0),
        **more,
    )


class Watch:
    """A monitor with a clock of its own, and stocks of a test."""

    def __init__(self, folder: Path, *stocks: Stock) -> None:
        self.now, self.stocks, self.looks = 1_000_000.0, list(stocks), 0
        self.monitor = Monitor(self._ask, folder, me={"ada"}, environ=dict, clock=lambda: self.now)

    async def _ask(self) -> Sequence[Stock]:
        self.looks += 1
        await asyncio.sleep(0)
        return [dataclasses.replace(one, at=self.now) for one in self.stocks]

    async def after(self, seconds: float) -> Gpus:
        self.now += seconds
        return await self.monitor.look(0.0)


def test_what_is_held_free_and_used_of_each_product() -> None:
    there = stock(held("a", 2), held("b"), uses=[use("a", 0.5), use("a", 0.7, number=1), use("b", 0.0, number=2)])
    (product,) = view(there).places[0].products
    assert (product.product, product.total, product.held, product.free) == ("H100 80GB", 4, 3, 1)
    assert product.used == pytest.approx(1.2)
    assert view(there).places[0].unallocated_per_hour == 2.0


def test_the_work_of_a_product_is_unknown_where_one_holder_is() -> None:
    there = stock(held("a"), held("b"), uses=[use("a", 0.5)])
    assert view(there).places[0].products[0].used is None


def test_nodes_that_take_no_pods_have_nothing_free() -> None:
    there = stock(nodes=[node(is_cordoned=True)])
    assert view(there).places[0].products[0].free == 0


def test_where_not_all_is_seen_free_is_unknown_and_no_waste_is_told() -> None:
    shown = view(stock(held("a"), is_whole=False, why="No right.")).places[0]
    assert shown.products[0].free is None and shown.unallocated_per_hour is None and shown.why == "No right."


def test_without_a_price_costs_are_unknown_never_nothing() -> None:
    shown = view(stock(held("a"), uses=[use("a", 0.0)]), per_hour=None)
    assert shown.places[0].nodes[0].holders[0].cost_per_hour is None
    assert shown.places[0].unallocated_per_hour is None


def test_a_price_in_another_currency_is_not_added() -> None:
    there = stock(held("a"))
    shown = gpus([(there, attribute(there))], price("2"), currency="EUR", me=(), now=0.0)
    assert shown.places[0].nodes[0].holders[0].cost_per_hour is None


def test_what_is_mine_comes_first_and_of_that_what_does_nothing(tmp_path: Path) -> None:
    mine = held("a", user="ada"), held("b", user="ada"), held("c", user="eve")
    watch = Watch(tmp_path, stock(*mine, uses=[use("a", 0.9), use("b", 0.0, number=1), use("c", 0.0, number=2)]))

    async def story() -> Gpus:
        await watch.after(0)
        return await watch.after(600)

    shown = asyncio.run(story())
    assert [(one.name, one.unused_since) for one in shown.mine] == [("b", 1_000_000.0), ("a", None)]
    assert (shown.wasted_gpus, shown.wasted_per_hour) == (2.0, pytest.approx(2 * 6.88))
    assert shown.advice == []


def test_after_half_an_hour_idleness_is_advised_about_until_it_is_dismissed(tmp_path: Path) -> None:
    watch = Watch(tmp_path, stock(held("a"), uses=[use("a", 0.0)]))

    async def story() -> list[list[str]]:
        await watch.after(0)
        for _ in range(2):
            await watch.after(900)
        (advice,) = (await watch.after(1)).advice
        assert advice.saving_per_week == pytest.approx(6.88 * 168) and "30 min" in advice.evidence[0]
        await watch.monitor.dismiss(advice.id, 7)
        titles = [[one.title for one in (await watch.monitor.look(1e9)).advice]]
        titles.append([one.title for one in (await watch.after(60)).advice])
        for _ in range(8 * 24 * 2):
            shown = await watch.after(1800)
        return [*titles, [one.title for one in shown.advice]]

    assert asyncio.run(story()) == [[], [], ["a holds 1 GPU and uses none"]]


def test_a_figure_that_is_missing_once_neither_begins_nor_ends_idleness(tmp_path: Path) -> None:
    watch = Watch(tmp_path, stock(held("a"), uses=[use("a", 0.0)]))

    async def story() -> list[float | None]:
        found = []
        for busy in (0.0, None, 0.0, 0.5, None, 0.0):
            watch.stocks = [stock(held("a"), uses=[use("a", busy)])]
            shown = await watch.after(60)
            found.append(shown.places[0].nodes[0].holders[0].unused_since)
        return found

    begun = 1_000_060.0
    assert asyncio.run(story()) == [begun, begun, begun, None, None, 1_000_360.0]


def test_who_was_not_looked_at_for_long_is_not_said_to_have_been_idle_meanwhile(tmp_path: Path) -> None:
    watch = Watch(tmp_path, stock(held("a"), uses=[use("a", 0.0)]))

    async def story() -> float | None:
        await watch.after(0)
        return (await watch.after(7200)).places[0].nodes[0].holders[0].unused_since

    assert asyncio.run(story()) == 1_007_200.0


def test_whoever_asks_at_the_same_time_causes_one_look(tmp_path: Path) -> None:
    watch = Watch(tmp_path, stock())

    async def story() -> None:
        answers = await asyncio.gather(*(watch.monitor.look() for _ in range(30)))
        assert len({id(one) for one in answers}) == 1
        await watch.monitor.look()
        watch.now += 30
        await watch.monitor.look()

    asyncio.run(story())
    assert watch.looks == 2


def test_the_course_of_a_device_has_a_value_a_minute_and_gaps_where_nobody_looked(tmp_path: Path) -> None:
    watch = Watch(tmp_path, stock())

    async def story() -> list[float | None]:
        for seconds, busy in ((0, 0.1), (10, 0.9), (60, 0.2), (180, 0.4)):
            watch.stocks = [stock(uses=[use(None, busy)])]
            shown = await watch.after(seconds)
        return shown.places[0].nodes[0].devices[0].history

    assert asyncio.run(story()) == [0.9, 0.2, None, None, 0.4]


def test_a_file_of_prices_that_cannot_be_used_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("gpus: [1]\n")
    shown = asyncio.run(Watch(tmp_path, stock()).after(0))
    assert "prices.yaml" in shown.notes[0] and shown.places[0].products


@pytest.mark.parametrize("text", ["", "[]", "{", '{"idle-1": "x"}'])
def test_a_damaged_file_of_dismissals_dismisses_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "advice.json").write_text(text)
    assert asyncio.run(Watch(tmp_path, stock()).after(0)).places


@pytest.mark.parametrize(
    ("product", "profile", "sharing", "title"),
    [
        ("NVIDIA-H100-80GB-HBM3", None, "none", "H100 80GB"),
        ("NVIDIA H200", "1g.18gb", "mig", "H200 · 1g.18gb"),
        ("NVIDIA-L4", None, "time-slicing", "L4 · shared"),
        ("NVIDIA-A100-SXM4-80GB", None, "none", "A100 80GB"),
        ("AMD_Instinct_MI300X_OAM", None, "none", "Instinct MI300X"),
        (None, None, "none", "GPU"),
    ],
)
def test_what_a_product_is_called(product: str | None, profile: str | None, sharing: str, title: str) -> None:
    assert title_of(product, profile, sharing) == title


amounts = st.integers(0, 8)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5))
def test_held_and_free_and_their_costs_are_the_whole_node(pairs: list[tuple[int, int]]) -> None:
    nodes = [
        Node(f"n{at}", (Resource(GPU, held + free, "H100"),)) for at, (held, free) in enumerate(pairs) if held + free
    ]
    there = [
        Allocation(f"n{at}", GPU, held, "pod", f"team/p{at}", f"p{at}", "team", f"p{at}")
        for at, (held, _) in enumerate(pairs)
        if held
    ]
    shown = view(stock(*there, nodes=nodes)).places[0]
    costs = sum(holder.cost_per_hour or 0 for one in shown.nodes for holder in one.holders)
    assert costs + (shown.unallocated_per_hour or 0) == pytest.approx(2.0 * sum(held + free for held, free in pairs))


def test_a_price_says_its_bounds_and_whose_it_is(tmp_path: Path) -> None:
    shown = asyncio.run(Watch(tmp_path, stock()).after(0)).places[0].nodes[0].resources[0]
    assert (shown.price_low, shown.price_per_hour, shown.price_high) == (1.28, 6.88, 6.88)
    assert shown.price_words is not None and shown.price_words.startswith("list price of H100, AWS, 2025-12")


def test_a_thousand_gpus_are_looked_at_and_each_is_somebodys(tmp_path: Path) -> None:
    nodes = [Node(f"n{at}", (Resource(GPU, 8, "NVIDIA-H100-80GB-HBM3"),)) for at in range(125)]
    names = [(f"n{at}", f"p{at}-{number}") for at in range(125) for number in range(8)]
    there = [Allocation(node, GPU, 1, "pod", f"team/{pod}", pod, "team", pod) for node, pod in names]
    uses = [
        Use(f"GPU-{pod}", node=node, namespace="team", pod=pod, busy=Reading(0.5, "exporter", "pod", 0.0))
        for node, pod in names
    ]
    shown = asyncio.run(Watch(tmp_path, stock(*there, uses=uses, nodes=nodes)).after(0)).places[0]
    assert shown.products[0].used == pytest.approx(500.0)
    assert {device.state for node in shown.nodes for device in node.devices} == {"held"}
