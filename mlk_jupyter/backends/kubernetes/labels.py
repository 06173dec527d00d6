"""How our objects are named and known again. Pure.

Free text (a title, a notebook's path, the spec) stands in annotations only: labels hold 63 characters of few kinds.
"""

from __future__ import annotations

import hashlib
import re

MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "mlk-jupyter"
JOB = "mlk-jupyter.io/job"
USER = "mlk-jupyter.io/user"
ATTEMPT = "mlk-jupyter.io/attempt"  # counts from 1

SPEC = "mlk-jupyter.io/spec"  # annotation: JobSpec as JSON
REQUEST = "mlk-jupyter.io/request"  # annotation: the request_id that made it
NONCE = "mlk-jupyter.io/nonce"  # annotation: of the frames
BUNDLE = "mlk-jupyter.io/bundle-sha256"  # annotation
CREATED_BY = "mlk-jupyter.io/created-by"  # annotation: the user as they are called
SUBMITTED_BY = "mlk-jupyter.io/submitted-by"  # annotation: who of those that share the user, where that is known
NOTICES = "mlk-jupyter.io/notices"  # annotation: JSON list of sentences known when it was submitted
STOPPED = "mlk-jupyter.io/stopped"  # annotation: JSON {"by": str | null, "at": seconds since the epoch}

CONTAINER = "worker"
"""Name of the container that runs the ranks."""
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
"""Annotation of a pod in which that container has another name."""
STAGING = "staging"
"""Name of the init container that stages data."""

_ID = r"[a-z][a-z0-9-]{0,37}-[0-9a-f]{10}"
_RETRY = re.compile(r"-r\d{1,3}")
_OBJECT = re.compile(rf"(?P<job>{_ID})(?:-[a-z0-9-]+)?")


def user_label(user: str) -> str:
    """A user's name as the value of a label: readable, and never the same for two users."""
    readable = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-")[:40].strip("-")
    digest = hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{readable}-{digest}" if readable else digest


def attempt_name(job_id: str, attempt: int) -> str:
    """Name of the objects of one attempt, counted from 1: `ID`, `ID-r2`, `ID-r3`."""
    return job_id if attempt == 1 else f"{job_id}-r{attempt}"


def is_attempt_name(name: str, job_id: str) -> bool:
    """Whether an object is called as the one of an attempt is, and not as what a controller makes of that."""
    return name == job_id or (name.startswith(job_id) and _RETRY.fullmatch(name, len(job_id)) is not None)


def bundle_name(owner: str) -> str:
    """Name of the ConfigMap that belongs to the object of one attempt."""
    return f"{owner}-bundle"


def job_of(object_name: str) -> str | None:
    """The job that an object belongs to by its name alone (events bear no labels); None when it is none of ours."""
    match = _OBJECT.fullmatch(object_name)
    return match["job"] if match else None


def subject(kind: str, name: str) -> str:
    """The name of what an object stands for: Kueue calls a Workload by the kind, the name and a hash of that."""
    return name.partition("-")[2] if kind == "Workload" else name


def selector(user: str | None = None, job_id: str | None = None) -> str:
    """A label selector for our objects. Never empty: an empty one would select everything."""
    parts = [f"{MANAGED_BY}={OURS}"]
    if user is not None:
        parts.append(f"{USER}={user_label(user)}")
    if job_id is not None:
        parts.append(f"{JOB}={job_id}")
    return ",".join(parts)
