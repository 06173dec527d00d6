"""Bodies of requests and answers under `/mlk`. The OpenAPI document and the TypeScript types are made from these."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .base import StrictModel, TolerantModel
from .spec import JobSpec
from .status import JobSummary


class ErrorBody(TolerantModel):
    """Every answer with a status of 400 or more."""

    code: str
    title: str
    detail: str
    hint: str
    fields: dict[str, str] = Field(default_factory=dict)
    """For each field that is wrong, by its dotted name in the spec (`workers`, `parameters.lr`, `files.0`): what it
    must be, in words ("at least 1"). Empty where the error is about no field."""


class Level(str, Enum):
    """How much a finding weighs: an `error` keeps the job from being submitted."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(TolerantModel):
    """One thing that the preflight found."""

    level: Level
    code: str
    text: str
    hint: str | None = None
    field: str | None = None
    """The field of the spec it is about."""


class Use(TolerantModel):
    """One line of what the job will use, e.g. ("Workers", "2 processes on this machine")."""

    label: str
    text: str


class Preflight(TolerantModel):
    """What would happen if this were submitted now."""

    ok: bool
    """No finding is an error."""
    starts_now: bool | None = None
    """Whether it would start at once; None when not known."""
    summary: str = ""
    """What would start, in a few words: "1 process of 2 cores"."""
    uses: list[Use] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    bundle_bytes: int | None = None
    files: list[str] = Field(default_factory=list)
    """What the bundle carries, relative to the notebook's folder."""


class Parameter(TolerantModel):
    """One assignment of the cell tagged `parameters`."""

    name: str
    default: Any = None
    """The literal value; None also when it is no literal (then `literal` is false)."""
    literal: bool = True
    source: str
    """The right-hand side as written."""
    help: str | None = None
    """The comment behind it."""


class Form(TolerantModel):
    """What the submit dialog needs for one notebook."""

    form_schema: dict[str, Any]
    """JSON schema (draft 7) of JobSpec with this notebook's parameters as typed fields."""
    ui_schema: dict[str, Any] = Field(default_factory=dict)
    values: dict[str, Any]
    """What to fill in: a JobSpec."""
    parameters: list[Parameter] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)


RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]


BackendName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.:@/ ]{0,250}$")]


class PreflightRequest(StrictModel):
    spec: JobSpec
    backend: BackendName | None = None
    """Name of the backend to ask; None means the one that was chosen."""


class Rendered(TolerantModel):
    """What would be created in the cluster."""

    yaml: str | None
    """For `kubectl apply`; None where a job is no object of a cluster."""


class Submission(StrictModel):
    spec: JobSpec
    request_id: RequestId
    """Made once by the dialog; a second submission with the same id answers with the first one's job."""
    backend: BackendName | None = None
    """Where it runs; None means the backend that was chosen."""


class JobList(TolerantModel):
    jobs: list[JobSummary]


class WatchState(str, Enum):
    """How fresh what is known of a cluster is: the state of its watch."""

    IDLE = "idle"
    """Nobody looks, so nothing is watched."""
    CONNECTING = "connecting"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    """The last answers are shown; `watch_why` says since when and why."""
    REFUSED = "refused"
    """The cluster answers, and says no: a login or a right is missing."""


class Right(TolerantModel):
    """Something that a person may or may not do in the cluster."""

    feature: str
    """What it is for, in words: "Submit jobs"."""
    code: str
    """Stable identifier of the feature: submit, watch, logs, stop, delete, orphans, quota, volumes, references, queues,
    stop_queued, network, nodes, gpus or priorities."""
    allowed: bool | None
    """None: not known."""
    missing: list[str] = Field(default_factory=list)
    """The rights that are missing, e.g. `create jobs.batch`."""
    hint: str | None = None
    """What an administrator adds."""


class Orphan(TolerantModel):
    """An object of ours whose job is gone."""

    kind: str
    name: str
    job: str
    """Id of the job it belonged to."""
    created_at: float | None = None
    """Seconds since the epoch."""


class Orphans(TolerantModel):
    orphans: list[Orphan]


class BackendInfo(TolerantModel):
    """Where jobs run, and why there."""

    name: str
    kind: Literal["local", "kubernetes"] = "local"
    title: str
    """For people: "This machine" or the cluster's name."""
    why: str
    """One sentence: why this backend was chosen."""
    cores: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    """GPUs that exist; None when not known."""
    gpus_free: int | None = None
    gpu_names: list[str] = Field(default_factory=list)
    gpus_why: str | None = None
    """Why the number of GPUs is what it is (e.g. no driver, or no right to list nodes)."""
    context: str | None = None
    """Of the kubeconfig; None in a pod and on this machine."""
    namespace: str | None = None
    server_version: str | None = None
    """Of the cluster, e.g. v1.36.0; None when not known."""
    watch: WatchState = WatchState.IDLE
    watch_why: str | None = None
    """What happened, while the watch is not live."""
    rights: list[Right] = Field(default_factory=list)
    """Empty where everything is allowed by nature, or nothing is known yet."""
    kinds: list[str] = Field(default_factory=list)
    """Kinds of job that the cluster serves, e.g. Job."""
    queues: list[str] = Field(default_factory=list)
    """Names of the Kueue LocalQueues."""
    image: str | None = None
    """Image that a job gets which names none."""


class Backends(TolerantModel):
    """data of topic `backends`, kinds `snapshot` and `delta`: each time all of them, the chosen one first."""

    backends: list[BackendInfo]


class ServerInfo(TolerantModel):
    version: str
    backend: BackendInfo
    """The one that jobs go to unless they name another."""
    backends: list[BackendInfo] = Field(default_factory=list)
    """All of them, the chosen one first. One that does not answer is among them, with its link."""
    mlflow_uri: str | None = None
    """Tracking URI that jobs log to, without credentials; None when MLflow is not installed."""


class LogPiece(TolerantModel):
    """Part of one rank's log. Offsets are bytes in the log file."""

    rank: int
    text: str
    offset: int
    next_offset: int
    size: int
    final: bool
    """The job is over and `next_offset` is the end."""


class FramePiece(TolerantModel):
    """Frames after an offset (bytes in frames.jsonl)."""

    frames: list[dict[str, Any]]
    next_offset: int
    final: bool


class MetricPoint(TolerantModel):
    step: int | None = None
    at: float
    value: float | None
    """None for NaN and infinities, which JSON cannot carry."""


class MetricSeries(TolerantModel):
    """What one rank logged under one name."""

    name: str
    rank: int = 0
    ranks: int = 1
    """Ranks that logged this name; of many, those with the lowest numbers have a series of their own."""
    points: list[MetricPoint]


class MetricList(TolerantModel):
    source: Literal["frames", "mlflow"]
    series: list[MetricSeries]


class RunView(TolerantModel):
    """The MLflow run of a job as the tracking server tells it."""

    run_id: str
    run_name: str | None = None
    experiment: str | None = None
    status: str | None = None
    url: str | None = None
    """Where a browser can open it, one on the server's machine where this is a loopback address; None where no server
    shows it to who asks."""
    proxy_path: str | None = None
    """The same through jupyter-server-proxy, as a path of this server; None where that is not installed, or does not
    lead there."""
    params: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float | None] = Field(default_factory=dict)


class Topic(StrictModel):
    """What a window sends over the socket."""

    op: Literal["subscribe", "unsubscribe", "pong"]
    topic: Annotated[str, StringConstraints(max_length=200)] = ""
    """`jobs`, `backends`, `job/ID`, `job/ID/log/RANK` or `job/ID/frames`."""
    offset: Annotated[int, Field(ge=0, le=1 << 50)] | None = None
    """For logs and frames: where to go on; None means a snapshot first."""


class Message(TolerantModel):
    """What the socket sends."""

    topic: str
    kind: Literal["snapshot", "delta", "error", "ping"]
    seq: int
    """Counts from 0 in each subscription; a gap means: subscribe again."""
    data: Any = None


class JobsSnapshot(TolerantModel):
    """data of topic `jobs`, kind `snapshot`."""

    jobs: list[JobSummary]


class JobsDelta(TolerantModel):
    """data of topic `jobs`, kind `delta`."""

    changed: list[JobSummary] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)


class FramesSnapshot(TolerantModel):
    """data of topic `job/ID/frames`, kind `snapshot`: the notebook so far, and where the frames go on."""

    notebook: dict[str, Any]
    offset: int
    running_cell: int | None = None
    """Index in `notebook.cells` of the running cell."""
    final: bool = False
