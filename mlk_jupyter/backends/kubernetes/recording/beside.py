"""What a job's own objects do not say of its trouble: that its namespace goes, and since when its node is silent."""

from __future__ import annotations

import dataclasses

from ....errors import MlkError
from ....model import Reason
from ..kinds.fields import deleted_at, seconds, spec_of
from ..resources import LEASES, NAMESPACES, NODE_LEASES
from ..status.explain.namespaces import LOSSES, explain_namespace
from ..status.explain.silence import SilentNode
from ..status.read import Reading
from .bundles import ObjectSource


class Beside:
    """Asks the cluster once for each thing that is said of the trouble."""

    def __init__(self, connection: ObjectSource, namespace: str) -> None:
        self._connection, self._namespace = connection, namespace
        self._losses: dict[str, Reason | None] = {}
        self._heartbeats: dict[str, float | None] = {}

    async def told(self, reading: Reading, now: float) -> Reading:
        """The reading, its reason completed by what else the cluster says. `now`: by the cluster's clock."""
        reason = reading.reason
        if reason is None:
            return reading
        if reason.code in LOSSES:
            if reason.code not in self._losses:
                self._losses[reason.code] = await end_of(self._connection, self._namespace)
            reason = self._losses[reason.code] or reason
        if not isinstance(reason, SilentNode):
            self._heartbeats.clear()  # it answers again, and may fall silent anew
        else:
            if reason.node not in self._heartbeats:
                self._heartbeats[reason.node] = await heartbeat_of(self._connection, reason.node)
            reason = reason.since(self._heartbeats[reason.node], now)
        return dataclasses.replace(reading, reason=reason) if reason is not reading.reason else reading


async def completed(connection: ObjectSource, namespace: str, reason: Reason, now: float) -> Reason:
    """The same for whoever looks once."""
    if isinstance(reason, SilentNode):
        return reason.since(await heartbeat_of(connection, reason.node), now)
    return (await end_of(connection, namespace) if reason.code in LOSSES else None) or reason


async def end_of(connection: ObjectSource, namespace: str) -> Reason | None:
    """Words for the namespace's end; None while it stands, or where it may not be seen."""
    try:
        found = await connection.get(NAMESPACES.path(name=namespace))
    except MlkError as error:
        return explain_namespace(namespace, gone=True) if error.status == 404 else None
    return explain_namespace(namespace, gone=False) if deleted_at(found) is not None else None


async def heartbeat_of(connection: ObjectSource, node: str) -> float | None:
    """When the node was last heard of, in seconds since the epoch; None where its lease may not be seen."""
    try:
        lease = await connection.get(LEASES.path(NODE_LEASES, node))
    except MlkError:
        return None
    return seconds(spec_of(lease).get("renewTime"))
