"""Which ends are nobody's fault, so that starting all ranks again makes sense. Pure."""

from __future__ import annotations

from ....model import Phase
from ..objects import Objects
from .explain.disruptions import AGAIN
from .read import Reading


def retryable(objects: Objects, reading: Reading) -> bool:
    """Whether the last attempt was lost to the cluster (preempted, evicted, node lost) and not by the job's own doing.

    An error of the notebook, memory, time limits and images come again with every attempt, so they are none. A JobSet
    starts its ranks again by itself.
    """
    reason = reading.reason
    return (
        objects.exists
        and objects.job_set is None
        and reading.phase is Phase.FAILED
        and reason is not None
        and reason.code in AGAIN
    )
