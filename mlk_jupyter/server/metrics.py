"""`/mlk/jobs/ID/metrics`: every metric's curve."""

from __future__ import annotations

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, BadRequest, Handler, allowed


class MetricsHandler(Handler):
    """The metrics that the ranks sent in their frames, or those that the MLflow run has."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from .records import metrics

        source = self.get_query_argument("source", "frames")
        if source not in ("frames", "mlflow"):
            raise BadRequest(f"{source!r} is no source of metrics.", hint="Ask for frames or mlflow.")
        if source == "mlflow":
            self.check_xsrf_cookie()  # it may start the MLflow server of this machine's store, as `/run` may
            self.answer(await self.app.tracking.curves(await self.backend.job(job_id)))
            return
        await self.backend.job(job_id)
        async with self.app.replays:
            curves = await in_thread(metrics, self.backend.folder(job_id))
        self.answer(curves)


handlers = [(rf"/mlk/jobs/{JOB_ID}/metrics", MetricsHandler)]
