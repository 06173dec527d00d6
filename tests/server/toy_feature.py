"""A feature as another package could bring it: one handler, one topic, and what they share."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel
from tornado import web

from mlk_jupyter.server.base import Handler, allowed
from mlk_jupyter.server.features import Feature, Kind, Route, Subscription, TopicKind
from mlk_jupyter.server.services import Services


class Bell(BaseModel):
    rung: int


class Tower:
    """How often the bell was rung in one server, and who listens."""

    def __init__(self, services: Services) -> None:
        self.rung = 0
        self.listeners: set[Callable[[], None]] = set()
        self.closed = False
        services.at_end(self.close)

    def ring(self) -> Bell:
        self.rung += 1
        for call in self.listeners:
            call()
        return Bell(rung=self.rung)

    async def close(self) -> None:
        self.closed = True


class BellHandler(Handler):
    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        self.answer(self.services.the(Tower).ring())


class BellFeed:
    due: float | None = None

    def __init__(self, asked: Subscription) -> None:
        self._tower, self._call = asked.services.the(Tower), asked.call
        self._sent: int | None = None
        self._tower.listeners.add(self._call)

    async def next(self) -> tuple[Kind, BaseModel] | None:
        if self._sent == self._tower.rung:
            return None
        first, self._sent = self._sent is None, self._tower.rung
        return "snapshot" if first else "delta", Bell(rung=self._sent)

    async def close(self) -> None:
        self._tower.listeners.discard(self._call)


FEATURE = Feature(
    handlers=[(r"/mlk/bell", BellHandler)],
    routes=lambda: (Route("POST", "/mlk/bell", "ringBell", "Rings the bell.", "write", Bell),),
    topics=[TopicKind("bell", "bell", "how often it was rung", BellFeed)],
)
