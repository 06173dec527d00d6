"""Admission: service accounts, limit ranges, Pod Security, quotas."""

from __future__ import annotations

from .kinds import Kind
from .store import Object, Store


def mutate(store: Store, kind: Kind, new: Object) -> None:
    """Fill in what the namespace gives its pods."""


def check_new(store: Store, kind: Kind, new: Object) -> list[str]:
    """Warnings about a new object. Raises `Problem` 403 where the namespace does not allow it."""
    return []


def check_change(store: Store, kind: Kind, new: Object, old: Object) -> list[str]:
    """Warnings about a changed object."""
    return []
