"""What can go wrong, in words. One root; one class a situation; every face shows the same four fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class MlkError(Exception):
    """A failure that a person can understand and act on.

    Attributes:
        code:   stable identifier, unique among all subclasses (snake_case).
        title:  what happened, in a few words.
        status: the HTTP status that fits.
        detail: what happened and why, with the figures.
        hint:   what to do next.
        fields: for each field of a request that is wrong, by its dotted name (`workers`, `cluster.volumes.0.path`),
                what it must be, in words.
    """

    code = "error"
    title = "Something went wrong"
    status = 500

    def __init__(self, detail: str, *, hint: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.fields = dict(fields or {})

    def as_dict(self) -> dict[str, Any]:
        """The JSON body every face answers with: code, title, detail, hint, fields."""
        said = {"code": self.code, "title": self.title, "detail": self.detail, "hint": self.hint}
        return {**said, "fields": self.fields}


class BadInput(MlkError):
    """Something a person typed cannot be used. Raised before anything is created."""

    code, title, status = "bad_input", "This cannot be used", 400


class JobNotFound(MlkError):
    """No job bears that id or name."""

    code, title, status = "job_not_found", "No such job", 404

    def __init__(self, wanted: str, known: list[str] | None = None) -> None:
        near = f" Closest: {', '.join(known)}." if known else ""
        super().__init__(
            f"There is no job {wanted!r}.{near}", hint="List the jobs: `mlk jobs`, or `%k8s_jobs` in a notebook."
        )
        self.wanted = wanted


class BackendUnavailable(MlkError):
    """The place where jobs run does not answer."""

    code, title, status = "backend_unavailable", "The backend does not answer", 503
