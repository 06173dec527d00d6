"""A job's code out of its ConfigMap, for a machine that has the job's objects only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from ....errors import MlkError
from ....record.folder import JobFolder, write_atomically
from ....threads import in_thread
from .. import labels
from ..kinds.fields import name
from ..manifests.bundle import code_in
from ..resources import CONFIG_MAPS, Manifest, Objects
from ..status.read import Reading

_log = logging.getLogger(__name__)

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0


class ObjectSource(Protocol):
    """Gives one object of a cluster by its path."""

    async def get(self, path: str, **params: str) -> Manifest: ...


async def fetched(
    connection: ObjectSource, namespace: str, current: Callable[[], tuple[Objects, Reading]], folder: JobFolder
) -> bool:
    """Whether the folder has the job's bundle, after it was looked for in the cluster for at most 16 s.

    Args:   current: the job as it is known now.
    Raises: OSError when it cannot be written.
    """
    wait_s = _FIRST_WAIT_S
    while not await in_thread(folder.bundle.exists):
        for owner in current()[0].owners:
            data = await _bundle_of(connection, namespace, name(owner))
            if data:
                await in_thread(write_atomically, folder.bundle, data)
                return True
        if wait_s > _LONGEST_WAIT_S:
            return False
        await asyncio.sleep(wait_s)  # whoever submits it may be about to create the ConfigMap
        wait_s *= 2
    return True


async def _bundle_of(connection: ObjectSource, namespace: str, owner: str) -> bytes | None:
    path = CONFIG_MAPS.path(namespace, labels.bundle_name(owner))
    try:
        return code_in(await connection.get(path))
    except MlkError as error:
        _log.info("%s: %s", path, error)
        return None
