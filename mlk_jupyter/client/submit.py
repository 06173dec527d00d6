"""`train`: a notebook, script or function becomes a job."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import io
import os
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import library
from ..backends.base import Backend
from ..bundle import Bundle
from ..errors import BadInput
from ..idle.inside import submitted
from ..model import ClusterOptions, JobSpec, JobStatus
from ..threads import in_thread
from .background import run
from .errors import Detached
from .functions import folder_of, name_of, parcel_of
from .handle import Job
from .places import Where, places
from .returned import keep_key

_OF_JOB = frozenset(JobSpec.model_fields) - {"name", "notebook", "workers", "gpus", "cluster"}
_OF_CLUSTER = frozenset(ClusterOptions.model_fields) - {"image"}
_NAMED = ("workers", "gpus", "image", "name", "backend", "context", "namespace", "wait", "pickle", "kwargs")

_KEY = "job/values/key"

_submitting: set[asyncio.Task[JobStatus]] = set()


def train(
    what: Callable[..., Any] | str | os.PathLike[str],
    /,
    *args: Any,
    workers: int = 1,
    gpus: int = 0,
    image: str | None = None,
    name: str | None = None,
    backend: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    wait: bool = False,
    pickle: bool = False,
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> Job:
    """Runs a notebook, a script or a function as a job, and returns while it runs.

    Args:
        what:      path of an .ipynb or .py file, or a function.
        args:      what the function is called with, by place.
        workers:   process groups on this machine, pods on a cluster.
        gpus:      whole GPUs for each worker.
        image:     on a cluster, the container image; None means MLK_IMAGE.
        name:      what the job is called; None means the file's or function's name.
        backend:   `local`, `kubernetes` or `kubernetes:CONTEXT`; None means MLK_BACKEND, else the cluster when one
                   answers, else this machine.
        context:   of the kubeconfig.
        namespace: in the cluster.
        wait:      returns only when the job is over, however it ended.
        pickle:    whether values that no plain form can carry may be pickled.
        kwargs:    what the function is called with, by name.
        options:   any other field of `JobSpec` and `ClusterOptions`: parameters, env, files, time_limit_s, memory, ….

    Raises: BadInput for what cannot be used; Refused when the job could not run; Detached when interrupted.
    """
    asked = _asked(options, workers=workers, gpus=gpus, image=image)
    where = Where.of(backend, context, namespace)
    parcel = parcel_of(what, args, kwargs, pickle=pickle) if callable(what) else None
    if parcel is None and (args or kwargs or pickle):
        raise BadInput(
            "A notebook or script is not called with values.",
            hint="Set what its cell tagged `parameters` declares by name: `parameters={'epochs': 3}`; what a script "
            "finds in `sys.argv`: `arguments=['--epochs', '3']`.",
        )
    begun: list[str] = []

    async def begin() -> JobStatus:
        found = await (await places().backends(where)).at(None)
        if callable(what):
            assert parcel is not None
            source = await library.source_of(parcel.notebook, f"{name_of(what)}.ipynb", folder_of(what))
        else:
            source = await library.read_source(what)
        spec = library.spec_from({"name": name or source.stem, "notebook": source.path, **asked})
        bundle = await library.prepare(source, spec, found.carriage, parcel.extra if parcel else None)
        if parcel is not None:
            notices = [*bundle.notices, *map(str, parcel.missing), *parcel.notices]
            bundle = dataclasses.replace(bundle, notices=notices)
        begun.append(spec.name)
        return await hand_over(found, spec, bundle)

    try:
        made = Job(run(begin()), where)
    except KeyboardInterrupt:
        if not begun:
            raise
        text = f"{begun[0]} was being submitted, and may run. See mlk_jupyter.jobs()."
        raise Detached(text, None) from None
    if wait:
        made.wait()
    return made


async def hand_over(backend: Backend, spec: JobSpec, bundle: Bundle) -> JobStatus:
    """Submits to the end, though nobody may wait any more: half a job is of no use."""
    task = asyncio.ensure_future(_submit(backend, spec, bundle))
    _submitting.add(task)
    task.add_done_callback(_submitting.discard)
    return await asyncio.shield(task)


async def _submit(backend: Backend, spec: JobSpec, bundle: Bundle) -> JobStatus:
    status = await backend.submit(spec, bundle, request_id=uuid.uuid4().hex, submitted_by=library.submitter())
    await in_thread(submitted, status.id)
    key = await in_thread(_key_in, bundle.data)
    if key is not None:
        await in_thread(keep_key, backend.folder(status.id), key)
    return status


def _key_in(data: bytes) -> bytes | None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(_KEY) if _KEY in archive.namelist() else None


def check_options(whose: str, options: Mapping[str, Any]) -> None:
    """Raises: BadInput for a name that is no option of a function's job, with the closest that is."""
    _check_names(whose, options, [name for name in _NAMED if name not in ("wait", "kwargs")])


def _check_names(whose: str, options: Mapping[str, Any], named: Sequence[str]) -> None:
    for option in options:
        if option not in _OF_JOB | _OF_CLUSTER | set(named):
            known = [*(named or _NAMED), *sorted(_OF_JOB), *sorted(_OF_CLUSTER)]
            near = difflib.get_close_matches(option, known, 1)
            raise BadInput(
                f"{option} is no option of {whose}." + (f" Did you mean {near[0]!r}?" if near else ""),
                hint=f"Options: {', '.join(known)}.",
            )


def _asked(options: Mapping[str, Any], *, workers: int, gpus: int, image: str | None) -> dict[str, Any]:
    """What was asked, as plain data of a spec.

    Raises: BadInput for a name that is none, with the closest that is.
    """
    _check_names("train()", options, ())
    asked: dict[str, Any] = {"workers": workers, "gpus": gpus}
    asked.update((option, value) for option, value in options.items() if option in _OF_JOB)
    cluster = {option: value for option, value in options.items() if option in _OF_CLUSTER}
    if image is not None:
        cluster["image"] = image
    return {**asked, "cluster": cluster} if cluster else asked
