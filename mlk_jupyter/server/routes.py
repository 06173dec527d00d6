"""Every endpoint as data: what the OpenAPI document is made from, and what the handlers are checked against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from ..model import JobStatus, api

Action = Literal["read", "write", "execute"]


@dataclass(frozen=True)
class Query:
    """One parameter behind the question mark."""

    name: str
    schema: dict[str, Any]
    text: str
    required: bool = False


@dataclass(frozen=True)
class Route:
    """One method of one endpoint."""

    method: str
    path: str
    """Below the server's base URL; `{job_id}` is the only variable."""
    operation: str
    summary: str
    action: Action
    answer: type[BaseModel] | None = None
    """Model of the answer; None for an empty one or a file."""
    status: int = 200
    body: type[BaseModel] | None = None
    query: tuple[Query, ...] = ()
    file: str | None = None
    """Media type when the answer is a download."""
    also: dict[int, str] = field(default_factory=dict)
    """Other good answers: status and when."""


_RANK = Query("rank", {"type": "integer", "minimum": 0, "maximum": 99_999, "default": 0}, "Which rank's log.")
_FRAMES_OFFSET = Query("offset", {"type": "integer", "minimum": 0, "default": 0}, "Byte offset to go on from.")

ROUTES: tuple[Route, ...] = (
    Route("GET", "/mlk/info", "getInfo", "What this server is and where jobs run.", "read", api.ServerInfo),
    Route("GET", "/mlk/jobs", "listJobs", "All jobs, newest first.", "read", api.JobList),
    Route(
        "POST",
        "/mlk/jobs",
        "submitJob",
        "Submits a notebook as a job.",
        "write",
        JobStatus,
        status=201,
        body=api.Submission,
        also={200: "The job that the same request_id created before."},
    ),
    Route(
        "GET",
        "/mlk/form",
        "getForm",
        "What the submit dialog needs for one notebook.",
        "read",
        api.Form,
        query=(
            Query("path", {"type": "string", "minLength": 1, "maxLength": 4096}, "The notebook's contents path.", True),
            Query("backend", {"type": "string", "maxLength": 253}, "Where it is to run; without it the chosen one."),
        ),
    ),
    Route(
        "POST",
        "/mlk/preflight",
        "preflight",
        "What would happen if this were submitted now. Creates nothing.",
        "write",
        api.Preflight,
        body=api.PreflightRequest,
    ),
    Route(
        "POST",
        "/mlk/render",
        "render",
        "The objects that submitting this would create, as YAML. Creates nothing.",
        "write",
        api.Rendered,
        body=api.PreflightRequest,
    ),
    Route("GET", "/mlk/orphans", "listOrphans", "Objects in clusters whose job is gone.", "read", api.Orphans),
    Route("DELETE", "/mlk/orphans", "removeOrphans", "Removes them; gives those removed.", "write", api.Orphans),
    Route("GET", "/mlk/jobs/{job_id}", "getJob", "Everything known of one job.", "read", JobStatus),
    Route(
        "DELETE",
        "/mlk/jobs/{job_id}",
        "deleteJob",
        "Stops a job if it runs and removes its record.",
        "write",
        status=204,
    ),
    Route(
        "POST",
        "/mlk/jobs/{job_id}/stop",
        "stopJob",
        "Asks a job to stop; its record stays.",
        "write",
        JobStatus,
        status=202,
    ),
    Route(
        "GET",
        "/mlk/jobs/{job_id}/log",
        "getLog",
        "Part of one rank's log.",
        "read",
        api.LogPiece,
        query=(
            _RANK,
            Query("offset", {"type": "integer", "default": 0}, "Byte offset; negative counts from the end."),
            Query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": 1 << 20, "default": 1 << 16},
                "Most bytes to give.",
            ),
        ),
    ),
    Route(
        "GET",
        "/mlk/jobs/{job_id}/log/download",
        "downloadLog",
        "One rank's log as it was written.",
        "read",
        query=(_RANK,),
        file="text/plain",
    ),
    Route(
        "GET",
        "/mlk/jobs/{job_id}/frames",
        "getFrames",
        "Frames after an offset.",
        "read",
        api.FramePiece,
        query=(_FRAMES_OFFSET,),
    ),
    Route(
        "GET",
        "/mlk/jobs/{job_id}/notebook",
        "getNotebook",
        "The notebook with its outputs so far; with download=1 as a file.",
        "read",
        api.FramesSnapshot,
        query=(
            Query("download", {"type": "integer", "enum": [0, 1], "default": 0}, "1 gives the notebook as a file."),
        ),
        file="application/x-ipynb+json",
    ),
    Route(
        "GET",
        "/mlk/jobs/{job_id}/metrics",
        "getMetrics",
        "All metrics of a job.",
        "read",
        api.MetricList,
        query=(
            Query(
                "source",
                {"type": "string", "enum": ["frames", "mlflow"], "default": "frames"},
                "What the ranks sent, or what the MLflow run has.",
            ),
        ),
    ),
    Route("GET", "/mlk/jobs/{job_id}/run", "getRun", "The MLflow run of a job.", "read", api.RunView),
    Route(
        "GET",
        "/mlk/channel",
        "openChannel",
        "Websocket: the client sends Topic, the server Message.",
        "execute",
        status=101,
    ),
)

CHANNEL_MODELS: tuple[type[BaseModel], ...] = (
    api.Message,
    api.JobsSnapshot,
    api.JobsDelta,
    api.Backends,
    api.Rendered,
    api.Orphans,
)
"""What the socket sends and no REST answer holds."""
