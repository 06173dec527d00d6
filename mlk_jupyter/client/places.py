"""Which backends a call means. All of it lives in the background's loop."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import MlkError
from ..threads import in_thread
from .background import Background, background

if TYPE_CHECKING:
    from ..backends.many import Backends

# What `choose` and the backends read: a notebook may set these at any time.
_VARIABLES = ("MLK_BACKEND", "MLK_CONTEXT", "MLK_NAMESPACE", "MLK_IMAGE", "MLK_DATA_DIR", "KUBECONFIG", "HOME")


@dataclass(frozen=True)
class Where:
    """Which backends somebody means: what they named, and the variables that decide the rest."""

    backend: str | None
    context: str | None
    namespace: str | None
    surroundings: tuple[str | None, ...]

    @classmethod
    def of(cls, backend: str | None = None, context: str | None = None, namespace: str | None = None) -> Where:
        """What is meant now."""
        return cls(backend, context, namespace, tuple(os.environ.get(name) for name in _VARIABLES))


class Places:
    """All backends that this process used so far, each chosen once."""

    def __init__(self) -> None:
        self._chosen: dict[Where, asyncio.Future[Backends]] = {}

    async def backends(self, where: Where) -> Backends:
        """The backends that are meant.

        Raises: BadInput, NoCluster, NoKubernetesPackage.
        """
        choosing = self._chosen.get(where)
        if choosing is None:
            choosing = self._chosen[where] = asyncio.ensure_future(in_thread(_choose, where))
        try:
            return await asyncio.shield(choosing)
        except MlkError:
            self._chosen.pop(where, None)  # it may have been mended when somebody asks again
            raise

    async def close(self) -> None:
        """Closes all of them. Jobs go on."""
        for choosing in self._chosen.values():
            if choosing.done() and not choosing.cancelled() and choosing.exception() is None:
                await choosing.result().close()


_places: tuple[Background, Places] | None = None


def places() -> Places:
    """Those of this process; to be called in the background's loop."""
    global _places
    there = background()
    if _places is None or _places[0] is not there:
        _places = there, Places()
        there.at_end(_places[1].close)
    return _places[1]


def _choose(where: Where) -> Backends:
    from ..backends.choosing import choose

    return choose(where.backend, context=where.context, namespace=where.namespace)
