"""Costs in answers under `/mlk/costs`, and in the topic `costs`. Estimates by prices, where no bill says otherwise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import TolerantModel


class PriceView(TolerantModel):
    """What one GPU costs an hour, and who says so."""

    per_hour: float
    source: Literal["file", "server", "annotation", "opencost", "table"]
    """`server`: MLK_PRICE_PER_HOUR. `table`: list prices that come with this package."""
    as_of: str | None = None
    """Date of the price, ISO."""
    words: str
    """For a person: "list price of p5.48xlarge, AWS, 2025-12"."""


class Cost(TolerantModel):
    """What a job, worker, kernel or endpoint cost so far. In the currency of the answer that holds it."""

    amount: float | None = None
    """So far; None: no price is known."""
    low: float | None = None
    high: float | None = None
    """Bounds where it is not known whether the node is a spot node."""
    per_hour: float | None = None
    """At this rate; 0 once it is over."""
    gpu_hours: float | None = None
    idle_gpu_hours: float | None = None
    """Held and unused, of these."""
    wasted: float | None = None
    """What they cost."""
    energy_kwh: float | None = None
    price: PriceView | None = None
    """Of the first worker, where they differ."""
    is_estimate: bool = True
    why: str | None = None
    """Why there is no amount."""


class JobCosts(TolerantModel):
    """data of topic `costs`: those of the jobs that are not over and of the newest others, by id, whole each time."""

    jobs: dict[str, Cost]
    currency: str = "USD"


class WorkerCost(TolerantModel):
    worker: int
    attempt: int = 1
    node: str | None = None
    is_spot: bool | None = None
    started_at: float
    ended_at: float | None = None
    cost: Cost


class JobCost(TolerantModel):
    """One job, worker by worker."""

    cost: Cost
    workers: list[WorkerCost] = Field(default_factory=list)
    currency: str = "USD"


class CostRow(TolerantModel):
    """One person, namespace, experiment, month or holder."""

    key: str
    """"" for what names none."""
    count: int
    """Jobs, kernels and endpoints."""
    amount: float | None = None
    """Of those with a price."""
    unpriced_gpu_hours: float = 0
    """Of those without."""
    gpu_hours: float | None = None
    wasted: float | None = None
    """Held and unused."""
    underused: float | None = None
    """The unused share of what was in use."""


By = Literal["person", "namespace", "experiment", "month", "job", "kernel"]


class Costs(TolerantModel):
    """The ledger, summed."""

    by: By
    since: float
    until: float
    """Seconds since the epoch."""
    rows: list[CostRow]
    """The dearest first; months the newest first."""
    total: CostRow
    currency: str = "USD"
    notes: list[str] = Field(default_factory=list)
    """Which prices were used, and what is not in it."""
