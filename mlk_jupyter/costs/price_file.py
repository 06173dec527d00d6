"""A person's own prices: `prices.yaml` in the data directory, or the file that MLK_PRICES names. Blocking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from ..errors import MlkError
from ..model.base import StrictModel
from ..model.problems import explained

_LARGEST_BYTES = 256 * 1024
Amount = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
_Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class BadPrices(MlkError):
    """The file of prices cannot be used."""

    code, title, status = "bad_prices", "The file of prices cannot be used", 400


class Rate(StrictModel):
    """What one thing costs an hour."""

    per_hour: Amount
    spot: Amount | None = None
    """On a spot node; None: not known."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_number(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping) else {"per_hour": value}


class Instance(Rate):
    """What a whole node costs an hour, all its GPUs, cores and memory together."""

    gpus: Annotated[int, Field(ge=1, le=1024, strict=True)] | None = None
    """How many it has; None: as many as the cluster says."""


class PriceFile(StrictModel):
    """The file."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    as_of: str | None = None
    """Date from which on these prices hold."""
    gpus: Annotated[dict[_Key, Rate], Field(max_length=1000)] = Field(default_factory=dict)
    """By product: `H100` is every H100, `A100 80GB` and `NVIDIA-A100-SXM4-80GB` fewer. Of one whole GPU."""
    instances: Annotated[dict[_Key, Instance], Field(max_length=1000)] = Field(default_factory=dict)
    """By instance type. Of the whole node."""
    nodes: Annotated[dict[_Key, Rate], Field(max_length=1000)] = Field(default_factory=dict)
    """By a node's name, or by a label `key=value` of it. Of one whole GPU."""

    @field_validator("as_of", mode="before")
    @classmethod
    def _is_a_date(cls, value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else value  # YAML makes dates of what looks like one


def read_prices(path: Path) -> PriceFile:
    """The file as a model. Raises: BadPrices that names the line, and every field that is wrong; OSError."""
    with path.open("rb") as file:
        data = file.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise BadPrices(f"{path} has more than {_LARGEST_BYTES:,} bytes.", hint="Keep only the prices that you need.")
    try:
        text = data.decode()
        tree = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or "this is no YAML"
        raise BadPrices(f"{path}{where}: {problem}.", hint="See docs/gpus.md for an example.") from error
    try:
        return PriceFile.model_validate({} if content is None else content)
    except ValidationError as error:
        line = min((_line(tree, problem["loc"]) for problem in error.errors(include_url=False)), default=1)
        said = explained(error, PriceFile)
        raise BadPrices(f"{path}, line {line}: {said.detail}", hint=said.hint, fields=said.fields) from error


def _line(node: yaml.Node | None, loc: Iterable[int | str]) -> int:
    """The line on which the deepest part of a path stands that the file has, from 1."""
    line = 1
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == str(part):
                line, node = key.start_mark.line + 1, value
                break
        else:
            break
    return line
