"""Jobs of this machine as activity of its server, so that whoever stops idle servers leaves it until they are over.

Off by default: `c.MlkJupyterApp.running_jobs_are_activity`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from ..errors import MlkError
from ..threads import in_thread
from .features import Feature

if TYPE_CHECKING:
    from ..model import JobStatus
    from .services import Services

logger = logging.getLogger(__name__)

_EVERY_S = 60.0  # JupyterHub is told every five minutes


def keeps_awake(job: JobStatus, now: float) -> bool:
    """Whether a job keeps its server from being idle: while it runs, and no longer than its time limit, without which
    one that hangs would do so for ever.

    Args: now: seconds since the epoch.
    """
    limit = job.spec.time_limit_s
    if limit is None or job.started_at is None or job.phase.final:
        return False
    return now < job.started_at + limit


async def look(services: Services) -> None:
    """Notes activity when a job of this machine keeps the server awake."""
    try:
        backends = await in_thread(lambda: services.backend)  # which may bring everything of ours into the server
        if any(keeps_awake(job, time.time()) for job in await backends.unfinished_here()):
            services.note_activity()
    except MlkError as error:
        logger.info("Whether a job runs on this machine is not known: %s", error.detail)


async def keep_looking(services: Services, every_s: float = _EVERY_S) -> None:
    """Looks again and again, until it is cancelled."""
    while True:
        try:
            await look(services)
        except Exception:  # nobody would begin it again, and the server would be stopped under its jobs
            logger.exception("Whether a job runs on this machine could not be asked")
        await asyncio.sleep(every_s)


async def _start(services: Services) -> None:
    if not services.running_jobs_are_activity:
        return
    task = asyncio.create_task(keep_looking(services), name="mlk activity")

    async def end() -> None:
        task.cancel()
        await asyncio.wait({task})

    services.at_end(end)


FEATURE = Feature(start=_start)
