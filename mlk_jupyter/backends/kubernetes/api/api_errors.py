"""What an API server can answer, in words. Pure: one class a situation, made by `error_of`.

    ApiError
      Unreachable        no answer: refused, silent, cut, no API server behind the address
        Silent           the connection stands and nothing comes
      ServerTrouble      5xx
      Throttled          429
      LoginNeeded        401, also with fresh credentials
      Forbidden          403: a right is missing
      AdmissionRefused   what a policy or the namespace says no to; QuotaExceeded, PodSecurityViolation are such
      AlreadyThere, Conflict, Expired, NotFoundInCluster, InvalidObject, TooLarge

Texts of the server are redacted and cut: a refusal may echo a whole pod with the values of its variables.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ....errors import BackendUnavailable, MlkError
from ....text import sentences
from .admission import Refusal, refusal_of
from .redaction import redacted


class ApiError(MlkError):
    """The API server did not do what was requested."""

    code, title, status = "cluster_error", "The cluster refused", 502
    status_code: int | None = None
    """What the API server answered with; None without an answer."""


class Unreachable(ApiError, BackendUnavailable):
    """The API server gives no answer that can be used."""

    code, title, status = "cluster_unreachable", "The cluster does not answer", 503


class Silent(Unreachable):
    """The connection stands and nothing comes over it."""

    code, title = "cluster_silent", "The cluster went silent"


class ServerTrouble(ApiError, BackendUnavailable):
    """The API server failed (5xx)."""

    code, title, status = "cluster_trouble", "The cluster has trouble", 503
    retry_after_s: float | None = None


class Throttled(ApiError, BackendUnavailable):
    """Too many requests (429)."""

    code, title, status = "cluster_throttled", "The cluster asks to wait", 503

    def __init__(self, detail: str, *, retry_after_s: float | None) -> None:
        super().__init__(detail, hint="Nothing to do: it is asked again later.")
        self.retry_after_s = retry_after_s


class LoginNeeded(ApiError):
    """The credentials are not accepted (401), the freshest ones neither."""

    code, title, status = "cluster_login_needed", "A login to the cluster is needed", 401


class Forbidden(ApiError):
    """A right is missing (403). `verb` and `resource` are None where the server does not name them."""

    code, title, status = "cluster_forbidden", "Not allowed in the cluster", 403

    def __init__(self, detail: str, *, verb: str | None = None, resource: str | None = None) -> None:
        right = f"the right to {verb} {resource}" if verb and resource else "the missing right"
        super().__init__(
            detail, hint=f"Ask an administrator for {right}; `mlk render rbac` prints a Role with all that is needed."
        )
        self.verb, self.resource = verb, resource


class AdmissionRefused(ApiError):
    """A policy, a webhook or a rule of the namespace does not admit the object."""

    code, title, status = "admission_refused", "A policy of the cluster refused", 403

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(_sentence(refusal), hint=refusal.hint)
        self.refusal = refusal


class QuotaExceeded(AdmissionRefused):
    """A ResourceQuota of the namespace has no room left."""

    code, title = "quota_exceeded", "The namespace's quota is used up"


class PodSecurityViolation(AdmissionRefused):
    """The namespace's Pod Security level refuses such pods."""

    code, title = "pod_security", "The namespace does not allow such pods"


class AlreadyThere(ApiError):
    """An object of that name exists (409)."""

    code, title, status = "already_there", "It exists already", 409


class Conflict(ApiError):
    """The object is not, or no longer, the one that was meant (409; 422 when a test of a patch fails)."""

    code, title, status = "cluster_conflict", "It changed in the meantime", 409


class Expired(ApiError):
    """The server forgot the version or page that was asked for (410, 504 'Too large resource version')."""

    code, title, status = "cluster_version_expired", "The cluster's list moved on", 503


class NotFoundInCluster(ApiError):
    """No such object, or the cluster does not serve its kind (404)."""

    code, title, status = "not_in_cluster", "The cluster has no such object", 404


class InvalidObject(ApiError):
    """The object is not valid (400, 422). `paths` of what is wrong, where the server names them."""

    code, title, status = "invalid_object", "The cluster does not accept this", 422

    def __init__(self, detail: str, *, paths: list[str] | None = None) -> None:
        named = f" ({', '.join(paths)})" if paths else ""
        super().__init__(detail, hint=f"Change the field that is named{named} and submit again.")
        self.paths = paths or []


class TooLarge(ApiError):
    """More bytes than the API server takes (413, or a ConfigMap above 1 MiB)."""

    code, title, status = "too_large_for_cluster", "Too large for the cluster", 413


_RIGHT = re.compile(
    r'cannot (?P<verb>[\w*]+) resource "(?P<resource>[\w./*-]+)"(?: in API group "(?P<group>[\w.-]*)")?'
)
_REFUSALS = {"quota_exceeded": QuotaExceeded, "pod_security": PodSecurityViolation}
_WAIT = "Nothing to do: it is tried again. If it lasts, ask who runs the cluster."


def error_of(status: int, body: Any, retry_after: str | float | None = None) -> ApiError:
    """The error for an answer of the API server.

    Args: status: HTTP status, or `code` of a Status object that came in a watch. body: Status object as dict, or
          whatever text stood in its place. retry_after: the header, in seconds.
    """
    error = _error_of(status, *_status(body), _seconds(retry_after))
    error.status_code = status
    return error


def _error_of(status: int, message: str, reason: str, details: dict[str, Any], retry_s: float | None) -> ApiError:
    text = redacted(message) or f"It answered with status {status} and no text."
    refusal = refusal_of(message)
    if refusal is not None and refusal.code == "namespace_terminating":
        return Conflict(text, hint=refusal.hint)
    if refusal is not None and refusal.code != "webhook_down":
        return _REFUSALS.get(refusal.code, AdmissionRefused)(refusal)
    if status == 401:
        return LoginNeeded(
            "The cluster does not accept the credentials: they may have expired.",
            hint="Log in again the way you do for kubectl (e.g. `kubectl get pods`), or renew the kubeconfig.",
        )
    if status == 403:
        return _forbidden(message, text)
    if status == 404:
        return NotFoundInCluster(text, hint="It may have been deleted; list the jobs with `mlk jobs`.")
    if status == 409:
        if reason == "AlreadyExists" or "already exists" in message:
            return AlreadyThere(text, hint="Submit again: a job gets a new name each time.")
        return Conflict(text, hint="Look at it again, then repeat what you did.")
    if status == 410 or "Too large resource version" in message:
        return Expired(text, hint="Nothing to do: it is listed anew.")
    if status == 413 or "may not be more than 1048576 bytes" in message:
        return TooLarge(text, hint="Leave large files out of the job, or put them on a volume.")
    if status == 422 and message.startswith("the server rejected our request"):
        return Conflict(
            "The object is not the one that was meant: it was replaced in the meantime.",
            hint="Look at it again, then repeat what you did.",
        )
    if status in (400, 422):
        causes = details.get("causes")
        causes = causes if isinstance(causes, list) else []
        fields = [str(cause["field"])[:120] for cause in causes if isinstance(cause, dict) and cause.get("field")]
        return InvalidObject(text, paths=list(dict.fromkeys(fields))[:8])
    if status == 429:
        return Throttled("The cluster is busy and asks to wait.", retry_after_s=retry_s)
    if status >= 500:
        trouble = ServerTrouble(_sentence(refusal) if refusal is not None else text, hint=_WAIT)
        trouble.retry_after_s = retry_s
        return trouble
    return ApiError(f"Status {status}: {text}", hint="If it lasts, ask who runs the cluster.")


def _sentence(refusal: Refusal) -> str:
    return sentences(refusal.text[:1].upper() + refusal.text[1:])


def _forbidden(message: str, text: str) -> ApiError:
    right = _RIGHT.search(message)
    if right is None:
        return Forbidden(text)
    resource = f"{right['resource']}.{right['group']}" if right["group"] else right["resource"]
    return Forbidden(text, verb=right["verb"], resource=resource)


def _status(body: Any) -> tuple[str, str, dict[str, Any]]:
    """(message, reason, details) of a Status object, or of a text in its place."""
    if isinstance(body, str) and body.lstrip().startswith("{"):
        try:
            body = json.loads(body)
        except ValueError:
            body = str(body)
    if isinstance(body, dict):
        details = body.get("details")
        return (
            str(body.get("message") or ""),
            str(body.get("reason") or ""),
            details if isinstance(details, dict) else {},
        )
    text = str(body or "")
    if re.search(r"<(?:!doctype|html|head|body)\b", text, re.I):
        title = re.search(r"<title>(.{1,100}?)</title>", text, re.I | re.S)
        return f"A web page came back instead of the API server's answer{f': {title[1]}' if title else '.'}", "", {}
    return text, "", {}


def _seconds(header: str | float | None) -> float | None:
    try:
        seconds = float(header) if header is not None else None
    except ValueError:
        return None  # an HTTP date: no API server sends one
    return min(max(seconds, 0.0), 600.0) if seconds is not None and seconds == seconds else None
