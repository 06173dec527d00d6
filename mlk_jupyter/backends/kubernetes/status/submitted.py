"""What the objects of a job say about how it was submitted: whoever finds them can go on with its record. Pure."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from ....model import JobSpec
from .. import labels
from ..kinds.fields import annotation, label, metadata, text
from ..kinds.fields import name as name_of
from ..resources import Manifest


@dataclass(frozen=True)
class SubmittedJob:
    """One job as it was submitted."""

    id: str
    namespace: str
    spec: JobSpec
    nonce: str
    """Of its frames, in all attempts."""
    user: str = ""
    """The cluster's user who submitted it, as they are called."""
    submitted_by: str | None = None
    """Who of those that share this user."""
    notices: Sequence[str] = ()
    """Sentences known when it was submitted."""


def submitted(owner: Manifest) -> SubmittedJob | None:
    """What the object of any attempt says; None when it is none of ours or cannot be read."""
    job_id, spec, nonce = label(owner, labels.JOB), annotation(owner, labels.SPEC), annotation(owner, labels.NONCE)
    if not job_id or not spec or not nonce or labels.job_of(name_of(owner)) != job_id:
        return None
    try:
        asked = _spec_of(spec)
    except ValidationError:
        return None
    return SubmittedJob(
        id=job_id,
        namespace=text(metadata(owner).get("namespace")),
        spec=asked,
        nonce=nonce,
        user=annotation(owner, labels.CREATED_BY) or "",
        submitted_by=annotation(owner, labels.SUBMITTED_BY) or None,
        notices=_sentences(annotation(owner, labels.NOTICES)),
    )


@functools.lru_cache(maxsize=1_024)
def _spec_of(text: str) -> JobSpec:
    """The spec of an annotation. Each change of a job asks for it several times."""
    return JobSpec.model_validate_json(text)


def _sentences(value: str | None) -> list[str]:
    if not value:
        return []
    try:
        found = json.loads(value)
    except ValueError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
