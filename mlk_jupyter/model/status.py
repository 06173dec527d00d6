"""What is seen of a job. None always means "not known", never zero."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any

from pydantic import Field

from .base import TolerantModel
from .spec import JobSpec

if TYPE_CHECKING:
    from typing_extensions import Self

_MOST_CHANGED = 12
_LONGEST_VALUE = 28
_SECRET = re.compile(
    r"(?<![^\W_])(token|(api|access)[-_]?key)(?![^\W_])|secret|passw|passphrase|credential", re.IGNORECASE
)


class Phase(str, Enum):
    """Where a job is in its life. The last three are final and never change again."""

    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"

    def __str__(self) -> str:
        return self.value

    @property
    def final(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED)


class Step(str, Enum):
    """Where in its phase a job is, as far as anything is decided by it: these stand as codes of reasons. All other
    codes are for whoever reads them."""

    SUBMITTED = "submitted"
    """It was asked for; its place has not told anything of it yet."""
    NOT_CREATED = "not_created"
    """Its submission was cut off before anything was made."""
    RUNNING = "running"
    """Its ranks run, and nothing is amiss."""
    READING_LOGS = "reading_logs"
    """It is over in its cluster, and its record is not complete yet."""


class RankState(str, Enum):
    """Where one rank is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class Reason(TolerantModel):
    """Why a job is in its phase."""

    code: str
    """Stable identifier, snake_case."""
    text: str
    """One sentence with the figures."""
    hint: str | None = None
    """What a person can do about it."""


class Transition(TolerantModel):
    """One step of the timeline."""

    phase: Phase
    at: float
    """Seconds since the epoch."""


class Progress(TolerantModel):
    """How far rank 0 is."""

    cells_done: int = 0
    cells_total: int | None = None
    """Code cells that will run."""
    cell: int | None = None
    """The running code cell, counted from 1; None between cells."""
    fraction: float | None = None
    """Share done, 0-1: what the notebook said with `progress()`, else by cells. Never goes back in one attempt."""
    text: str | None = None
    """What the notebook said with `progress()`."""
    eta_s: float | None = None
    """Seconds still to go, if the notebook's own progress allows a guess."""

    def as_of(self, phase: Phase) -> Progress:
        """What is to be shown of it in a phase. Of a job that does not succeed, not all is done: where all was said to
        be, it is not known how much."""
        whole = self.fraction is not None and self.fraction >= 1
        if not whole or phase not in (Phase.STOPPING, Phase.FAILED, Phase.STOPPED):
            return self
        return self.model_copy(update={"fraction": None, "eta_s": None})


class GpuSample(TolerantModel):
    """One GPU at one moment."""

    index: int
    uuid: str | None = None
    name: str | None = None
    busy: float | None = None
    """Share of the last sampling period in which a kernel ran, 0-1."""
    memory_bytes: int | None = None
    memory_total_bytes: int | None = None


class Sample(TolerantModel):
    """What one rank used at one moment."""

    at: float
    """Seconds since the epoch."""
    cpu_cores: float | None = None
    """Cores busy since the sample before."""
    memory_bytes: int | None = None
    """Resident memory of the rank and its child processes."""
    gpus: list[GpuSample] = Field(default_factory=list)


class RankStatus(TolerantModel):
    """One process of the job."""

    rank: int
    worker: int
    state: RankState = RankState.WAITING
    where: str | None = None
    """Host (and node) it runs on."""
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that killed it, e.g. SIGKILL."""
    sample: Sample | None = None
    last_line: str | None = None
    why: str | None = None
    """Why it is in its state, where there is more to say: what its pod waits for, why it was evicted."""


class RankFailure(TolerantModel):
    """The failure that ended a job: of the rank that failed first."""

    rank: int
    ename: str | None = None
    """The type of the exception; None where the process ended without one."""
    evalue: str = ""
    """What the exception says, or how the process ended as far as it is known; may have several lines."""
    cell: int | None = None
    """Index in the notebook's cells; None when it did not happen in a cell."""
    number: int | None = None
    """The same code cell as people count, from 1."""


class Attempt(TolerantModel):
    """One start of all ranks that did not end the job."""

    number: int
    started_at: float | None = None
    ended_at: float | None = None
    reason: Reason
    """Why it ended."""


class Metric(TolerantModel):
    """The latest value of one metric."""

    name: str
    value: float | None
    """None for NaN and infinities, which JSON cannot carry: a loss that diverged is not its last good value."""
    step: int | None = None
    at: float
    """Seconds since the epoch."""


class RunState(str, Enum):
    """What became of the job's MLflow run."""

    PENDING = "pending"
    RECORDED = "recorded"
    OFF = "off"
    UNAVAILABLE = "unavailable"


class RunRef(TolerantModel):
    """The MLflow run of a job, or why there is none."""

    state: RunState
    text: str | None = None
    """The sentence for a person when the state is not `recorded`."""
    tracking_uri: str | None = None
    experiment: str | None = None
    experiment_id: str | None = None
    run_id: str | None = None
    run_name: str | None = None


class JobSummary(TolerantModel):
    """What a row of the list shows."""

    id: str
    """Unique; a DNS label, at most 43 characters."""
    name: str
    notebook: str
    backend: str
    phase: Phase
    reason: Reason | None = None
    workers: int = 1
    gpus: int = 0
    """Per worker."""
    world_size: int = 1
    grace_period_s: int | None = None
    """Seconds that a stop leaves the job to end by itself; None where that is not known."""
    changed: dict[str, str] = Field(default_factory=dict)
    """Parameters that were set for this job, as short text: the first 12. They tell jobs of one name apart."""
    progress: Progress = Progress()
    metrics: list[Metric] = Field(default_factory=list)
    """Latest value of each metric, those that matter most first, at most 8."""
    error: str | None = None
    """Last line of the error of a failed job."""
    run: RunRef | None = None
    submitted_by: str | None = None
    """Who submitted it through a server that knows several people; None for whoever else may."""
    created_at: float
    """Seconds since the epoch."""
    started_at: float | None = None
    """When the first rank ran."""
    finished_at: float | None = None
    attempt: int = 1
    """How often all ranks were started; above 1 after a preemption or lost node."""

    @classmethod
    def of(cls, spec: JobSpec, /, **more: Any) -> Self:
        """One with all that the spec says; `more` are its other fields."""
        return cls(
            name=spec.name,
            notebook=spec.notebook,
            workers=spec.workers,
            gpus=spec.gpus,
            world_size=spec.world_size,
            grace_period_s=spec.grace_period_s,
            changed=changed({**spec.parameters, **_options(spec.arguments)}),
            **{"run": RunRef(state=RunState.PENDING if spec.mlflow else RunState.OFF), **more},
        )

    @property
    def step(self) -> Step | None:
        """Where in its phase it is; None where nothing is decided by that."""
        return next((step for step in Step if self.reason is not None and step.value == self.reason.code), None)


class JobStatus(JobSummary):
    """Everything known of one job."""

    spec: JobSpec
    timeline: list[Transition] = Field(default_factory=list)
    ranks: list[RankStatus] = Field(default_factory=list)
    failure: RankFailure | None = None
    """What ended it, where a rank failed and that is known."""
    notices: list[str] = Field(default_factory=list)
    """Sentences worth reading that are no failure (files left out, no IPython, MLflow away)."""
    attempts: list[Attempt] = Field(default_factory=list)
    """Earlier attempts, oldest first."""
    folder: str | None = None
    """Job folder on the machine of the server."""
    owner: dict[str, str | int] | None = None
    """Identity of the process that writes this record, so that a stale one is recognised."""

    @classmethod
    def of(cls, spec: JobSpec, /, **more: Any) -> Self:
        """One with all that the spec says; `more` are its other fields."""
        return super().of(spec, spec=spec, **more)

    def summary(self) -> JobSummary:
        """The row of this job. What is valid here is not checked again: it may have thousands of ranks."""
        fields = JobSummary.model_fields
        return JobSummary.model_construct(set(fields), **{name: getattr(self, name) for name in fields})


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """What stands on a script's command line by name: `--lr 0.1 --fast` is `{"--lr": "0.1", "--fast": ""}`."""
    found = {}
    for word, after in zip_longest(arguments, arguments[1:], fillvalue="-"):
        name, equals, value = word.partition("=")
        if name.startswith("-"):
            found[name] = value if equals or after.startswith("-") else after
    return found


def changed(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Values of parameters as Python writes them, in a few characters: `{"lr": "0.05"}`.

    Of long text both ends stay, as paths differ at their ends; what is called a secret is not written into lists.
    """
    shown = islice(parameters.items(), _MOST_CHANGED)
    return {name: "…" if _SECRET.search(name) else _in_short(value) for name, value in shown}


def _in_short(value: Any) -> str:
    words = value if isinstance(value, str) else repr(value)
    words = " ".join(words.split())
    if len(words) <= _LONGEST_VALUE:
        return words
    return f"{words[: _LONGEST_VALUE // 2]}…{words[1 - _LONGEST_VALUE // 2 :]}"
