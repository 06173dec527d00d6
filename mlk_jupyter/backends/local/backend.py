"""Jobs on this machine. The job folders are the truth: any number of servers, kernels and shells see the same jobs."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import json
import os
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from ...bundle import LIMIT, Bundle
from ...bundle.mistakes import SYNTAX
from ...errors import JobNotFound
from ...follow.broadcast import Changes, newest_first
from ...gpus import inventory, this_machine
from ...gpus import use as gpu_use
from ...gpus.devices import Devices
from ...gpus.stock import Stock
from ...model import JobSpec, JobStatus, JobSummary, Phase, Reason, Step, Transition
from ...model.api import BackendInfo, Level, Orphan, Preflight
from ...model.ids import new_job_id, request_digest
from ...record.files import remove
from ...record.folder import JobFolder, RecordUnwritable, data_dir, write_atomically
from ...record.ownership import Ownership, Taken
from ...record.privacy import close, open_to_others
from ...runs.store import has_mlflow
from ...threads import in_thread
from ..base import Carriage, Refused
from . import detach, launch, machine, process, settle
from .catalogue import Catalogue, unreadable
from .interpreter import Interpreter, interpreter
from .kernelspecs import KernelSpecs, configured
from .launch import Launch
from .preflight import Facts, preflight, unwritable
from .queue import GpuQueue

_SUPERVISOR = "mlk_jupyter.backends.local.supervisor"
_PERIOD_S = 0.25
_DELETE_LIMIT_S = 20.0  # beyond the job's grace period: for its notebook
_LEFTOVER_S = 3600.0


class LocalBackend:
    """The backend that needs nothing but this machine. Holds nothing open; every method may run at any time."""

    name = "local"
    kind: Literal["local", "kubernetes"] = "local"
    image: str | None = None
    carriage = Carriage(LIMIT, byte_code=True, files=False)

    def __init__(self, root: Path | None = None, *, kernels: Callable[[], KernelSpecs] = configured) -> None:
        """
        Args:
            root:    the data directory; None means that of `record.folder.data_dir`.
            kernels: gives the manager of kernelspecs; in a server, the server's own.
        """
        self._kernels = kernels
        self._data_dir = root or data_dir()
        self._jobs_dir = self._data_dir / "jobs"
        self._catalogue = Catalogue(self._jobs_dir)

    async def info(self) -> BackendInfo:
        """What this machine is and has."""
        return await in_thread(self._info)

    async def preflight(self, spec: JobSpec, bundle: Bundle) -> Preflight:
        """All that speaks against the job, and what it will use. Creates nothing."""
        return (await self._examine(spec, bundle))[0]

    async def render(self, spec: JobSpec, bundle: Bundle) -> str | None:
        """Nothing: processes are no objects of a cluster."""
        return None

    async def submit(
        self, spec: JobSpec, bundle: Bundle, *, request_id: str, submitted_by: str | None = None
    ) -> JobStatus:
        """Creates the job and starts its supervisor, or returns the job that this `request_id` created before.

        Raises: Refused when the preflight finds an error; RecordUnwritable.
        """
        known = await in_thread(self._find, request_id)
        if known is not None:
            return await in_thread(self._status, known)
        findings, python = await self._examine(spec, bundle)
        if not findings.ok:
            raise Refused(findings)
        warnings = [finding.text for finding in findings.findings if finding.level is Level.WARNING]
        notices = [*bundle.notices, *warnings]
        return await in_thread(self._create, spec, bundle, python, notices, request_id, submitted_by)

    async def jobs(self) -> list[JobSummary]:
        """All jobs, newest first."""
        return newest_first(await in_thread(self._catalogue.scan))

    async def newest(self, count: int) -> tuple[list[JobSummary], int]:
        """The first so many of these, and how many there are."""
        every = await self.jobs()
        return every[:count], len(every)

    async def job(self, job_id: str) -> JobStatus:
        """One job whole. Raises: JobNotFound."""
        return await in_thread(self._status, self.folder(job_id))

    async def watch(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed. Looks at the folders four times a second, and only while iterated."""
        known = await in_thread(self._catalogue.scan)
        yield Changes(changed=newest_first(known))
        while True:
            await asyncio.sleep(_PERIOD_S)
            now = await in_thread(lambda: self._catalogue.scan(thorough=False))
            changed = {name: summary for name, summary in now.items() if known.get(name) is not summary}
            removed = sorted(known.keys() - now.keys())
            known = now
            if changed or removed:
                yield Changes(changed=newest_first(changed), removed=removed)

    def folder(self, job_id: str) -> JobFolder:
        """The job's folder. Raises: JobNotFound."""
        with contextlib.suppress(ValueError):  # no job id: nothing that could be joined to a path
            folder = JobFolder.of(job_id, self._jobs_dir)
            if os.path.lexists(folder.path):  # whatever it is: it can be deleted
                return folder
        raise JobNotFound(job_id)

    async def stop(self, job_id: str) -> None:
        """Asks the supervisor to end the job. Raises: JobNotFound, RecordUnwritable."""
        await in_thread(self._stop, self.folder(job_id))

    async def delete(self, job_id: str) -> None:
        """Stops a job if it runs, waits for its end, and removes its folder. Raises: JobNotFound, RecordUnwritable."""
        folder = self.folder(job_id)
        await in_thread(self._stop, folder)
        grace_s = (await in_thread(self._status, folder)).spec.grace_period_s
        deadline = time.monotonic() + grace_s + _DELETE_LIMIT_S
        while not (status := await in_thread(self._status, folder)).phase.final:
            if time.monotonic() > deadline and not await in_thread(_kill_supervisor, status):
                break  # nobody is left who could write its end
            await asyncio.sleep(_PERIOD_S)
        await in_thread(self._remove, folder)

    def look(self, job_id: str, rank: int | None = None) -> None:
        """Nothing to do: supervisors fill the folders whether or not somebody looks."""

    async def orphans(self) -> list[Orphan]:
        """None: a job here is its folder."""
        return []

    async def remove_orphans(self) -> list[Orphan]:
        """None: a job here is its folder."""
        return []

    async def stock(self) -> Stock:
        """This machine's GPUs, who holds them and what they do."""
        return await in_thread(self._stock)

    async def resume(self) -> None:
        """Nothing to do: each job's supervisor goes on by itself."""

    async def close(self) -> None:
        """Ends the session with the driver, where there was one."""
        if "_devices" in self.__dict__:
            await in_thread(self._devices.close)

    # Blocking, each in its own thread

    def _info(self) -> BackendInfo:
        there, queue = inventory(), GpuQueue(self._data_dir)
        held = queue.held() if there.gpus else {}
        names = sorted({gpu.name for gpu in there.gpus if gpu.name})
        return BackendInfo(
            name=self.name,
            title="This machine",
            why="Jobs run as processes of this machine.",
            cores=machine.cores(),
            memory_bytes=machine.memory()[0],
            gpus=len(there.gpus),
            gpus_free=sum(1 for gpu in there.gpus if gpu.uuid not in held),
            gpu_names=names,
            gpus_why=there.why,
        )

    @cached_property
    def _devices(self) -> Devices:
        return Devices(boards=True)

    def _stock(self) -> Stock:
        return this_machine.stock(self._devices.read(), GpuQueue(self._data_dir).held(), at=time.time())

    async def _examine(self, spec: JobSpec, bundle: Bundle) -> tuple[Preflight, Interpreter]:
        python = await interpreter(spec, bundle, self._kernels)
        mlflow = await has_mlflow(python.path) if spec.mlflow else None
        facts = await in_thread(self._facts, spec, mlflow)
        if any(finding.code == SYNTAX for finding in bundle.findings):
            facts = replace(facts, same_python=await in_thread(python.is_no_newer))
        return preflight(spec, bundle, python, facts), python

    def _facts(self, spec: JobSpec, mlflow: bool | None) -> Facts:
        total, free = machine.memory()
        queue = GpuQueue(self._data_dir)
        return Facts(
            cores=machine.cores(),
            memory_bytes=total,
            memory_free_bytes=free,
            disk_free_bytes=machine.disk_free(self._data_dir),
            data_dir=self._data_dir,
            unwritable=unwritable(self._jobs_dir),
            open_to_others=open_to_others(self._data_dir),
            inventory=inventory(),
            held=queue.held() if spec.gpus else {},
            waiting=queue.waiting() if spec.gpus else [],
            use=gpu_use() if spec.gpus else {},
            mlflow=mlflow,
        )

    def _find(self, request_id: str) -> JobFolder | None:
        ending = f"-{request_digest(request_id)}"
        with contextlib.suppress(OSError):  # what is wrong with the folder is said as the job is checked
            for path in self._jobs_dir.iterdir():
                if path.name.endswith(ending) and not path.name.startswith("."):
                    return JobFolder(path)
        return None

    def _create(
        self,
        spec: JobSpec,
        bundle: Bundle,
        python: Interpreter,
        notices: list[str],
        request_id: str,
        submitted_by: str | None,
    ) -> JobStatus:
        job_id = new_job_id(spec.name, request_id)
        folder = JobFolder(self._jobs_dir / job_id)
        try:
            close(self._data_dir)
            self._jobs_dir.mkdir(mode=0o700, exist_ok=True)
            self._sweep()
            made = Path(tempfile.mkdtemp(dir=self._jobs_dir, prefix=".new-"))
            try:
                first = _first_status(folder, spec, notices, submitted_by)
                _fill(JobFolder(made), folder, first, bundle, python)
                with self._submitting():
                    known = self._find(request_id)  # a second submission in the same moment finds the first
                    if known is not None:
                        return self._status(known)
                    made.rename(folder.path)
                    detach.start(_SUPERVISOR, folder)
            finally:
                remove(made)
        except OSError as error:
            remove(folder.path)
            raise RecordUnwritable(error, folder.path) from error
        return first

    def _status(self, folder: JobFolder) -> JobStatus:
        status = folder.read_status()
        if status is None or (status.id, status.backend) != (folder.id, self.name):
            if not os.path.lexists(folder.path):
                raise JobNotFound(folder.id)
            return unreadable(folder)
        if settle.is_stale(status):
            try:
                return settle.settle(folder) or status
            except OSError:
                return settle.ended(folder, status)
        return status

    def _stop(self, folder: JobFolder) -> None:
        status = self._status(folder)
        if status.phase.final:
            return
        request = {"by": _user(), "at": time.time()}
        try:
            write_atomically(folder.stop_request, json.dumps(request).encode(), lasting=False)
            if status.owner is None:
                _stop_unstarted(folder)
        except OSError as error:
            if status.owner is None:
                raise RecordUnwritable(error, folder.path) from error
            # It cannot be written down (a full disk): the job must be stoppable all the same.
            if process.alive(status.owner):
                process.send([int(status.owner["pid"])], process.STOP)

    def _remove(self, folder: JobFolder) -> None:
        grave = folder.path.with_name(f".deleted-{folder.id}-{secrets.token_hex(4)}")
        try:
            folder.path.rename(grave)  # gone for everybody at once; the files follow
        except FileNotFoundError:
            return
        except OSError as error:
            raise RecordUnwritable(error, folder.path) from error
        remove(grave)

    @contextlib.contextmanager
    def _submitting(self) -> Iterator[None]:
        handle = os.open(self._jobs_dir / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        """Removes what a process left that died while it submitted or deleted."""
        for path in [*self._jobs_dir.glob(".new-*"), *self._jobs_dir.glob(".deleted-*")]:
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > _LEFTOVER_S:
                    remove(path)


def _first_status(final: JobFolder, spec: JobSpec, notices: list[str], submitted_by: str | None) -> JobStatus:
    now = time.time()
    return JobStatus.of(
        spec,
        id=final.id,
        backend=LocalBackend.name,
        phase=Phase.QUEUED,
        reason=Reason(code=Step.SUBMITTED.value, text="It is being started."),
        submitted_by=submitted_by,
        created_at=now,
        timeline=[Transition(phase=Phase.QUEUED, at=now)],
        notices=notices,
        folder=str(final.path),
    )


def _fill(made: JobFolder, final: JobFolder, first: JobStatus, bundle: Bundle, python: Interpreter) -> None:
    """Writes a new job folder, still under another name.

    Its supervisor makes it survive a power cut: a job that has not begun by then would not begin after it.
    """
    directory = bundle.directory or final.path / "files"
    for name in ("files", "outputs", "checkpoints", "logs"):
        (made.path / name).mkdir()
    made.bundle.touch(mode=0o600)
    made.bundle.write_bytes(bundle.data)
    made.write_spec(first.spec)
    plan = Launch(
        python=python.path,
        directory=str(directory),
        nonce=secrets.token_hex(8),
        env=python.env,
        options=python.options,
        uses_mlflow=bundle.uses_mlflow,
    )
    launch.write(made, plan)
    made.write_status(first, lasting=False)


def _stop_unstarted(folder: JobFolder) -> None:
    """Ends a job whose supervisor has not taken over yet; that one then finds nothing to do."""
    with contextlib.suppress(Taken), Ownership(folder):  # taken: it has by now, and sees the request
        status = folder.read_status()
        if status is not None and status.owner is None and not status.phase.final:
            reason = Reason(code="stopped", text="It was stopped before it started.")
            now = time.time()
            timeline = [*status.timeline, Transition(phase=Phase.STOPPED, at=now)]
            changes = {"phase": Phase.STOPPED, "reason": reason, "finished_at": now, "timeline": timeline}
            folder.write_status(status.model_copy(update=changes))


def _kill_supervisor(status: JobStatus) -> bool:
    """The last resort: its ranks end with it, and its record is completed by whoever looks next.

    Returns: whether there was one.
    """
    if status.owner is None or not process.alive(status.owner):
        return False
    process.send([int(status.owner["pid"])], signal.SIGKILL)
    return True


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user id without a name
        return None
