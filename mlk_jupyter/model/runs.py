"""Experiments and runs of MLflow in answers under `/mlk/mlflow`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .api import MetricPoint
from .base import StrictModel, TolerantModel

RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Experiment(TolerantModel):
    experiment_id: str
    name: str
    url: str | None = None
    """Its page in MLflow, where a browser reaches that."""


class Away(TolerantModel):
    """Why the tracking server could not be asked just now."""

    title: str
    detail: str
    hint: str


class Experiments(TolerantModel):
    experiments: list[Experiment]
    tracking_uri: str | None = None
    """Without credentials; None: there is none."""
    why: str | None = None
    """Why there is none, and what to do."""
    known_at: float | None = None
    """Seconds since the epoch of this answer of the server's, where it is older than the question."""
    away: Away | None = None


class RunsQuery(StrictModel):
    """Which runs, and what of them."""

    experiment_ids: Annotated[
        list[Annotated[str, StringConstraints(max_length=64)]], Field(min_length=1, max_length=20)
    ]
    filter: Annotated[str, StringConstraints(max_length=2000)] = ""
    """In MLflow's own words: `metrics.accuracy > 0.9 and params.lr = '0.1'`."""
    order_by: Annotated[str, StringConstraints(max_length=300)] = ""
    """`metrics.accuracy DESC`; empty: the newest first."""
    page_token: Annotated[str, StringConstraints(max_length=4000)] | None = None
    metrics: Annotated[list[Annotated[str, StringConstraints(max_length=250)]], Field(max_length=20)] = Field(
        default_factory=list
    )
    """Columns; empty: those that matter most, chosen by the server."""
    params: Annotated[list[Annotated[str, StringConstraints(max_length=250)]], Field(max_length=20)] = Field(
        default_factory=list
    )


class RunRow(TolerantModel):
    run_id: str
    experiment_id: str
    name: str | None = None
    status: str
    """MLflow's: RUNNING, SCHEDULED, FINISHED, FAILED, KILLED."""
    started_at: float | None = None
    ended_at: float | None = None
    user: str | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """Of the columns."""
    params: dict[str, str] = Field(default_factory=dict)
    job: str | None = None
    """Id of the job that it belongs to, if it is one of ours."""
    notebook: str | None = None
    parent: str | None = None
    """Run that it is nested in."""
    cost: float | None = None
    """By the tags that the job left."""
    currency: str | None = None
    gpu_hours: float | None = None
    models: list[str] = Field(default_factory=list)
    """URIs to load what it logged as models: `models:/m-…`."""
    url: str | None = None


class RunsPage(TolerantModel):
    runs: list[RunRow]
    next_page_token: str | None = None
    metrics: list[str] = Field(default_factory=list)
    """All names that this page's runs have, those that matter most first, at most 200."""
    params: list[str] = Field(default_factory=list)
    shown_metrics: list[str] = Field(default_factory=list)
    """The columns."""
    shown_params: list[str] = Field(default_factory=list)
    known_at: float | None = None
    away: Away | None = None


class RunDetail(TolerantModel):
    """One run whole."""

    run: RunRow
    metrics: dict[str, float | None] = Field(default_factory=dict)
    params: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    experiment: str | None = None
    load_code: str | None = None
    """Python that loads its newest model; None where it logged none."""


class RunCurve(TolerantModel):
    run_id: str
    points: list[MetricPoint]


class RunCurves(TolerantModel):
    """One metric of several runs, thinned by the tracking server."""

    metric: str
    curves: list[RunCurve]


class CurvesQuery(StrictModel):
    run_ids: Annotated[list[RunId], Field(min_length=1, max_length=10)]
    metrics: Annotated[list[Annotated[str, StringConstraints(max_length=250)]], Field(min_length=1, max_length=12)]
    points: Annotated[int, Field(ge=10, le=2500)] = 320
    """Of each curve."""


class Curves(TolerantModel):
    curves: list[RunCurves]
