"""`/mlk/gpus` and the topic `gpus`: what accelerators there are, who holds them, and what they do."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tornado import web

from ..threads import in_thread
from .base import Handler, allowed
from .features import Encoded, Feature, Feed, Kind, Route, Subscription, TopicKind

if TYPE_CHECKING:
    from ..model.gpus import Gpus
    from ..monitor.poller import Monitor
    from .services import Services

ADVICE_ID = r"(?P<advice_id>[a-z_]{1,20}-[0-9a-f]{16})"


class GpusHandler(Handler):
    """All accelerators."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        self.answer(await (await _ready(self.services)).look())


class DismissHandler(Handler):
    """One advice."""

    @web.authenticated
    @allowed("write")
    async def post(self, advice_id: str) -> None:
        from ..model.gpus import Dismissal

        asked = self.json_body(Dismissal)
        await (await _ready(self.services)).dismiss(advice_id, asked.days)
        self.set_status(204)
        self.finish()


class GpusFeed:
    """All accelerators, whole each time something about them changed. Windows that ask together cause one look."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.due: float | None = None
        self._sent: Gpus | None = None

    async def next(self) -> tuple[Kind, Encoded] | None:
        monitor = await _ready(self._services)
        shown = await monitor.look()
        self.due = time.monotonic() + monitor.period_s
        if self._sent is not None and _seen(shown) == _seen(self._sent):
            return None
        first, self._sent = self._sent is None, shown
        return ("snapshot" if first else "delta"), Encoded(shown.model_dump_json())

    async def close(self) -> None:
        """Holds nothing."""


def _seen(shown: Gpus) -> Gpus:
    """What a person sees of it: not the moment at which it was found out."""
    return shown.model_copy(update={"now": 0.0})


async def _ready(services: Services) -> Monitor:
    await in_thread(_load)
    return services.the(_monitor)


def _load() -> None:
    from ..monitor import poller  # noqa: F401


def _monitor(services: Services) -> Monitor:
    from ..monitor.person import names
    from ..monitor.poller import Monitor
    from ..record.places import data_dir

    monitor = Monitor(
        lambda: services.backend.stocks(), data_dir(), me=names(os.environ), environ=lambda: dict(os.environ)
    )
    services.at_end(monitor.close)
    return monitor


def _open(asked: Subscription) -> Feed:
    return GpusFeed(asked.services)


def _routes() -> Sequence[Route]:
    from ..model.gpus import Dismissal, Gpus

    return (
        Route(
            "GET", "/mlk/gpus", "listGpus", "What accelerators there are, who holds them, what they do.", "read", Gpus
        ),
        Route(
            "POST",
            "/mlk/gpus/advice/{advice_id}/dismiss",
            "dismissAdvice",
            "Takes an advice away for a while.",
            "write",
            status=204,
            body=Dismissal,
        ),
    )


FEATURE = Feature(
    handlers=[(r"/mlk/gpus", GpusHandler), (rf"/mlk/gpus/advice/{ADVICE_ID}/dismiss", DismissHandler)],
    routes=_routes,
    topics=[
        TopicKind(
            "gpus",
            "gpus",
            "all accelerators, whole each time something about them changed",
            _open,
            load=_load,
        )
    ],
)
