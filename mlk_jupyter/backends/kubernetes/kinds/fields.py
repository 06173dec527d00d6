"""Plain objects of the cluster taken apart: times, conditions, and what one worker's pod says. Pure, and never raises.

What a cluster sends is not trusted to have the shape it should have: anything odd is taken as not said.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ....model import RankState
from ....record.failure import Failure, failure_of
from ....worker.deaths import name_of, signal_in
from .. import labels
from ..resources import Manifest, Objects

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
QUEUE = "kueue.x-k8s.io/queue-name"

_SLACK_S = 1.0
_FRACTION = re.compile(r"\.(\d+)")
_WHOLE = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class WorkerStatus:
    """One worker as its newest pod shows it."""

    worker: int
    """Its number, from 0."""
    pod: str
    uid: str
    node: str | None
    state: RankState
    exit_code: int | None
    signal: str | None
    """Name of the signal that ended it, e.g. SIGKILL."""
    why: str | None
    """Why it is in its state, where there is more to say; filled in by `read`."""
    finished: bool
    """Its container has ended: nothing more comes in its log."""
    last_words: Failure | None
    """What the rank that failed first wrote down."""
    started_at: float | None = None
    """Seconds since the epoch when its container started."""
    finished_at: float | None = None
    disruption: str | None = None
    """Reason of the pod's DisruptionTarget condition, e.g. PreemptionByScheduler."""
    created_at: float | None = None
    """When its pod was made, by the clock of the API server."""


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def metadata(item: Mapping[str, Any] | None) -> dict[str, Any]:
    found = item.get("metadata") if item else None  # asked for 30 times a job: `mapping` written out
    return found if isinstance(found, dict) else {}


def status(item: Mapping[str, Any] | None) -> dict[str, Any]:
    found = item.get("status") if item else None
    return found if isinstance(found, dict) else {}


def spec_of(item: Mapping[str, Any] | None) -> dict[str, Any]:
    return mapping((item or {}).get("spec"))


def name(item: Mapping[str, Any] | None) -> str:
    return text(metadata(item).get("name"))


def uid(item: Mapping[str, Any] | None) -> str:
    return text(metadata(item).get("uid"))


def label(item: Mapping[str, Any] | None, key: str) -> str | None:
    value = mapping(metadata(item).get("labels")).get(key)
    return value if isinstance(value, str) else None


def annotation(item: Mapping[str, Any] | None, key: str) -> str | None:
    value = mapping(metadata(item).get("annotations")).get(key)
    return value if isinstance(value, str) else None


def seconds(time: Any) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; None for none, and for Kubernetes' zero times."""
    return _seconds_of(time) if isinstance(time, str) else None


@functools.lru_cache(maxsize=1_024)
def _seconds_of(time: str) -> float | None:
    """The objects of a job say each of its times several times, and so is each asked for."""
    # Python 3.10 reads exactly six digits behind the point, and no Z.
    time = _FRACTION.sub(lambda match: f".{match[1][:6]:0<6}", time.strip().replace("Z", "+00:00"))
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp() if moment.year > 1970 else None


def created_at(item: Mapping[str, Any] | None) -> float | None:
    return seconds(metadata(item).get("creationTimestamp"))


def deleted_at(item: Mapping[str, Any] | None) -> float | None:
    """When its deletion was asked for, or for a pod: when its time to end runs out. None if it is not being deleted."""
    return seconds(metadata(item).get("deletionTimestamp"))


def before_resumption(job: Mapping[str, Any] | None, at: float | None) -> bool:
    """Whether that was before a Job that was suspended went on; `startTime` is set anew then.

    Some slack: whoever stamps pods and whoever stamps Jobs may have two clocks.
    """
    if at is None or condition(job, "Suspended") is None:
        return False
    began = seconds(status(job).get("startTime"))
    return began is not None and at < began - _SLACK_S


def number(value: Any) -> int | None:
    """A whole number, also one in text as in labels; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def condition(item: Mapping[str, Any] | None, kind: str) -> dict[str, Any] | None:
    """The condition of that type, whatever its status."""
    for one in sequence(status(item).get("conditions")):
        if isinstance(one, dict) and one.get("type") == kind:
            return one
    return None


def holds(item: Mapping[str, Any] | None, kind: str) -> dict[str, Any] | None:
    """The condition of that type if its status is True."""
    found = condition(item, kind)
    return found if found is not None and found.get("status") == "True" else None


def since(found: Mapping[str, Any] | None) -> float | None:
    """When a condition last changed."""
    return seconds((found or {}).get("lastTransitionTime"))


def controller(item: Mapping[str, Any]) -> dict[str, Any]:
    """The reference to what manages an object; an empty one where nothing does."""
    for owner in sequence(metadata(item).get("ownerReferences")):
        if isinstance(owner, dict) and owner.get("controller") is True:
            return owner
    return {}


def orphaned(objects: Objects) -> list[Manifest]:
    """What nobody owns any more and nothing ends: pods of a job that was deleted with `--cascade=orphan`."""
    return [
        one
        for one in (*objects.children, *objects.pods)
        if not sequence(metadata(one).get("ownerReferences")) and deleted_at(one) is None
    ]


def indexed_worker(pod: Manifest) -> int:
    """The number of the worker that a pod of an Indexed Job is; 0 where nothing says it."""
    for value in (annotation(pod, COMPLETION_INDEX), label(pod, COMPLETION_INDEX)):
        found = number(value)
        if found is not None:
            return found
    match = re.search(r"-(\d{1,4})(?:-[a-z0-9]{5})?$", text(spec_of(pod).get("hostname")) or name(pod))
    return int(match[1]) if match else 0


def main_container(pod: Manifest) -> str:
    """Name of the container that runs the ranks, in a pod or a pod template."""
    return annotation(pod, labels.DEFAULT_CONTAINER) or labels.CONTAINER


def container(pod: Manifest) -> dict[str, Any] | None:
    """The status of the container that runs the ranks; of the only one if none is called so."""
    statuses = [mapping(one) for one in sequence(status(pod).get("containerStatuses"))]
    wanted = main_container(pod)
    named = next((one for one in statuses if one.get("name") == wanted), None)
    return statuses[0] if named is None and len(statuses) == 1 else named


def init_containers(pod: Manifest, *, sidecars: bool = False) -> list[dict[str, Any]]:
    """The statuses of the init containers in the order in which they run: ours that stages data, and those that others
    put into the pod. Without `sidecars`, those that go on beside the ranks (`restartPolicy: Always`) are left out."""
    asked = map(mapping, sequence(spec_of(pod).get("initContainers")))
    beside = {one.get("name") for one in asked if one.get("restartPolicy") == "Always"}
    found = map(mapping, sequence(status(pod).get("initContainerStatuses")))
    return [one for one in found if sidecars or one.get("name") not in beside]


def failed_init_container(pod: Manifest) -> dict[str, Any] | None:
    """The status of the init container that failed, so that the ranks never ran; None where none did."""
    for one in init_containers(pod):
        if number(mapping(state_of(one, "terminated")).get("exitCode")):
            return one
    return None


def container_asked(pod: Manifest) -> dict[str, Any]:
    """What the spec of a pod, or of a pod template, says of the container that runs the ranks."""
    asked = [mapping(one) for one in sequence(spec_of(pod).get("containers"))]
    named = next((one for one in asked if one.get("name") == main_container(pod)), None)
    return named or (asked[0] if asked else {})


def literal(pod: Manifest, variable: str) -> str | None:
    """The value of an environment variable of the container that runs the ranks, where it stands in the pod."""
    env = map(mapping, sequence(container_asked(pod).get("env")))
    return next((text(one.get("value")) or None for one in env if one.get("name") == variable), None)


def state_of(container_status: Mapping[str, Any] | None, which: str) -> dict[str, Any] | None:
    """The container's state `waiting`, `running` or `terminated` if it is in that; None else."""
    found = mapping((container_status or {}).get("state")).get(which)
    return found if isinstance(found, dict) else None


def scheduled_at(pod: Manifest) -> float | None:
    """When the pod got a node; None as long as it has none."""
    if not spec_of(pod).get("nodeName"):
        return None
    return since(holds(pod, "PodScheduled")) or created_at(pod)


def scheduled(pod: Manifest) -> bool:
    return bool(spec_of(pod).get("nodeName"))


def disruption(pod: Manifest) -> dict[str, Any] | None:
    """The condition that says that the cluster, and not the program, ended the pod."""
    return holds(pod, "DisruptionTarget")


def over(pod: Manifest) -> bool:
    """Nothing of it runs any more."""
    return status(pod).get("phase") in ("Succeeded", "Failed") or state_of(container(pod), "terminated") is not None


def last_words(message: Any, worker: int) -> Failure | None:
    """The termination message if it is what a failing rank of ours writes down."""
    if not isinstance(message, str) or not message.lstrip().startswith("{"):
        return None
    try:
        words = json.loads(message)
    except ValueError:
        return None
    if not isinstance(words, dict) or not isinstance(words.get("ename"), str):
        return None
    rank = number(words.get("rank"))
    return failure_of(words, worker if rank is None else rank)


def signal_of(terminated: Mapping[str, Any]) -> str | None:
    """The signal that ended a container: said, or 128 and its number as an exit code."""
    said = number(terminated.get("signal"))
    exit_code = number(terminated.get("exitCode"))
    return name_of(said) if said else signal_in(exit_code)


def worker_status(pod: Manifest, worker: int) -> WorkerStatus:
    """What one pod shows of the worker of that number."""
    own = container(pod)
    ran = ended = state_of(own, "terminated")
    running = state_of(own, "running")
    if ended is None and running is None:
        ended = state_of(failed_init_container(pod), "terminated")
    phase = status(pod).get("phase")
    exit_code = number(mapping(ended).get("exitCode"))
    if phase == "Failed" or exit_code:
        state = RankState.FAILED
    elif phase == "Succeeded" or exit_code == 0:
        state = RankState.SUCCEEDED
    elif running is not None:
        state = RankState.RUNNING
    else:
        state = RankState.WAITING
    target = disruption(pod)
    return WorkerStatus(
        worker=worker,
        pod=name(pod),
        uid=uid(pod),
        node=text(spec_of(pod).get("nodeName")) or None,
        state=state,
        exit_code=exit_code,
        signal=signal_of(ended) if ended is not None else None,
        why=None,
        finished=ended is not None or phase in ("Succeeded", "Failed"),
        last_words=last_words(mapping(ended).get("message"), worker),
        started_at=seconds(mapping(running or ran).get("startedAt")),
        finished_at=seconds(mapping(ended).get("finishedAt")),
        disruption=(text(target.get("reason")) or "Unknown") if target is not None else None,
        created_at=created_at(pod),
    )


def newest_pods(pods: Iterable[Manifest], worker_of: Callable[[Manifest], int]) -> dict[int, Manifest]:
    """Of each worker the pod that counts: the one that succeeded, else the newest."""
    chosen = {worker_of(pod): pod for pod in sorted(pods, key=_rank_of_pod)}
    return dict(sorted(chosen.items()))


def _rank_of_pod(pod: Manifest) -> tuple[bool, float, str]:
    return status(pod).get("phase") == "Succeeded", created_at(pod) or 0.0, name(pod)
