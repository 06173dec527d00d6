"""How a worker's container ended, in words. Pure."""

from __future__ import annotations

from ..... import quantities
from .....model import Reason
from .....record.verdict import failed
from .....worker.deaths import Death, signalled
from ... import labels
from ...kinds.fields import (
    WorkerStatus,
    container,
    container_asked,
    failed_init_container,
    mapping,
    name,
    number,
    sequence,
    spec_of,
    state_of,
    text,
)
from ...resources import Manifest
from .containers import OTHER_PROCESSOR, USE_ANOTHER_IMAGE, explain_start
from .messages import clean

INIT_FAILED_UNTOLD = "init_failed_untold"
"""Code of a failed init container of somebody else's of which the cluster does not tell what it wrote last."""


def explain_exit(pod: Manifest, worker: WorkerStatus, who: str) -> Reason:
    """Words for the end of a worker that did not end well, by its own doing."""
    init = failed_init_container(pod)
    ended = state_of(container(pod), "terminated")
    if ended is None and init is not None:
        return _init_failed(init, pod, who)
    ended = mapping(ended)
    kind, message = text(ended.get("reason")), text(ended.get("message"))[:20_000]
    words = worker.last_words
    if kind == "OOMKilled" or (words is not None and words.death is Death.MEMORY):
        return _out_of_memory(pod, who)
    if kind in ("StartError", "ContainerCannotRun", "CreateContainerError"):
        return explain_start(message, who)
    if words is None and worker.exit_code == 0 and (other := failed_beside(pod)) is not None:
        return explain_beside(other, pod, f"{who} itself ended well; its pod counts as failed.", who)
    if words is not None:
        return failed(words, signal_name=worker.signal, exit_code=worker.exit_code, out_of_memory=False).reason
    if worker.signal == "SIGKILL":
        return Reason(
            code=signalled(worker.signal).code,
            text=f"{who} was killed (SIGKILL), and the cluster does not say by whom.",
            hint="Memory may have run out, its own or its node's. "
            + ("" if _limit(pod, "memory") else "Give it a memory limit, so that this is said. ")
            + "See the log's last lines.",
        )
    if worker.signal is not None:
        what = signalled(worker.signal)
        shared_memory = _shared_memory(pod) if worker.signal == "SIGBUS" else ""
        return Reason(code=what.code, text=f"{who} {what.how}{shared_memory}.", hint=what.hint)
    said = _said_last(message)
    if "exec format error" in said:
        return Reason(
            code="bad_command", text=f"{who} could not be started: {OTHER_PROCESSOR}.", hint=USE_ANOTHER_IMAGE
        )
    if worker.exit_code in (126, 127):
        why = "could not be executed" if worker.exit_code == 126 else "was not found"
        return Reason(
            code="bad_command",
            text=f"{who} ended with exit code {worker.exit_code}: {said or f'a program {why}.'}",
            hint="The image needs Python 3.9 or later as `python3` or `python`; see the log for what was missing.",
        )
    if worker.exit_code is None:
        why = clean(mapping(pod.get("status")).get("message"), 200)
        return Reason(code="pod_failed", text=f"{who}'s pod failed{f': {why}' if why else '.'}", hint="See its events.")
    return Reason(
        code="rank_failed",
        text=f"{who} ended with exit code {worker.exit_code}{f': {said}' if said else '.'}",
        hint=f"See the log of {who.lower()}.",
    )


def _said_last(message: str) -> str:
    """The last words of a container in which no rank ever ran: of one in which one did, the rank's frames tell more."""
    if message.lstrip().startswith("{") or "@mlk:" in message:
        return ""
    lines = [line for line in message.splitlines() if line.strip()]
    return clean(lines[-1], 200) if lines else ""


def failed_beside(pod: Manifest) -> Manifest | None:
    """The status of another container of the pod, not one of ours, that failed: with it the pod will."""
    if spec_of(pod).get("restartPolicy", "Never") != "Never":
        return None
    for one in map(mapping, sequence(mapping(pod.get("status")).get("containerStatuses"))):
        if one != container(pod) and number(mapping(state_of(one, "terminated")).get("exitCode")):
            return one
    return None


def explain_beside(other: Manifest, pod: Manifest, so: str, who: str) -> Reason:
    """Words for the failure of a container that is not ours. `so`: what that means for ours."""
    ended, called = mapping(state_of(other, "terminated")), clean(other.get("name"), 60)
    how = f"ended with exit code {number(ended.get('exitCode'))}"
    if ended.get("reason") == "OOMKilled":
        limit = _limit(pod, "memory", called)
        than = f"its own limit of {limit}" if limit else "there was"
        how = f"was killed because it used more memory than {than} (OOMKilled)"
    text_ = f"The container {called} beside {who.lower()} {how}. {so}"
    return Reason(code="sidecar_failed", text=text_, hint=_not_ours(pod, called))


def _out_of_memory(pod: Manifest, who: str) -> Reason:
    limit = _limit(pod, "memory")
    than = f"its limit of {limit}" if limit else "its node could give"
    return Reason(
        code="out_of_memory",
        text=f"{who} was killed because it used more memory than {than} (OOMKilled). This is main memory with /dev/shm"
        f"{_shared_memory(pod)}, not GPU memory.",
        hint="Ask for more memory, load less at once, or use fewer data loader workers.",
    )


def _init_failed(init: Manifest, pod: Manifest, who: str) -> Reason:
    ended, called = mapping(state_of(init, "terminated")), clean(init.get("name"), 60)
    code, message = number(ended.get("exitCode")), clean(ended.get("message"), 200)
    ours = called == labels.STAGING
    what = f"Staging data for {who.lower()}" if ours else f"The init container {called} of {who.lower()}"
    if ended.get("reason") == "OOMKilled":
        text_ = f"{what} was killed because it used more memory than its limit."
        return Reason(code="out_of_memory", text=text_, hint="Ask for more memory." if ours else _not_ours(pod, called))
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        reason = explain_start(text(ended.get("message"))[:20_000], what)
        return reason if ours else reason.model_copy(update={"hint": _not_ours(pod, called)})
    missing = ": the command was not found in its image" if code == 127 else ""
    told = "init_failed" if message or missing else INIT_FAILED_UNTOLD
    return Reason(
        code="staging_failed" if ours else told,
        text=f"{what} ended with exit code {code}{f': {message}' if message else missing}.",
        hint="See the log of the staging step; try the command in the same image." if ours else _not_ours(pod, called),
    )


def _not_ours(pod: Manifest, called: str) -> str:
    return f"Whoever puts it into pods here can say why. `kubectl logs {name(pod)} -c {called}` shows all it wrote."


def _limit(pod: Manifest, resource: str, called: str | None = None) -> str | None:
    """What the container of that name, else ours, may have, or else the whole pod."""
    containers = map(mapping, sequence(spec_of(pod).get("containers")))
    asked = (
        container_asked(pod) if called is None else next((one for one in containers if one.get("name") == called), {})
    )
    for part in (asked, spec_of(pod)):
        found = quantities.find(mapping(mapping(part.get("resources")).get("limits")).get(resource))
        if found is not None:
            return quantities.size_in_words(found)
    return None


def _shared_memory(pod: Manifest) -> str:
    """ " (2 GiB)": the size of /dev/shm as far as it is known."""
    for volume in map(mapping, sequence(spec_of(pod).get("volumes"))):
        empty = mapping(volume.get("emptyDir"))
        size = quantities.find(empty.get("sizeLimit")) if empty.get("medium") == "Memory" else None
        if size is not None:
            return f" ({quantities.size_in_words(size)})"
    return ""
