"""What an accelerator costs an hour, and who says so."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.costs.price_file import BadPrices
from mlk_jupyter.costs.prices import Price, PriceBook, share_of
from mlk_jupyter.gpus import mig
from mlk_jupyter.gpus.stock import Node, Resource

H100 = Resource("nvidia.com/gpu", 8, "NVIDIA-H100-80GB-HBM3", "nvidia")


def book(folder: Path, text: str | None = None, **environ: str) -> PriceBook:
    if text is not None:
        (folder / "prices.yaml").write_text(text)
    return PriceBook.load(folder, environ)


def price(of: PriceBook, node: Node, resource: Resource) -> Price:
    found = of.price(node, resource)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("product", "usd"),
    [
        ("NVIDIA-H100-80GB-HBM3", "6.88"),
        ("NVIDIA H200", "7.91"),
        ("NVIDIA-A100-SXM4-80GB", "3.43"),
        ("NVIDIA-A100-PCIE-40GB", "2.74"),
        ("nvidia-tesla-a100", "2.74"),
        ("Tesla-T4", "0.526"),
        ("NVIDIA-L4", "0.805"),
        ("NVIDIA-L40S", "1.86"),
        ("NVIDIA-A10G", "1.006"),
        ("NVIDIA-GH200-480GB", "2.29"),
        ("AMD_Instinct_MI300X_OAM", "6.00"),
        ("tpu-v5-lite-podslice", "1.20"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "6.88"),
    ],
)
def test_a_product_is_found_however_it_is_written(product: str, usd: str, tmp_path: Path) -> None:
    resource = Resource("nvidia.com/gpu", 1, product)
    found = price(book(tmp_path), Node("n", (resource,), is_spot=False), resource)
    assert (found.per_hour, found.source) == (Decimal(usd), "table")
    assert "list price" in found.words


@pytest.mark.parametrize("product", ["NVIDIA-GeForce-RTX-4090", None])
def test_what_nobody_prices_has_no_price(product: str | None, tmp_path: Path) -> None:
    resource = Resource("nvidia.com/gpu", 1, product)
    assert book(tmp_path).price(Node("n", (resource,)), resource) is None


def test_who_is_believed_before_whom(tmp_path: Path) -> None:
    node = Node("a", (H100,), instance_type="p5.48xlarge", is_spot=False, price="5")
    assert price(book(tmp_path), node, H100).source == "annotation"
    unnoted = Node("a", (H100,), instance_type="p5.48xlarge", is_spot=False)
    listed = price(book(tmp_path), unnoted, H100)
    assert (listed.per_hour, listed.words) == (Decimal("6.88"), "list price of p5.48xlarge, AWS, 2025-12")
    own = price(book(tmp_path, "currency: EUR\nas_of: 2026-11-01\ngpus: {H100: 2.1}\n"), node, H100)
    assert (own.per_hour, own.currency, own.source, own.as_of) == (Decimal("2.1"), "EUR", "file", "2026-11-01")


def test_a_spot_node_costs_less_and_one_of_which_nothing_is_said_has_bounds(tmp_path: Path) -> None:
    resource = Resource("nvidia.com/gpu", 1, "NVIDIA-L4")
    assert price(book(tmp_path), Node("x", (resource,), is_spot=True), resource).per_hour == Decimal("0.322")
    unknown = price(book(tmp_path), Node("x", (resource,)), resource)
    assert unknown.low < unknown.high == unknown.per_hour


def test_the_price_of_this_machine_is_shared_by_its_gpus(tmp_path: Path) -> None:
    resource = Resource("NVIDIA H100 80GB HBM3", 4, "NVIDIA H100 80GB HBM3")
    found = price(book(tmp_path, MLK_PRICE_PER_HOUR="10", MLK_CURRENCY="EUR"), Node("me", (resource,)), resource)
    assert (found.per_hour, found.currency, found.source) == (Decimal("2.5"), "EUR", "server")


@pytest.mark.parametrize("text", ["much", "-1", "nan", "1e99"])
def test_a_price_of_this_machine_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadPrices, match="MLK_PRICE_PER_HOUR"):
        book(tmp_path, MLK_PRICE_PER_HOUR=text)


def test_nodes_are_priced_by_their_labels(tmp_path: Path) -> None:
    node = Node("n", (H100,), labels={"pool": "a"})
    assert price(book(tmp_path, "nodes: {'pool=a': 1}\n"), node, H100).per_hour == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpus:\n  H100: {per_hour: -1}\n", "line 2"),
        ("currencie: EUR\n", "line 1"),
        ("gpus: [\n", "line"),
        ("gpus:\n  H100: .nan\n", "line 2"),
        ("- 1\n", "prices.yaml"),
        ("a: &a [1]\nb: *a\n", "prices.yaml"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadPrices) as raised:
        book(tmp_path, text)
    assert said in raised.value.detail and raised.value.hint


cuts = st.sampled_from(
    [
        {"4g.40gb": 1, "3g.40gb": 1},
        {"1g.10gb": 7},
        {"3g.40gb": 2},
        {"2g.20gb": 3, "1g.10gb": 1},
        {"1g.20gb": 4},
        {"7g.80gb": 1},
        {"3g.40gb": 1},
    ]
)


@given(st.lists(cuts, min_size=1, max_size=8), st.integers(0, 8))
def test_slices_never_cost_more_than_the_gpus_that_they_are_cut_from(layout: list[dict[str, int]], whole: int) -> None:
    total: dict[str, int] = {}
    for cut in layout:
        for profile, count in cut.items():
            total[profile] = total.get(profile, 0) + count
    product = "NVIDIA-H100-80GB-HBM3"
    resources = [
        Resource(f"nvidia.com/mig-{one}", count, product, "nvidia", "mig", one, weight=mig.weight(one, product))
        for one, count in total.items()
    ]
    if whole:
        resources.append(Resource("nvidia.com/gpu", whole, product))
    gpus = len(layout) + whole
    shares = sum(share_of(Node("n", tuple(resources)), one, gpus) * one.total for one in resources)
    assert shares <= gpus + Decimal("1e-9")
