"""`/mlk/info`, `/mlk/orphans` and the topic `backends`: where jobs run, and what jobs left there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tornado import web

from .base import Handler, allowed
from .features import Feature, Feed, Route, Subscription, TopicKind
from .services import Recent, Services

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..backends.many import Backends
    from ..model.api import Orphan, ServerInfo

_DESCRIBED_FOR_S = 5.0
_ORPHANS_FOR_S = 30.0  # each window asks when it opens


class InfoHandler(Handler):
    """Version, backends, and where runs are recorded."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        self.answer(await self.services.the(_description).get())


class OrphansHandler(Handler):
    """Objects of ours without a job."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        from ..model.api import Orphans

        self.answer(Orphans(orphans=await self.services.the(_orphans).get()))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def delete(self) -> None:
        from ..model.api import Orphans

        self.services.the(_orphans).forget()
        self.answer(Orphans(orphans=await self.backend.remove_orphans()))


def _description(services: Services) -> Recent[ServerInfo]:
    return Recent(_DESCRIBED_FOR_S, lambda: _describe(services.backend))


def _orphans(services: Services) -> Recent[list[Orphan]]:
    return Recent(_ORPHANS_FOR_S, lambda: services.backend.orphans())


async def _describe(backends: Backends) -> ServerInfo:
    from .._version import __version__
    from ..model.api import ServerInfo
    from ..record.folder import data_dir
    from ..runs.store import is_http, tracking_uri, without_credentials

    infos = await backends.infos()
    uri = tracking_uri(data_dir())
    records = is_http(uri) or _has_mlflow()
    return ServerInfo(
        version=__version__,
        backend=infos[0],
        backends=infos,
        mlflow_uri=without_credentials(uri) if records else None,
    )


def _has_mlflow() -> bool:
    """Whether MLflow is installed beside us, without importing it. A mere folder of that name has no origin."""
    from importlib.util import find_spec

    spec = find_spec("mlflow")
    return spec is not None and spec.origin is not None


def _open(asked: Subscription) -> Feed:
    from .feeds import BackendsFeed

    return BackendsFeed(asked.services.backend)


def _routes() -> Sequence[Route]:
    from ..model.api import Orphans, ServerInfo

    return (
        Route("GET", "/mlk/info", "getInfo", "What this server is and where jobs run.", "read", ServerInfo),
        Route("GET", "/mlk/orphans", "listOrphans", "Objects in clusters whose job is gone.", "read", Orphans),
        Route("DELETE", "/mlk/orphans", "removeOrphans", "Removes them; gives those removed.", "write", Orphans),
    )


def _told() -> Sequence[type[BaseModel]]:
    from ..model.api import Backends

    return (Backends,)


FEATURE = Feature(
    handlers=[(r"/mlk/info", InfoHandler), (r"/mlk/orphans", OrphansHandler)],
    routes=_routes,
    topics=[TopicKind("backends", "backends", "the places where jobs run, whole each time something changed", _open)],
    told=_told,
)
