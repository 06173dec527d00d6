"""Refusals of the API server: a status code, a reason and a message, as its `Status` bodies carry them."""

from __future__ import annotations

from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Problem(Exception):
    """One refusal. `str()` is the server's message."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.reason = REASONS.get(code, "InternalError") if reason is None else reason
        self.details, self.metadata, self.retry_after_s = details or {}, metadata or {}, retry_after_s

    def status(self) -> dict[str, Any]:
        """The `Status` object of this refusal."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        details = dict(self.details)
        if self.retry_after_s is not None:
            details["retryAfterSeconds"] = self.retry_after_s
        if details:
            body["details"] = details
        return {**body, "code": self.code}


def split(resource: str) -> tuple[str, str]:
    """Plural and group of a full name: `jobs.batch` → (`jobs`, `batch`); `pods` → (`pods`, "")."""
    plural, _, group = resource.partition(".")
    return plural, group


def details_of(resource: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    """The `details` of a refusal about one object."""
    plural, group = split(resource)
    found = {"name": name, "group": group, "kind": plural, **more}
    return {key: value for key, value in found.items() if value}


def not_found(resource: str, name: str) -> Problem:
    """There is no such object."""
    return Problem(404, f'{resource} "{name}" not found', details=details_of(resource, name))


def already_exists(resource: str, name: str) -> Problem:
    """The name is taken."""
    return Problem(
        409, f'{resource} "{name}" already exists', reason="AlreadyExists", details=details_of(resource, name)
    )


def conflict(resource: str, name: str, why: str | None = None) -> Problem:
    """The object is another one than the caller thinks; `why` replaces the words about a stale version."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    return Problem(
        409, f'Operation cannot be fulfilled on {resource} "{name}": {why}', details=details_of(resource, name)
    )


def forbidden(resource: str, name: str | None, why: str) -> Problem:
    """Admission says no: `pods "x" is forbidden: exceeded quota: …`."""
    about = f'{resource} "{name}"' if name else resource
    return Problem(403, f"{about} is forbidden: {why}", details=details_of(resource, name))


def expired(message: str, *, token: str | None = None) -> Problem:
    """The version asked for is compacted away; `token` continues an inconsistent list."""
    return Problem(410, message, metadata={"continue": token} if token else None)


def bad_request(message: str) -> Problem:
    """The request makes no sense to the server."""
    return Problem(400, message)
