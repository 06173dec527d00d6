"""`/mlk/jobs/ID/run` and `/mlk/jobs/ID/metrics`: the MLflow run of a job, and every metric's curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, BadRequest, Handler, allowed, may
from .features import Feature, Query, Route
from .proxied import has_proxy, through_proxy

if TYPE_CHECKING:
    from .services import Services
    from .tracking import Tracking


class RunHandler(Handler):
    """The run as the tracking server tells it."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        # A read may start the MLflow server of this machine's store: no other site may cause that.
        self.check_xsrf_cookie()
        status = await self.backend.job(job_id)
        # The address of this machine's own MLflow server lets in who has it, to change and delete as well.
        opens = await may(self, "write")
        view = await self.services.the(tracking).view(status, opens_local=opens)
        way = through_proxy(view.url, self.base_url) if has_proxy(self) else None
        self.answer(view.model_copy(update={"proxy_path": way}))


class MetricsHandler(Handler):
    """The metrics that the ranks sent in their frames, or those that the MLflow run has."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from .records import as_json, metrics

        source = self.get_query_argument("source", "frames")
        if source not in ("frames", "mlflow"):
            raise BadRequest(f"{source!r} is no source of metrics.", hint="Ask for frames or mlflow.")
        if source == "mlflow":
            self.check_xsrf_cookie()  # it may start the MLflow server of this machine's store, as `/run` may
            self.answer(await self.services.the(tracking).curves(await self.backend.job(job_id)))
            return
        await self.backend.job(job_id)
        async with self.services.replays:
            curves = await in_thread(as_json, metrics, self.backend.folder(job_id))
        self.finish(curves)


def tracking(services: Services) -> Tracking:
    """Where runs are read."""
    from ..record.folder import data_dir
    from .tracking import Tracking

    made = Tracking(data_dir())
    services.at_end(made.close)
    return made


def _routes() -> Sequence[Route]:
    from ..model.api import MetricList, RunView

    return (
        Route(
            "GET",
            "/mlk/jobs/{job_id}/metrics",
            "getMetrics",
            "All metrics of a job.",
            "read",
            MetricList,
            query=(
                Query(
                    "source",
                    {"type": "string", "enum": ["frames", "mlflow"], "default": "frames"},
                    "What the ranks sent, or what the MLflow run has.",
                ),
            ),
        ),
        Route("GET", "/mlk/jobs/{job_id}/run", "getRun", "The MLflow run of a job.", "read", RunView),
    )


FEATURE = Feature(
    handlers=[(rf"/mlk/jobs/{JOB_ID}/metrics", MetricsHandler), (rf"/mlk/jobs/{JOB_ID}/run", RunHandler)],
    routes=_routes,
)
