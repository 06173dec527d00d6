"""What a person types to keep a kernel, at the command line or in a cell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import BadInput
from . import values
from .leases import Granted


def length(typed: str, end: str) -> float:
    """Seconds, more than none.

    Args:   end: what ends a lease instead: "--release".
    Raises: BadInput.
    """
    try:
        seconds = values.length(typed)
    except values.Unusable as error:
        raise BadInput(f"The length of time {error.why}.", hint="Write for example 30m, 2h or 1h30m.") from error
    if not seconds:
        raise BadInput("A kernel is not kept for 0 s.", hint=f"Write for example 2h; {end} ends what was asked for.")
    return seconds


def possible(granted: Granted, called: str) -> Granted:
    """The same. Raises: BadInput where nothing is left of what the kernel can be kept."""
    if granted.seconds < 1:
        raise BadInput(f"{called} cannot be kept: {granted.why}.", hint="Use it: what works is not stopped.")
    return granted


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raises: BadInput where a wish cannot be written down, or read."""
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{error.filename} cannot be used: {error.strerror}.",
            hint="Wishes to keep kernels lie there. Make room, or keep the kernel from JupyterLab's panel.",
        ) from error
