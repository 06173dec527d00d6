"""`/mlk/jobs`, `/mlk/jobs/ID`, `/mlk/jobs/ID/stop`, `/mlk/preflight` and `/mlk/render`: the life of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado import web

from .base import JOB_ID, Handler, allowed, may

if TYPE_CHECKING:
    from ..model import JobStatus


class JobsHandler(Handler):
    """All jobs."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        from ..model.api import JobList

        self.answer(JobList(jobs=await self.backend.jobs()))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def post(self) -> None:
        from ..library import prepare
        from ..model.api import Submission
        from .source import read

        submission = self.json_body(Submission)
        self.app.submissions.take(self.user)
        with self.app.preparations.held(self.user):
            backend = await self.backend.at(submission.backend)
            known = {job.id for job in await backend.jobs()}
            source = await read(self.contents_manager, submission.spec.notebook)
            bundle = await prepare(source, submission.spec, backend.carriage)
            status = await backend.submit(submission.spec, bundle, request_id=submission.request_id)
        self.answer(status, 200 if status.id in known else 201)


class PreflightHandler(Handler):
    """What would happen if this were submitted now."""

    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        from ..library import prepare
        from ..model.api import PreflightRequest
        from .source import read

        request = self.json_body(PreflightRequest)
        with self.app.preparations.held(self.user):
            backend = await self.backend.at(request.backend)
            source = await read(self.contents_manager, request.spec.notebook)
            bundle = await prepare(source, request.spec, backend.carriage)
            self.answer(await backend.preflight(request.spec, bundle))


class RenderHandler(Handler):
    """What submitting this would create."""

    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        from ..library import prepare
        from ..model.api import PreflightRequest, Rendered
        from .source import read

        request = self.json_body(PreflightRequest)
        with self.app.preparations.held(self.user):
            backend = await self.backend.at(request.backend)
            source = await read(self.contents_manager, request.spec.notebook)
            bundle = await prepare(source, request.spec, backend.carriage)
            self.answer(Rendered(yaml=await backend.render(request.spec, bundle)))


class JobHandler(Handler):
    """One job."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        status = await self.backend.job(job_id)
        # Values of environment variables are often secrets: they are for who could set them.
        self.answer(status if await may(self, "write") else _without_values(status))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def delete(self, job_id: str) -> None:
        await self.backend.delete(job_id)
        self.set_status(204)
        self.finish()


class StopHandler(Handler):
    """Asks one job to stop."""

    @web.authenticated
    @allowed("write", is_activity=True)
    async def post(self, job_id: str) -> None:
        await self.backend.stop(job_id)
        self.answer(await self.backend.job(job_id), 202)


def _without_values(status: JobStatus) -> JobStatus:
    """A job with the names of its environment variables only."""
    spec = status.spec.model_copy(update={"env": dict.fromkeys(status.spec.env, "")})
    return status.model_copy(update={"spec": spec})


handlers = [
    (r"/mlk/jobs", JobsHandler),
    (r"/mlk/preflight", PreflightHandler),
    (r"/mlk/render", RenderHandler),
    (rf"/mlk/jobs/{JOB_ID}", JobHandler),
    (rf"/mlk/jobs/{JOB_ID}/stop", StopHandler),
]
