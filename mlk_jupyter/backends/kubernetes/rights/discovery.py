"""What a cluster serves: its version, and the groups beyond the core that decide what can be offered."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ....threads import in_thread
from ..api.api_errors import Forbidden, NotFoundInCluster, ServerTrouble, Throttled, Unreachable
from ..kinds.registry import BUILT_IN, kinds
from ..resources import LOCAL_QUEUES, NETWORK_POLICIES, WORKLOAD_PRIORITIES, WORKLOADS, Resource

if TYPE_CHECKING:
    from ..api.connection import Connection

_FRESH_S = 300.0  # a CRD is installed about once in a cluster's life
_KUEUE_VERSIONS = ("v1beta2", "v1beta1")  # the best first; v1beta1 is all that Kueue before 0.16 has
_OPENSHIFT = "security.openshift.io"
_MINOR = re.compile(r"v?(\d+)\.(\d+)")
_IMAGE_VOLUMES_SINCE, _IMAGE_VOLUMES_SURE = (
    (1, 31),
    (1, 36),
)  # behind a feature gate from the first, always on from the last


@dataclass(frozen=True)
class Served:
    """What a cluster serves. Frozen: the same object may be handed around while a newer one is asked for."""

    version: str | None = None
    """As the cluster calls itself, e.g. v1.36.0; None when not known."""
    kinds: tuple[str, ...] = BUILT_IN
    """Names of the kinds of job that it serves."""
    kueue: str | None = None
    """Version of Kueue's API to use; None when it is not served."""
    workload_priorities: bool = False
    """Kueue's WorkloadPriorityClasses."""
    metrics: bool = False
    """CPU and memory of pods by metrics.k8s.io."""
    dra: bool = False
    """Dynamic resource allocation, resource.k8s.io/v1."""
    network_policies: bool = True
    """The objects are taken; whether anything enforces them cannot be seen."""
    assigns_users: bool = False
    """It gives each namespace user ids of its own, and refuses pods that name another (OpenShift)."""

    @property
    def release(self) -> tuple[int, int] | None:
        """Major and minor version, e.g. (1, 36)."""
        match = _MINOR.match(self.version or "")
        return (int(match[1]), int(match[2])) if match else None

    @property
    def image_volumes(self) -> bool | None:
        """Whether OCI images can be mounted; None where a feature gate decides."""
        release = self.release
        if release is None or _IMAGE_VOLUMES_SINCE <= release < _IMAGE_VOLUMES_SURE:
            return None
        return release >= _IMAGE_VOLUMES_SURE

    @property
    def resources(self) -> list[Resource]:
        """Of the kinds of job."""
        return [kinds()[name].resource for name in self.kinds]

    @property
    def workloads(self) -> Resource | None:
        """Kueue's Workloads in the version to use."""
        return replace(WORKLOADS, version=self.kueue) if self.kueue else None

    @property
    def local_queues(self) -> Resource | None:
        return replace(LOCAL_QUEUES, version=self.kueue) if self.kueue else None

    @property
    def workload_priority_classes(self) -> Resource | None:
        return replace(WORKLOAD_PRIORITIES, version=self.kueue) if self.kueue and self.workload_priorities else None


class Discovery:
    """Asks a cluster what it serves, at most every few minutes however many ask."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: Served | None = None
        self._known_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def served(self) -> Served:
        """What is served, some minutes old at most; a group that is missing is no error.

        Raises: what `Connection.get` raises when the cluster does not answer and nothing is known of it yet.
        """
        async with self._one_at_a_time:
            if self._known is None or time.monotonic() - self._known_at > _FRESH_S:
                try:
                    self._known = await discover(self._connection)
                except (Unreachable, Throttled):
                    if self._known is None:
                        raise  # else what was served is most likely served still
                self._known_at = time.monotonic()
            return self._known

    def forget(self) -> None:
        """Asks anew next time: a call was answered as if a kind were not served."""
        self._known = None


async def discover(connection: Connection) -> Served:
    """Asks once, in two rounds of parallel calls."""
    version, groups = await asyncio.gather(_read(connection, "/version"), _read(connection, "/apis"))
    offered = _versions(groups)
    kueue = next((version for version in _KUEUE_VERSIONS if version in offered.get(WORKLOADS.group, [])), None)
    added = [kind for kind in (await in_thread(kinds)).values() if kind.name not in BUILT_IN]
    kueues, *others = await asyncio.gather(
        _plurals(connection, WORKLOADS.group, kueue, offered),
        *(_plurals(connection, kind.resource.group, kind.resource.version, offered) for kind in added),
    )
    served = [kind.name for kind, plurals in zip(added, others, strict=True) if kind.resource.plural in plurals]
    name = version.get("gitVersion") if version else None
    return Served(
        version=name if isinstance(name, str) else None,
        kinds=(*BUILT_IN, *served),
        kueue=kueue if {WORKLOADS.plural, LOCAL_QUEUES.plural} <= kueues else None,
        workload_priorities=WORKLOAD_PRIORITIES.plural in kueues,
        metrics="metrics.k8s.io" in offered,
        dra="v1" in offered.get("resource.k8s.io", []),
        network_policies=groups is None or NETWORK_POLICIES.version in offered.get(NETWORK_POLICIES.group, []),
        assigns_users=_OPENSHIFT in offered,
    )


async def _read(connection: Connection, path: str) -> dict[str, Any] | None:
    """None where the cluster answers, but not to this: discovery may be closed to a user, or one group be broken."""
    try:
        return await connection.get(path)
    except (Forbidden, NotFoundInCluster, ServerTrouble):
        return None


async def _plurals(connection: Connection, group: str, version: str | None, offered: dict[str, list[str]]) -> set[str]:
    if version is None or version not in offered.get(group, []):
        return set()
    answer = await _read(connection, f"/apis/{group}/{version}")
    return {str(resource.get("name")) for resource in (answer or {}).get("resources") or []}


def _versions(groups: dict[str, Any] | None) -> dict[str, list[str]]:
    """Group → its versions, the server's favourite first."""
    found: dict[str, list[str]] = {}
    for group in (groups or {}).get("groups") or []:
        found[str(group.get("name"))] = [str(version.get("version")) for version in group.get("versions") or []]
    return found
