"""Whether the namespace of a job that goes is going itself, which none of the job's objects says."""

from __future__ import annotations

import dataclasses

from ....errors import MlkError
from ....model import Reason
from ..kinds.fields import deleted_at
from ..resources import NAMESPACES
from ..status.explain.namespaces import LOSSES, explain_namespace
from ..status.read import Reading
from .bundles import ObjectSource


class NamespaceWatch:
    """Asks for the namespace once for each thing that is said of the job's loss."""

    def __init__(self, connection: ObjectSource, namespace: str) -> None:
        self._connection, self._namespace = connection, namespace
        self._said: dict[str, Reason | None] = {}

    async def told(self, reading: Reading) -> Reading:
        """The reading, its reason being the namespace's end where that is why the job's objects go."""
        code = reading.reason.code if reading.reason is not None else ""
        if code not in LOSSES:
            return reading
        if code not in self._said:
            self._said[code] = await end_of(self._connection, self._namespace)
        return dataclasses.replace(reading, reason=self._said[code] or reading.reason)


async def end_of(connection: ObjectSource, namespace: str) -> Reason | None:
    """Words for the namespace's end; None while it stands, or where it may not be seen."""
    try:
        found = await connection.get(NAMESPACES.path(name=namespace))
    except MlkError as error:
        return explain_namespace(namespace, gone=True) if error.status == 404 else None
    return explain_namespace(namespace, gone=False) if deleted_at(found) is not None else None
