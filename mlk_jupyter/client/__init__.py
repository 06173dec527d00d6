"""The Python face: `mlk_jupyter.train`, `job`, `jobs` and `Job`."""

from .decorator import remote
from .errors import Detached, JobFailed, JobStopped, RemoteError, StillGoing, ValuesMissing
from .handle import Job
from .listing import job, jobs
from .streams import Stream
from .submit import train

__all__ = [
    "Detached",
    "Job",
    "JobFailed",
    "JobStopped",
    "RemoteError",
    "StillGoing",
    "Stream",
    "ValuesMissing",
    "job",
    "jobs",
    "remote",
    "train",
]
