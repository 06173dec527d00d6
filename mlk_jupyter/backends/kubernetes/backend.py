"""Jobs on one namespace of a cluster. The cluster is the truth; the job folders are its record on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import AsyncIterator, Mapping, Set
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from ...bundle import Bundle
from ...errors import BackendUnavailable, JobNotFound, MlkError
from ...follow.broadcast import Changes, newest_first
from ...gpus.stock import Stock
from ...model import JobSpec, JobStatus, JobSummary, Step
from ...model.api import BackendInfo, Orphan, Preflight, WatchState
from ...model.ids import new_job_id
from ...record.folder import JobFolder, RecordUnwritable
from ...threads import in_thread
from ...waiting import within
from ..base import Carriage, Refused
from .api.api_errors import ApiError, Forbidden, Unreachable
from .api.targets import Target
from .cluster import Cluster, Offer
from .controller import Controller
from .job_status import status_of, summary_of
from .kinds.registry import kinds
from .lifecycle import removal
from .lifecycle.creation import SubmissionUnknown, create
from .lifecycle.submission import context_of, first_status, for_request, manifests, preview_request
from .manifests.yaml_dump import as_yaml
from .preflight.examination import examine
from .recording.beside import completed
from .recording.records import Records
from .resources import Objects
from .rights.discovery import Served
from .timing import Timing
from .watch.holdings import Snapshot

logger = logging.getLogger(__name__)

BUNDLE_LIMIT = 900 * 1024
"""Bytes of a bundle: a ConfigMap holds 1 MiB with its names, and base64 stays below etcd's limit."""
_REFUSED_FOR_S = 5.0


class KubernetesBackend:
    """One cluster and namespace.

    Args:
        image:   for jobs that name none.
        at_hand: whether it may be connected to before somebody chooses it.
        root:    the data directory; None means that of `record.folder.data_dir`.
    """

    kind: Literal["local", "kubernetes"] = "kubernetes"
    carriage = Carriage(BUNDLE_LIMIT, byte_code=False)

    def __init__(
        self,
        target: Target,
        *,
        name: str = "kubernetes",
        image: str | None = None,
        at_hand: bool = True,
        root: Path | None = None,
        user: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.name = name
        self.image = image
        self._timing = timing or Timing()
        self._cluster = Cluster(target, user, self._timing.requests)
        self._records = Records(target, root)
        self._engaged = asyncio.Event()
        if at_hand:
            self._engaged.set()
        self._controller = Controller(self._cluster, self._records, name, self._timing)
        self._known: set[str] = set()
        """Jobs that were told of."""
        self._submitting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def detached(cls, namespace: str, *, image: str | None) -> KubernetesBackend:
        """A backend without a cluster, which can render and nothing else."""
        target = Target(None, namespace, "https://cluster.invalid", False, "Nothing is asked of it.")
        return cls(target, image=image, at_hand=False)

    @property
    def title(self) -> str:
        """For people."""
        return self._cluster.title

    async def refusal(self) -> str | None:
        """Why jobs cannot be submitted here, in a sentence; None when they can.

        Raises: ApiError when the cluster does not answer.
        """
        try:
            offer = await within(_REFUSED_FOR_S * 2, self._cluster.offer())
        except asyncio.TimeoutError:
            raise Unreachable(
                f"It took longer than {_REFUSED_FOR_S * 2:.0f} s to answer.", hint="Try again, or name a backend."
            ) from None
        right = offer.access.right("submit", offer.served)
        if right is None or right.allowed is not False:
            return None
        missing = ", ".join(right.missing)
        return f"{self.title} does not let {self._cluster.user} submit jobs in {self._cluster.namespace} ({missing})."

    async def info(self) -> BackendInfo:
        """What this cluster is and offers; one that does not answer says so in its `watch`."""
        target = self._cluster.target
        plain = BackendInfo(
            name=self.name,
            kind=self.kind,
            title=self.title,
            why=target.why,
            context=target.context,
            namespace=target.namespace,
            image=self.image,
            gpus_why="The cluster was not asked yet.",
        )
        if not self._engaged.is_set():
            return plain
        state, why = self._controller.state
        try:
            offer = await within(_REFUSED_FOR_S, self._cluster.offer())
        except (ApiError, asyncio.TimeoutError) as error:
            said = error.detail if isinstance(error, ApiError) else "It takes long to answer."
            refused = isinstance(error, ApiError) and error.status in (401, 403)
            lost = WatchState.REFUSED if refused else WatchState.RECONNECTING
            return plain.model_copy(update={"watch": lost, "watch_why": why or said, "gpus_why": said})
        there = await self._cluster.hardware(offer.access)
        return plain.model_copy(
            update={
                "server_version": offer.served.version,
                "watch": state,
                "watch_why": why,
                "rights": offer.access.rights(offer.served),
                "kinds": [resource.kind for resource in offer.served.resources],
                "queues": await self._cluster.queues(offer),
                "cores": there.cores,
                "memory_bytes": there.memory_bytes,
                "gpus": there.gpus,
                "gpu_names": there.gpu_names,
                "gpus_why": there.why,
            }
        )

    async def stock(self) -> Stock:
        """What accelerators the cluster has, who holds them and what they do."""
        return await self._cluster.stock(self.name)

    async def preflight(self, spec: JobSpec, bundle: Bundle) -> Preflight:
        """All that speaks against the job, and what it will use. Creates nothing."""
        offer = await self._offer()
        return (await examine(self._cluster, spec, bundle, offer, self.image))[0]

    async def render(self, spec: JobSpec, bundle: Bundle) -> str | None:
        """The objects that submitting this would create, as YAML. Asks the cluster only which kinds it serves.

        A kind that the spec names is rendered also for a cluster that does not serve it.
        """
        served = (await self._offer()).served if self._engaged.is_set() else Served()
        if spec.cluster.kind is not None:
            served = dataclasses.replace(served, kinds=tuple(await in_thread(kinds)))
        what = await context_of(self._cluster, spec, bundle.data, preview_request(spec, bundle), image=self.image)
        return as_yaml(manifests(what, served))

    async def submit(
        self, spec: JobSpec, bundle: Bundle, *, request_id: str, submitted_by: str | None = None
    ) -> JobStatus:
        """Creates the job, or returns the one that the same `request_id` created before, completing it if need be.

        Raises: Refused, SubmissionUnknown, RecordUnwritable, ApiError.
        """
        job_id = new_job_id(spec.name, request_id)
        async with self._submitting.setdefault(job_id, asyncio.Lock()):
            return await self._submit(spec, bundle, job_id, request_id, submitted_by)

    async def _submit(
        self, spec: JobSpec, bundle: Bundle, job_id: str, request_id: str, submitted_by: str | None
    ) -> JobStatus:
        offer = await self._offer()
        if await in_thread(self._was_cut_off, job_id):
            await self._controller.reconciler.leave(
                job_id
            )  # else it would be written down meanwhile that it was never created
        else:
            with contextlib.suppress(JobNotFound, Forbidden):  # whoever may not list jobs may still create them
                return await self.job(job_id)
        findings, context = await examine(self._cluster, spec, bundle, offer, self.image)
        if not findings.ok or context is None:
            self._controller.reconciler.stay(job_id)
            raise Refused(findings)
        what = for_request(context, request_id, submitted_by)
        first = functools.partial(first_status, what, backend=self.name)
        try:
            begun = await in_thread(
                self._records.create, job_id, spec, bundle.data, lambda at: first_status(what, at, self.name)
            )
        except OSError as error:
            raise RecordUnwritable(error, self._records.jobs / job_id) from error
        with begun as submission:
            try:
                await create(self._cluster.connection, manifests(what, offer.served), self._cluster.namespace)
            except SubmissionUnknown:
                raise  # the folder stays: the next try, or the next watch, finds out
            except MlkError:
                await self._controller.reconciler.leave(job_id)
                await in_thread(self._records.remove, job_id)
                self._controller.reconciler.forget(job_id)
                raise
            await in_thread(self._records.submitted, job_id)
        folder = submission.folder
        status = await in_thread(folder.read_status) or first(folder)
        await self._controller.submitted(job_id, status)
        return status

    async def jobs(self) -> list[JobSummary]:
        """All of this user's jobs, newest first: those in the cluster, and those that only the record holds."""
        return (await self._listed(None))[0]

    async def newest(self, count: int) -> tuple[list[JobSummary], int]:
        """The first so many of these, and how many there are. What became of the others is not worked out."""
        return await self._listed(count)

    async def _listed(self, count: int | None) -> tuple[list[JobSummary], int]:
        written = self._controller.jobs() if self._controller.live else await in_thread(self._records.summaries)
        found = dict(written)
        total = len(found)
        if not self._controller.live and self._engaged.is_set():
            try:
                held = await self._cluster.snapshot()
                created = {job_id: job.created_at for job_id, job in found.items()} | held.created()
                newest = sorted(created, key=lambda job_id: (created[job_id], job_id), reverse=True)[:count]
                found |= await in_thread(self._judged, held, found, set(held) if count is None else set(newest))
                total = len(found) if count is None else len(created)
            except BackendUnavailable as error:
                if not found:
                    raise
                logger.warning("%s: jobs are shown as they were last seen. %s", self.title, error.detail)
        self._known = set(found)
        return newest_first(found)[:count], total

    async def job(self, job_id: str) -> JobStatus:
        """One job whole. Raises: JobNotFound."""
        live = self._controller.reconciler.status(job_id)
        if live is not None:
            return live
        written = await in_thread(self._records.folder(job_id).read_status)
        if (written is not None and written.phase.final) or not self._engaged.is_set():
            if written is None:
                raise JobNotFound(job_id)
            return written
        objects = await self._objects(job_id)
        found = (
            status_of(objects, written, self.name, self._controller.reconciler.background)
            if objects is not None
            else written
        )
        if found is None:
            raise JobNotFound(job_id)
        self._known.add(job_id)
        if found.reason is None or found.phase.final or objects is None:
            return found
        reason = await completed(self._cluster.connection, self._cluster.namespace, found.reason, objects.now)
        return found.model_copy(update={"reason": reason})

    async def watch(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed. A cluster that nobody chose is not connected to: its record is shown."""
        if not self._engaged.is_set():
            written = await in_thread(self._records.summaries)
            self._known = set(written)
            yield Changes(changed=newest_first(written))
            await self._engaged.wait()
        async with contextlib.aclosing(self._controller.view()) as changes:  # type: ignore[type-var]
            async for one in changes:
                yield one

    def folder(self, job_id: str) -> JobFolder:
        """The job's record on this machine, which may still be empty. Raises: JobNotFound."""
        folder = self._records.folder(job_id)
        if folder.path.is_dir() or job_id in self._known or self._controller.knows(job_id):
            return folder
        raise JobNotFound(job_id)

    def look(self, job_id: str, rank: int | None = None) -> None:
        """Says that somebody looks at a job, or at the log of one of its ranks."""
        self._controller.reconciler.look(job_id, rank)

    async def stop(self, job_id: str) -> None:
        """Asks the cluster to end the job's pods, and keeps its objects and its record. Raises: JobNotFound."""
        self._engaged.set()
        objects = await self._objects(job_id)
        if objects is None:
            self.folder(job_id)
            return
        served = (await self._offer()).served
        await removal.stop(
            self._cluster.connection, objects, self._cluster.namespace, self._cluster.user, served.workloads
        )

    async def delete(self, job_id: str) -> None:
        """Removes the job's objects, waits until they are gone, and removes its record. Raises: JobNotFound."""
        self._engaged.set()
        written = self._records.folder(job_id).path.is_dir()
        objects = await self._objects(job_id)
        if objects is None and not written:
            raise JobNotFound(job_id)
        await self._controller.reconciler.leave(job_id)
        try:
            if objects is not None:
                await removal.delete(
                    self._cluster.connection,
                    objects,
                    self._cluster.namespace,
                    watched=lambda: self._controller.fresh_objects(job_id),
                )
            await in_thread(self._records.remove, job_id)
        except OSError as error:
            self._controller.reconciler.stay(job_id)
            raise RecordUnwritable(error, self._records.jobs / job_id) from error
        except BaseException:
            self._controller.reconciler.stay(job_id)
            raise
        self._known.discard(job_id)
        self._controller.reconciler.forget(job_id)

    async def orphans(self) -> list[Orphan]:
        """Objects of ours whose job is gone."""
        if not self._engaged.is_set():
            return []
        known = self._controller.snapshot()  # each window asks when it opens the panel
        return await self._orphans(await self._cluster.snapshot() if known is None else known)

    async def remove_orphans(self) -> list[Orphan]:
        """Removes them; gives those that it removed."""
        if not self._engaged.is_set():
            return []
        found = await self._orphans(await self._cluster.snapshot())  # asked again: a watch may be late
        return await removal.remove_orphans(self._cluster.connection, self._cluster.namespace, found)

    async def _orphans(self, held: Snapshot) -> list[Orphan]:
        return await removal.orphans(
            self._cluster.connection, self._cluster.namespace, self._cluster.user, held, young_s=self._timing.young_s
        )

    async def resume(self) -> None:
        """Goes on recording jobs that were not over when this machine last looked; does nothing without such jobs."""
        if await in_thread(self._records.unfinished):
            self._engaged.set()
            await self._controller.start()

    async def close(self) -> None:
        """Ends the watch and closes the connection. Jobs go on."""
        await self._controller.close()
        await self._cluster.close()

    def _was_cut_off(self, job_id: str) -> bool:
        """Whether an earlier try to submit the job did not come to its end. What it left behind here does not count."""
        if not self._records.submitting(job_id):
            return False
        written = self._records.folder(job_id).read_status()
        if written is not None and written.step is Step.NOT_CREATED:
            self._records.remove(job_id)
        return True

    async def _offer(self) -> Offer:
        self._engaged.set()
        return await self._cluster.offer()

    def _judged(self, held: Snapshot, written: Mapping[str, JobSummary], which: Set[str]) -> dict[str, JobSummary]:
        """What became of these jobs as the cluster has it now, for whoever does not go on watching. Blocking."""
        found: dict[str, JobSummary] = {}
        for job_id in which & held.keys():
            before = written.get(job_id)
            if before is not None and before.phase.final:
                continue
            record = self._records.folder(job_id).read_status() if before is not None else None
            now = summary_of(held[job_id], record, self.name)
            if now is not None:
                found[job_id] = now
        return found

    async def _objects(self, job_id: str) -> Objects | None:
        """What the cluster holds of a job; None when that is nothing, or nobody chose this cluster yet."""
        self._records.folder(job_id)  # a job id, or JobNotFound
        objects = self._controller.objects(job_id)
        if (objects is None or not objects.exists) and self._engaged.is_set():
            objects = (await self._cluster.snapshot(job_id)).get(job_id)
        return objects if objects is not None and (objects.exists or objects.pods) else None
