"""Values that came back from a job, decoded in the process that wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..record.files import read_regular
from ..record.folder import JobFolder, write_atomically
from ..worker.values import PULL_LIMIT, RETURNED, ValueProblem, from_frame, size_in
from .errors import ValuesMissing

_KEY = "values.key"


def keep_key(folder: JobFolder, key: bytes) -> None:
    """Remembers the key of a job that was submitted from here. Nothing pickled is read without it.

    Not read from the bundle: that may have come from the cluster, as the values do, and who can change one can change
    the other.
    """
    write_atomically(folder.path / _KEY, key)


def key_of(folder: JobFolder) -> bytes | None:
    """The key of a job that was submitted from here, by any process; None for others."""
    try:
        return read_regular(folder.path / _KEY)
    except OSError:
        return None


def decoded(job_id: str, frames: Mapping[str, Mapping[str, Any]], key: bytes | None) -> dict[str, Any]:
    """The values by name, without a function's.

    Raises: ValuesMissing when some could not be sent or read; it holds the others.
    """
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    left = PULL_LIMIT
    for name, frame in frames.items():
        if name == RETURNED:
            continue
        try:
            found[name] = from_frame(dict(frame), key=key, limit_bytes=left)
            left -= size_in(dict(frame))
        except ValueProblem as problem:
            problems[name] = f"{problem.why} {problem.hint}".strip()
    if problems:
        raise ValuesMissing(job_id, problems, found)
    return found


def returned(job_id: str, frame: Mapping[str, Any], key: bytes | None) -> Any:
    """What a function gave back. Raises: ValuesMissing."""
    try:
        return from_frame(dict(frame), key=key)
    except ValueProblem as problem:
        why = f"{problem.why} {problem.hint}".strip()
        raise ValuesMissing(job_id, {"The function's value": why}, {}) from None
