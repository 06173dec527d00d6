"""`/mlk/jobs`, `/mlk/jobs/ID`, `/mlk/jobs/ID/stop` and the topics `jobs` and `job/ID`: the life of a job."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from tornado import web

from ..errors import JobNotFound, MlkError
from .base import JOB_ID, Handler, allowed, name_of
from .features import Feature, Feed, Route, Subscription, TopicKind
from .submission import prepared
from .viewer import viewer_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..model import JobStatus
    from ..model.api import Submission
    from .services import Services

_REMEMBERED = 1_000  # requests, by their ids


class RequestUsed(MlkError):
    """The idempotency key belongs to another job."""

    code, title, status = "request_used", "This was submitted already, as something else", 409

    def __init__(self, job: JobStatus) -> None:
        super().__init__(
            f"The same request made job {job.id} from {job.notebook} on {job.backend}, with other options than now.",
            hint="Look at that job. To run this as well, submit it again, with a request_id of its own.",
        )


class Requests:
    """Submissions by their request ids, each at its turn: the first makes the job, and the others find it."""

    def __init__(self, services: Services) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._made: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def turn(self, request_id: str) -> AsyncIterator[dict[str, str]]:
        """Gives the ids of the jobs that the latest requests made."""
        async with self._turns.setdefault(request_id, asyncio.Lock()):
            yield self._made
            for oldest in list(self._made)[:-_REMEMBERED]:
                del self._made[oldest]


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
        async with self.services.the(Requests).turn(asked.request_id) as made:
            job_id = new_job_id(asked.spec.name, asked.request_id)
            known = await self._known(made.get(asked.request_id, job_id))
            if known is not None and not _asks_for(asked, known):
                raise RequestUsed(known)
            self.services.submissions.take(self.user)
            with self.services.preparations.held(self.user):
                place, bundle = await prepared(self, asked.spec, asked.backend)
                job = await place.submit(asked.spec, bundle, request_id=asked.request_id, submitted_by=name_of(self))
            made[asked.request_id] = job.id
        if job.id != job_id:
            raise RequestUsed(job)
        await self._tell(job, 201 if known is None else 200)

    async def _known(self, job_id: str) -> JobStatus | None:
        """A job that has a record on this machine; for any other no cluster is asked."""
        try:
            self.backend.folder(job_id)
            return await self.backend.job(job_id)
        except JobNotFound:
            return None


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


def _asks_for(asked: Submission, job: JobStatus) -> bool:
    """Whether a job is what a submission asks for."""
    spec = asked.spec
    if spec.cluster.image is None:  # where there is a default, the job has that
        cluster = spec.cluster.model_copy(update={"image": job.spec.cluster.image})
        spec = spec.model_copy(update={"cluster": cluster})
    return job.spec == spec and asked.backend in (None, job.backend)


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
