"""`/mlk/jobs/ID/run`: the MLflow run of a job."""

from __future__ import annotations

from tornado import web

from .base import JOB_ID, Handler, allowed, may


class RunHandler(Handler):
    """The run as the tracking server tells it."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        # A read may start the MLflow server of this machine's store: no other site may cause that.
        self.check_xsrf_cookie()
        status = await self.backend.job(job_id)
        here = self.request.host_name in ("localhost", "127.0.0.1", "[::1]")
        # The address of this machine's own MLflow server lets in who has it, to change and delete as well.
        opens = here and await may(self, "write")
        self.answer(await self.app.tracking.view(status, opens_local=opens))


handlers = [(rf"/mlk/jobs/{JOB_ID}/run", RunHandler)]
