"""`Job`: what somebody holds of a job that runs somewhere else."""

from __future__ import annotations

import asyncio
import html
import threading
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..errors import MlkError
from ..follow.job import JobFollower
from ..follow.tail import log_end, log_pieces
from ..idle.inside import waiting
from ..library import check_rank, notebook_file
from ..model import JobStatus, JobSummary, Phase, RunRef
from ..threads import in_thread
from ..waiting import within
from ..worker.values import RETURNED
from . import reading
from .background import add_hint, background, run
from .errors import Detached, JobFailed, JobStopped, StillGoing
from .places import Where, places
from .raised import as_raised
from .returned import decoded, key_of, returned
from .streams import Stream

if TYPE_CHECKING:
    from ..record.folder import JobFolder

T = TypeVar("T")
LINGER_S = 10.0
"""How long the watch of a backend goes on when nobody listens: whoever polls finds it there."""

_Ended = tuple[JobStatus, reading.Outcome, bytes | None]  # the last: the key of its pickled values


class Job:
    """A job, wherever it runs. It goes on whether or not anybody holds one of these.

    Every method asks anew, and may be called from any thread and inside of a running event loop. `await job` waits for
    the result without blocking that loop; everything else that waits blocks its own thread alone.
    """

    def __init__(self, summary: JobSummary, where: Where) -> None:
        """Made by `train`, `job` and `jobs`."""
        self._summary = summary
        self._where = where
        self._telling = threading.RLock()
        self._to_tell: list[Callable[[], object]] = []

    # Who it is

    @property
    def id(self) -> str:
        """Unique; never changes."""
        return self._summary.id

    @property
    def name(self) -> str:
        """What the job is called; others may be called the same."""
        return self._summary.name

    @property
    def summary(self) -> JobSummary:
        """The job as it was last seen. Asks nobody."""
        return self._summary

    @property
    def phase(self) -> Phase:
        """Where the job is in its life, now."""
        return self._summary.phase if self._summary.phase.final else self.status().phase

    @property
    def warnings(self) -> list[str]:
        """Sentences worth reading that are no failure: what was left out, what will be slow."""
        return list(self.status().notices)

    # What becomes of it

    def status(self) -> JobStatus:
        """Everything known of the job, now.

        Raises: JobNotFound when it was deleted; BackendUnavailable when its cluster does not answer.
        """
        return self._seen(run(self._do(JobFollower.status)))

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Waits until the job is over, however it ends. Being interrupted leaves it running.

        Args:    timeout: seconds; None waits as long as it takes.
        Raises:  StillGoing (a TimeoutError) after `timeout`; Detached (a KeyboardInterrupt); JobNotFound.
        """
        return self._over(self._waited(self._until_over(timeout)))

    def result(self, timeout: float | None = None) -> Any:
        """What the job gives back, once it is over: the function's value, or the last that `result()` was given.

        Raises: the exception that ended the job, as the same type where this process has it, with the job's traceback
                as its cause; else RemoteError. JobFailed when it ended without an exception. JobStopped. As `wait`.
        """
        return self._given(self._waited(self._outcome(timeout)))

    def values(self, timeout: float | None = None) -> dict[str, Any]:
        """The variables that the job sends back, by name, once it is over.

        Raises: ValuesMissing when some could not be sent or read; it holds the others. As `result`.
        """
        ended = self._waited(self._outcome(timeout))
        self._check_success(ended)
        return decoded(self.id, ended[1].values, ended[2])

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    def when_over(self, then: Callable[[], object]) -> None:
        """Has `then` called once: by whoever first learns through this object, waiting, that the job is over."""
        with self._telling:
            self._to_tell.append(then)

    def changes(self) -> Stream[JobStatus]:
        """The job's status now, and whenever it changed, at most five times a second; ends with the job."""
        return Stream(self._stream(lambda follower: follower.changes()))

    # What it says and leaves

    @overload
    def logs(self, rank: int = 0, follow: Literal[False] = False, *, tail: int | None = None) -> str: ...

    @overload
    def logs(self, rank: int = 0, *, follow: Literal[True]) -> Stream[str]: ...

    def logs(self, rank: int = 0, follow: bool = False, *, tail: int | None = None) -> str | Stream[str]:
        """What one process of the job wrote.

        Args:
            follow: gives the lines as they come instead, for `for` or `async for`, until the job is over.
            tail:   only so many of the last lines.

        Raises: NoSuchRank.
        """
        check_rank(self._summary, rank)
        if follow:
            return Stream(self._stream(lambda follower: follower.lines(rank)))

        def text(folder: JobFolder) -> str:
            if tail is not None:
                return log_end(folder, rank, tail)
            return "".join(piece for piece, _ in log_pieces(folder, rank))

        return run(self._read(text, rank))

    def metrics(self) -> Any:
        """Every number that the job logged: name, step, time, value.

        Returns: a pandas frame where pandas is installed (times in UTC), else a list of dictionaries with the same
                 keys (times in seconds since the epoch).
        """
        return run(self._read(reading.metrics))

    def frames(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """What the job told since an offset, as `worker/frames.py` says, and the offset where to go on."""
        return run(self._read(lambda folder: folder.read_frames(offset)))

    def notebook(self) -> Path:
        """A notebook with the job's outputs: the executed one, or while the job runs a copy of what it showed so far.

        Raises: NoNotebook when the record holds none.
        """
        return run(self._read(notebook_file))

    def run(self) -> RunRef | None:
        """The job's MLflow run, or why there is none; of a job that is over, once its end is recorded there."""
        return run(self._do(JobFollower.with_run))

    # What can be done to it

    def stop(self) -> None:
        """Asks the job to stop, and does not wait for it. What it wrote is kept; one that is over stays as it is."""
        run(self._do(lambda follower: follower.backend.stop(follower.job_id)))

    def delete(self) -> None:
        """Stops the job if it runs, waits for its end, and removes all that it wrote."""
        run(self._do(lambda follower: follower.backend.delete(follower.job_id)))

    # How it looks

    def __repr__(self) -> str:
        seen = self._summary
        return f"<Job {seen.id}: {seen.phase.value}{f', {seen.reason.text}' if seen.reason else ''}>"

    def _repr_html_(self) -> str:
        seen = self._summary
        reason = f": {html.escape(seen.reason.text)}" if seen.reason else ""
        return f"<div><b>{html.escape(seen.name)}</b> {seen.phase.value}{reason}<br><code>{seen.id}</code></div>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    # In the background's loop

    async def _follower(self) -> JobFollower:
        """Raises: BadInput when its backend is no more."""
        backends = await places().backends(self._where)
        return backends.follow(self.id, await backends.at(self._summary.backend), LINGER_S)

    async def _do(self, ask: Callable[[JobFollower], Coroutine[Any, Any, T]]) -> T:
        return await ask(await self._follower())

    async def _read(self, read: Callable[[JobFolder], T], rank: int | None = None) -> T:
        async with (await self._follower()).recorded(rank) as folder:
            return await in_thread(read, folder)

    async def _stream(self, of: Callable[[JobFollower], Any]) -> Any:
        async for piece in of(await self._follower()):
            yield piece

    async def _until_over(self, timeout: float | None) -> JobStatus:
        follower = await self._follower()
        try:
            return await within(timeout, follower.until_over())
        except asyncio.TimeoutError:
            assert timeout is not None
        seen = await follower.status()
        raise StillGoing(seen.id, seen.phase.value, seen.reason.text if seen.reason else None, timeout)

    async def _outcome(self, timeout: float | None) -> _Ended:
        status = await self._until_over(timeout)
        folder = (await self._follower()).folder
        return status, await in_thread(reading.outcome, folder), await in_thread(key_of, folder)

    # In the caller's thread

    def _waited(self, work: Coroutine[Any, Any, T]) -> T:
        """Raises: Detached when interrupted."""
        try:
            with waiting(self.id):
                return run(work)
        except KeyboardInterrupt:
            raise Detached.of(self.id) from None

    async def _awaited(self) -> Any:
        try:
            ended = await asyncio.wrap_future(background().start(self._outcome(None)))
        except MlkError as error:
            add_hint(error)
            raise
        return self._given(ended)

    def _seen(self, status: JobStatus) -> JobStatus:
        self._summary = status
        return status

    def _over(self, status: JobStatus) -> JobStatus:
        self._seen(status)
        with self._telling:  # whoever comes second goes on when all have been told
            while self._to_tell:
                self._to_tell.pop(0)()
        return status

    def _given(self, ended: _Ended) -> Any:
        self._check_success(ended)
        _, outcome, key = ended
        frame = outcome.values.get(RETURNED)
        return outcome.result if frame is None else returned(self.id, frame, key)

    def _check_success(self, ended: _Ended) -> None:
        """Raises what ended a job that did not succeed."""
        status, outcome, _ = ended
        self._over(status)
        reason = status.reason
        if status.phase is Phase.SUCCEEDED:
            return
        error: MlkError
        if status.phase is Phase.STOPPED:
            error = JobStopped(status.id, reason.text if reason else None)
        elif outcome.failure is not None and not outcome.failure.died:
            raise as_raised(status.id, outcome.failure, outcome.module)
        else:
            why = reason.text if reason else status.error or "It is not known why it failed."
            error = JobFailed(status.id, why, reason.hint if reason else None)
        add_hint(error)
        raise error
