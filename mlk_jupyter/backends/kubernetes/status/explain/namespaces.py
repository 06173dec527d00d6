"""A namespace that is deleted takes its jobs along: what is said of them then. Pure."""

from __future__ import annotations

from .....model import Reason
from .messages import clean

LOSSES = frozenset({"deleting", "deleted", "removed", "pod_ending", "pod_deleted", "failed"})
"""Codes of what is said of a job whose objects go, and nothing in them says why."""


def explain_namespace(namespace: str, *, gone: bool) -> Reason:
    """Words for a job whose namespace is being deleted, or is gone."""
    what = "was deleted" if gone else "is being deleted"
    return Reason(
        code="namespace_deleted" if gone else "namespace_terminating",
        text=f"The namespace {clean(namespace, 80)} {what}, and the job with it.",
        hint="What was recorded of it until then is kept. It can run again in another namespace, or in this one once "
        "somebody has made it anew.",
    )
