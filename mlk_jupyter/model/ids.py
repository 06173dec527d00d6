"""Ids of jobs, for every backend: DNS labels of at most 43 characters. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# Pods are called ID-worker-0-INDEX-SUFFIX in some kinds of job, and a name has at most 63 characters.
_MOST_OF_NAME = 32


def slug(name: str) -> str:
    """A name as the beginning of a DNS label: lower case ASCII letters, digits and hyphens, a letter first."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return (words if words[:1].isalpha() else f"job-{words}")[:_MOST_OF_NAME].strip("-")


def request_digest(request_id: str) -> str:
    """The end of the id of the job that a request makes: a second submission is known by it."""
    return hashlib.sha256(request_id.encode("utf-8", "replace")).hexdigest()[:10]


def new_job_id(name: str, request_id: str) -> str:
    """The id of the job that a request makes, e.g. `digits-ddp-1f9ac3d27b`."""
    return f"{slug(name)}-{request_digest(request_id)}"
