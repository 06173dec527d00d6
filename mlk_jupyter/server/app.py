"""The extension as Jupyter sees it. Starting costs next to nothing: everything else is loaded by the first request."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Integer, Unicode

from . import channel, form, frames, info, jobs, log, metrics, notebook, nothing, orphans, run
from .limits import Slots, TokenBuckets

if TYPE_CHECKING:
    from ..backends.many import Backends
    from ..model.api import Orphan, ServerInfo
    from .tracking import Tracking
    from .watcher import JobsWatcher
    from .window import Window

_DESCRIBED_FOR_S = 5.0
_ORPHANS_FOR_S = 30.0
_REPLAYS_AT_ONCE = 4


class MlkJupyterApp(ExtensionApp):
    """Run notebooks as distributed jobs and watch them."""

    name = "mlk_jupyter"

    default_backend = Unicode(
        "",
        help="Where jobs run that name no place: local, kubernetes or kubernetes:CONTEXT. Empty: MLK_BACKEND, and "
        "without that Kubernetes when a cluster answers and this machine otherwise.",
    ).tag(config=True)
    default_image = Unicode("", help="Image of cluster jobs that name none. Empty: MLK_IMAGE.").tag(config=True)
    submissions_per_minute = Integer(10, min=1, help="Jobs that one user may submit in a minute.").tag(config=True)
    concurrent_preparations = Integer(
        4, min=1, help="Submissions and preflights of one user that are worked on at the same time."
    ).tag(config=True)
    concurrent_requests = Integer(
        64, min=1, help="Requests of one user that are worked on at the same time, whatever they ask for."
    ).tag(config=True)
    followers_per_user = Integer(8, min=1, help="Logs that one user may follow at the same time.").tag(config=True)

    def initialize_handlers(self) -> None:
        rooms = (info, jobs, form, log, frames, notebook, metrics, run, orphans, channel, nothing)
        self.handlers.extend(handler for room in rooms for handler in room.handlers)

    @functools.cached_property
    def backend(self) -> Backends:
        """Where jobs run: all the places there are."""
        from ..backends.choosing import choose

        return choose(self.default_backend or None, image=self.default_image or None)

    @functools.cached_property
    def watcher(self) -> JobsWatcher:
        """What all windows share; at rest while nobody looks."""
        from .watcher import JobsWatcher

        return JobsWatcher(self.backend)

    @functools.cached_property
    def tracking(self) -> Tracking:
        """Where runs are read."""
        from ..record.folder import data_dir
        from .tracking import Tracking

        return Tracking(data_dir())

    @functools.cached_property
    def submissions(self) -> TokenBuckets:
        return TokenBuckets(self.submissions_per_minute)

    @functools.cached_property
    def preparations(self) -> Slots:
        return Slots(self.concurrent_preparations, "notebooks can be prepared", "Wait for the ones before.")

    @functools.cached_property
    def requests(self) -> Slots:
        return Slots(self.concurrent_requests, "requests are worked on", "Wait for the ones before.")

    @functools.cached_property
    def replays(self) -> asyncio.Semaphore:
        """Held by whoever builds a notebook or its curves out of a job's frames, all of which it has in memory."""
        return asyncio.Semaphore(_REPLAYS_AT_ONCE)

    @functools.cached_property
    def followers(self) -> Slots:
        return Slots(self.followers_per_user, "logs can be followed", "Close a log that is open elsewhere.")

    async def describe(self) -> ServerInfo:
        """What this server is; asked of the backend at most every few seconds."""
        from .describe import describe

        now = time.monotonic()
        if self._described is None or now - self._described[0] > _DESCRIBED_FOR_S:
            self._described = (now, await describe(self.backend))
        return self._described[1]

    _described: tuple[float, ServerInfo] | None = None

    async def orphans(self) -> list[Orphan]:
        """What jobs left behind; asked of the clusters at most twice a minute, as each window asks when it opens."""
        now = time.monotonic()
        if self._orphans is None or now - self._orphans[0] > _ORPHANS_FOR_S:
            self._orphans = (now, await self.backend.orphans())
        return self._orphans[1]

    def forget_orphans(self) -> None:
        """They are being removed."""
        self._orphans = None

    _orphans: tuple[float, list[Orphan]] | None = None

    @functools.cached_property
    def windows(self) -> set[Window]:
        """The browser windows that are connected."""
        return set()

    def end_later(self, ending: Coroutine[Any, Any, None]) -> None:
        """Runs what a closed connection left to end."""
        task = asyncio.ensure_future(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    @functools.cached_property
    def _endings(self) -> set[asyncio.Future[None]]:
        return set()

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Goes on recording jobs in clusters that were not over when a server last ran. Without such jobs: nothing."""
        from ..record.places import data_dir

        if next(data_dir().glob("clusters/*/unfinished/*"), None) is not None:
            await self.backend.resume()

    async def stop_extension(self) -> None:
        """Ends what was started. Jobs go on: they do not belong to this server."""
        for window in list(self.windows):
            await window.close()
        if self._endings:
            await asyncio.wait(self._endings)
        if "tracking" in self.__dict__:
            await self.tracking.close()
        if "backend" in self.__dict__:
            await self.backend.close()
