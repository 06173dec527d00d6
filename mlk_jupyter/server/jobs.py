"""`/mlk/jobs`, `/mlk/jobs/ID`, `/mlk/jobs/ID/stop` and the topics `jobs` and `job/ID`: the life of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tornado import web

from .base import JOB_ID, Handler, allowed, name_of
from .features import Feature, Feed, Route, Subscription, TopicKind
from .submission import prepared
from .viewer import viewer_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..backends.base import Backend
    from ..model import JobStatus
    from .services import Services


class _JobHandler(Handler):
    """Answers with a job."""

    async def _tell(self, job: JobStatus, status: int = 200) -> None:
        self.answer((await viewer_of(self)).shown(job), status)


class JobsHandler(_JobHandler):
    """All jobs."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        from ..model.api import JobList

        self.answer(JobList(jobs=await self.backend.jobs()))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def post(self) -> None:
        from ..model.api import Submission
        from ..model.ids import new_job_id

        asked = self.json_body(Submission)
        job_id = new_job_id(asked.spec.name, asked.request_id)
        self.services.submissions.take(self.user)
        with self.services.preparations.held(self.user):
            backend, bundle = await prepared(self, asked.spec, asked.backend)
            new = not _has(backend, job_id)
            status = await backend.submit(asked.spec, bundle, request_id=asked.request_id, submitted_by=name_of(self))
        await self._tell(status, 201 if new and status.id == job_id else 200)


class JobHandler(_JobHandler):
    """One job."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        await self._tell(await self.backend.job(job_id))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def delete(self, job_id: str) -> None:
        await self.backend.delete(job_id)
        self.set_status(204)
        self.finish()


class StopHandler(_JobHandler):
    """Asks one job to stop."""

    @web.authenticated
    @allowed("write", is_activity=True)
    async def post(self, job_id: str) -> None:
        await self.backend.stop(job_id)
        await self._tell(await self.backend.job(job_id), 202)


def _has(backend: Backend, job_id: str) -> bool:
    """Whether a backend knows the job already. Asks no cluster."""
    from ..errors import JobNotFound

    try:
        backend.folder(job_id)
    except JobNotFound:
        return False
    return True


def _open_list(asked: Subscription) -> Feed:
    from .feeds import JobsFeed, Rows

    watches = list(asked.services.backend.watches.values())
    return JobsFeed(watches, asked.services.the(Rows), asked.call)


def _open_one(asked: Subscription) -> Feed:
    from .feeds import JobFeed

    return JobFeed(asked.services.backend, asked.names["job_id"], asked.call)


def _routes() -> Sequence[Route]:
    from ..model import JobStatus
    from ..model.api import JobList, Submission

    one = "/mlk/jobs/{job_id}"
    return (
        Route("GET", "/mlk/jobs", "listJobs", "All jobs, newest first.", "read", JobList),
        Route(
            "POST",
            "/mlk/jobs",
            "submitJob",
            "Submits a notebook as a job.",
            "write",
            JobStatus,
            status=201,
            body=Submission,
            also={200: "The job that the same request_id created before."},
        ),
        Route("GET", one, "getJob", "Everything known of one job.", "read", JobStatus),
        Route("DELETE", one, "deleteJob", "Stops a job if it runs and removes its record.", "write", status=204),
        Route(
            "POST", f"{one}/stop", "stopJob", "Asks a job to stop; its record stays.", "write", JobStatus, status=202
        ),
    )


def _told() -> Sequence[type[BaseModel]]:
    from ..model.api import JobsDelta, JobsSnapshot

    return (JobsSnapshot, JobsDelta)


async def _resume(services: Services) -> None:
    """Goes on recording jobs in clusters that were not over when a server last ran. Without such jobs: nothing."""
    from ..record.places import data_dir

    if next(data_dir().glob("clusters/*/unfinished/*"), None) is not None:
        await services.backend.resume()


FEATURE = Feature(
    handlers=[
        (r"/mlk/jobs", JobsHandler),
        (rf"/mlk/jobs/{JOB_ID}", JobHandler),
        (rf"/mlk/jobs/{JOB_ID}/stop", StopHandler),
    ],
    routes=_routes,
    topics=[
        TopicKind("jobs", "jobs", "the list of jobs, then what changed", _open_list),
        TopicKind(rf"job/{JOB_ID}", "job/ID", "one job, whole each time", _open_one),
    ],
    told=_told,
    start=_resume,
)
