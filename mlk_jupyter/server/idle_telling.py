"""What becomes of kernels, told to those outside: a webhook, and the JupyterHub that may stop the whole server."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING

from ..idle.audit import Audit
from ..idle.happened import Happened
from ..idle.watched import Watched
from ..idle.watcher import Watcher
from ..record.places import data_dir
from .other_cullers import other_cullers
from .services import Services

if TYPE_CHECKING:
    from ..idle.hub import HubActivity
    from ..idle.webhook import Event, Webhook

logger = logging.getLogger(__name__)

_EVENTS: dict[str, Event] = {"warned": "warned", "stopped": "stopped"}


def webhook_of(services: Services) -> Webhook | None:
    """Where this server posts warnings and stops; None: nowhere."""
    url = services.idle_policy.policy.webhook
    if not url:
        return None
    from ..idle.webhook import Webhook, address_of_server

    user = os.environ.get("JUPYTERHUB_USER")
    webhook = Webhook(url, user=user, server_url=address_of_server(os.environ))
    services.at_end(webhook.close)
    return webhook


def audit_of(services: Services) -> Audit:
    """Where this server writes down what it decides, about kernels and about itself."""
    return Audit(data_dir() / "idle", log=services.idle_policy.policy.audit_log)


class Telling:
    """Follows the kernels of one server."""

    def __init__(self, services: Services) -> None:
        self._webhook = services.the(webhook_of)
        self._app = services.serverapp
        self.other_cullers: list[str] = []
        """A sentence for each that was switched on at the last look."""
        self._activity = _activity()
        self._asking: asyncio.Task[bool] | None = None
        self._warned_of: set[str] = set()
        services.at_end(self._close)

    def follow(self, watcher: Watcher) -> None:
        """Tells what becomes of its kernels from now on."""
        watcher.hears.append(self.hear)

        async def looked() -> None:
            self.look(watcher)

        watcher.looks.append(looked)

    def hear(self, happened: Happened, kernel: Watched) -> None:
        """One change. What is only watched, and what a person did, is told to nobody who is away."""
        event = _EVENTS.get(happened.event)
        if self._webhook is not None and event is not None and happened.mode == "enforce" and happened.kind != "asked":
            from ..idle.webhook import Post

            self._webhook.post(
                Post(event, happened.words, kernel=kernel.id, path=happened.path, deadline=happened.deadline)
            )

    def look(self, watcher: Watcher) -> None:
        """After each look at all kernels: keeps JupyterHub informed while one is kept or works. Waits for nothing."""
        self.other_cullers = other_cullers(self._app)
        for words in self.other_cullers:
            if words not in self._warned_of:
                self._warned_of.add(words)
                logger.warning("%s", words)
        if self._activity is None or (self._asking is not None and not self._asking.done()):
            return
        left_s = needed_s(watcher)
        if left_s is not None:
            asking = self._activity.keep(left_s, now=time.time(), at=time.monotonic())
            self._asking = asyncio.create_task(asking, name="mlk hub activity")

    async def _close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})


def _activity() -> HubActivity | None:
    """What keeps JupyterHub informed; None: no Hub has started this server, and nothing is loaded for one."""
    if "JUPYTERHUB_API_URL" not in os.environ:
        return None
    from ..idle.hub import Hub, HubActivity

    hub = Hub.from_environment(os.environ)
    return None if hub is None else HubActivity(hub)


def needed_s(watcher: Watcher) -> float | None:
    """For how many seconds from now on the kernels need their server: as long as the longest lease, 0 for work that may
    end at any moment. None: they do not.
    """
    kernels = watcher.kernels.values()
    leases = [kernel.lease.left_s for kernel in kernels if kernel.lease is not None]
    works = any(kernel.verdict.state == "active" and kernel.look.local for kernel in kernels)
    return max(leases) if leases else 0.0 if works else None
