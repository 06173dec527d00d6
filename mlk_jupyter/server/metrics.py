"""`/mlk/jobs/ID/metrics`: every metric's curve."""

from __future__ import annotations

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, Handler, allowed


class MetricsHandler(Handler):
    """The metrics that the ranks sent in their frames."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from .records import metrics

        await self.backend.job(job_id)
        async with self.app.replays:
            curves = await in_thread(metrics, self.backend.folder(job_id))
        self.answer(curves)


handlers = [(rf"/mlk/jobs/{JOB_ID}/metrics", MetricsHandler)]
