"""Jobs that are over, and ports that nobody has."""

from __future__ import annotations

import socket

from mlk_jupyter.model import JobSpec, JobStatus, Phase


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def job(job_id: str, phase: Phase = Phase.SUCCEEDED, **spec: object) -> JobStatus:
    """A job that is over: it ran for 60 s."""
    return JobStatus(
        id=job_id,
        name="Digits",
        notebook="examples/digits.ipynb",
        backend="local",
        phase=phase,
        created_at=1_790_000_000.0,
        started_at=1_790_000_010.0,
        finished_at=1_790_000_070.0,
        spec=JobSpec.model_validate({"name": "Digits", "notebook": "examples/digits.ipynb", **spec}),
    )
