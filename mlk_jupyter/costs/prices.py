"""What one accelerator costs an hour, and who says so. Pure but for `PriceBook.load`, which reads a file.

Believed in this order: the person's file, the price of this server (MLK_PRICE_PER_HOUR), the node's annotation, the
list price of the instance type, that of the product. Where none knows it, the price is unknown, never 0.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from ..gpus.stock import Node, Resource

if TYPE_CHECKING:
    from .price_file import PriceFile, Rate

PriceSource = Literal["file", "server", "annotation", "table"]
SPOT_SHARE = Decimal("0.40")
"""What a spot node costs of the price on demand where its price is not known. Seen in 2025: 0.11 to 0.47."""
_MOST = Decimal(1_000_000)
_WORD = re.compile(r"[A-Z0-9]+")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Price:
    """Of one unit for an hour."""

    per_hour: Decimal
    low: Decimal
    high: Decimal
    """Bounds: a spot price moves, and of some nodes it is not known whether they are spot nodes."""
    currency: str
    source: PriceSource
    as_of: str | None
    """Date of the price, ISO; None: not known."""
    words: str
    """For a person: "list price of p5.48xlarge, AWS, 2025-12"."""

    def times(self, share: Decimal) -> Price:
        """Of so many units, or of a share of one."""
        return replace(self, per_hour=self.per_hour * share, low=self.low * share, high=self.high * share)


class _Listed(NamedTuple):
    """A row of a table: of one whole GPU."""

    on_demand: Decimal
    spot: tuple[Decimal, Decimal] | None
    gpus: int | None
    as_of: str | None
    words: str


@dataclass(frozen=True)
class PriceBook:
    """All prices that are known here."""

    currency: str = "USD"
    """In which most is priced: the file's, else MLK_CURRENCY."""
    file: PriceFile | None = None
    server: Decimal | None = None
    """Of this whole machine."""
    server_currency: str = "USD"

    @classmethod
    def load(cls, data_dir: Path, env: Mapping[str, str]) -> PriceBook:
        """Blocking. Raises: BadPrices that names the variable, or the file with the line and the field."""
        path = Path(env["MLK_PRICES"]).expanduser() if env.get("MLK_PRICES") else data_dir / "prices.yaml"
        named = env.get("MLK_CURRENCY", "").strip()
        currency = named if re.fullmatch("[A-Z]{3}", named) else "USD"
        own = None
        if env.get("MLK_PRICES") or path.exists():
            from .price_file import BadPrices, read_prices

            try:
                own = read_prices(path)
            except OSError as error:
                hint = "Correct MLK_PRICES, or leave it unset." if env.get("MLK_PRICES") else "Check its permissions."
                raise BadPrices(f"{path}: {error.strerror or error}.", hint=hint) from error
        told = env.get("MLK_PRICE_PER_HOUR", "").strip()
        server = amount_of(told)
        if told and server is None:
            from .price_file import BadPrices

            raise BadPrices(f"MLK_PRICE_PER_HOUR is {told[:50]!r}.", hint="Write an amount, for example 12.40.")
        return cls(own.currency if own else currency, own, server, currency)

    def price(self, node: Node, resource: Resource) -> Price | None:
        """What one unit of a resource on a node costs an hour; None: not known.

        A replica costs its share of a GPU, and a MIG slice its weight: where the slices of a GPU weigh more than 1
        together (4g and 3g), they share the price of one.
        """
        instance = _instances().get(node.instance_type or "")
        own = self.file.instances.get(node.instance_type or "") if self.file else None
        gpus = (own.gpus if own else None) or (instance.gpus if instance else None) or _gpus_of(node)
        whole = self._whole(node, resource, gpus, instance)
        return None if whole is None else whole.times(share_of(node, resource, gpus))

    def _whole(self, node: Node, resource: Resource, gpus: int, instance: _Listed | None) -> Price | None:
        """Of one whole GPU."""
        own = self._in_file(node, resource, gpus)
        if own is not None:
            return own
        if self.server is not None and "/" not in resource.name:  # pods' resources have their vendor's domain
            each = self.server / gpus
            words = "MLK_PRICE_PER_HOUR" if gpus == 1 else f"MLK_PRICE_PER_HOUR for {gpus} GPUs together"
            return Price(each, each, each, self.server_currency, "server", None, words)
        told = amount_of(node.price)
        if told is not None:
            return Price(told, told, told, self.currency, "annotation", None, f"the price that node {node.name} bears")
        listed = instance or best(_products(), resource.product)
        return None if listed is None else _by_capacity(listed, node.is_spot)

    def _in_file(self, node: Node, resource: Resource, gpus: int) -> Price | None:
        if self.file is None:
            return None
        labels = (f"{key}={value}" for key, value in node.labels.items())
        named = next((self.file.nodes[key] for key in (node.name, *labels) if key in self.file.nodes), None)
        if named is not None:
            return self._own(named, 1, node, f"your price of node {node.name}")
        instance = self.file.instances.get(node.instance_type or "")
        if instance is not None:
            return self._own(instance, gpus, node, f"your price of {node.instance_type}")
        rate = best({words_of(key): (key, rate) for key, rate in self.file.gpus.items()}, resource.product)
        return None if rate is None else self._own(rate[1], 1, node, f"your price of {rate[0]}")

    def _own(self, rate: Rate, gpus: int, node: Node, words: str) -> Price:
        assert self.file is not None
        spot = None if rate.spot is None else (rate.spot / gpus, rate.spot / gpus)
        row = _Listed(rate.per_hour / gpus, spot, None, self.file.as_of, words)
        # A person who gives one price means it, also for nodes of which nothing says that they are no spot nodes.
        capacity = False if spot is None and node.is_spot is None else node.is_spot
        return _by_capacity(row, capacity, self.currency, "file")


def best(rows: Mapping[frozenset[str], _T], product: str | None) -> _T | None:
    """The row whose words are all in a product's name, of several the one of most words.

    `NVIDIA-A100-SXM4-80GB` is found by "A100 80GB" before "A100".
    """
    words = words_of(product or "")
    fitting = [key for key in rows if key and key <= words]
    return rows[max(fitting, key=lambda key: (len(key), sorted(key)))] if fitting else None


def words_of(product: str) -> frozenset[str]:
    """What a product's name is compared by: its words in capitals, whatever stands between them."""
    return frozenset(_WORD.findall(product.upper())) - {"NVIDIA"}


def amount_of(text: object) -> Decimal | None:
    """An amount that somebody wrote down; None where it is none, negative, or beyond reason."""
    try:
        amount = Decimal(str(text).strip()) if isinstance(text, (str, int, float)) and str(text).strip() else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and 0 <= amount <= _MOST else None


def share_of(node: Node, resource: Resource, gpus: int | None = None) -> Decimal:
    """What share of a whole GPU's price one unit of a resource bears."""
    weight = Decimal(str(resource.weight))
    slices = [one for one in node.resources if one.sharing == "mig"]
    if resource.sharing != "mig" or not slices:
        return weight
    together = sum((Decimal(str(one.weight)) * one.total for one in slices), Decimal(0))
    whole = sum(one.total * one.weight for one in node.resources if one.sharing != "mig")
    cut = max(1, (gpus or _gpus_of(node)) - round(whole))
    return weight / max(Decimal(1), together / cut)


def _gpus_of(node: Node) -> int:
    """How many GPUs a node has, as far as its shares add up to whole ones."""
    return max(1, round(sum(one.total * one.weight for one in node.resources)))


def _by_capacity(row: _Listed, is_spot: bool | None, currency: str = "USD", source: PriceSource = "table") -> Price:
    estimated = (row.on_demand * SPOT_SHARE, row.on_demand * SPOT_SHARE)
    low, high = row.spot or estimated
    if is_spot:
        how = "seen on spot nodes" if row.spot else "a spot node, taken for 40 % of it"
        told = (low + high) / 2, low, high
        return Price(*told, currency, source, row.as_of, row.words if source == "file" else f"{row.words}; {how}")
    if is_spot is None:
        words = f"{row.words}; less on a spot node, which is not known"
        return Price(row.on_demand, min(low, row.on_demand), row.on_demand, currency, source, row.as_of, words)
    return Price(row.on_demand, row.on_demand, row.on_demand, currency, source, row.as_of, row.words)


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath("prices.json").read_text("utf-8"))
    return table


def _rows(part: str, name: str) -> Iterable[tuple[str, _Listed]]:
    for row in _table()[part]:
        spot: Sequence[str] | None = row["spot"]
        words = f"list price of {row[name]}, {row['cloud']}, {row['as_of'] or 'not checked of late'}"
        bounds = None if spot is None else (Decimal(spot[0]), Decimal(spot[1]))
        yield row[name], _Listed(Decimal(row["per_gpu"]), bounds, row.get("gpus"), row["as_of"], words)


@functools.cache
def _instances() -> dict[str, _Listed]:
    return dict(_rows("instances", "type"))


@functools.cache
def _products() -> dict[frozenset[str], _Listed]:
    return {words_of(name): row for name, row in _rows("gpus", "gpu")}
