"""Names of jobs that any backend can use: DNS labels of at most 49 characters. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_MOST_OF_NAME = 36


def slug(name: str) -> str:
    """The part of a name that a DNS label can hold: lower case ASCII letters, digits and hyphens; may be empty."""
    ascii_ = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_).strip("-")[:_MOST_OF_NAME].rstrip("-")


def new_job_id(name: str, request_id: str) -> str:
    """The id of the job that a request makes, e.g. `mlk-digits-ddp-1f9ac3d2`; the same request gives the same id."""
    unique = hashlib.sha256(request_id.encode("utf-8", "replace")).hexdigest()[:8]
    return "-".join(part for part in ("mlk", slug(name), unique) if part)
