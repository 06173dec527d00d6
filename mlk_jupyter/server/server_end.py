"""The end of this server when nobody uses it (`MLK_IDLE_SERVER_TTL`), and why the one before it ended itself.

Without that limit nothing of it is loaded, and nothing runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tornado import web

from ..record.places import data_dir
from ..threads import in_thread
from .base import Handler, allowed, authorize
from .features import Feature, Route

if TYPE_CHECKING:
    from ..idle.policy import Policy
    from ..idle.server_end import Event
    from .services import Services

logger = logging.getLogger(__name__)

_WEBHOOK_S = 3.0
_KEPT_BY_JOBS = ("KUBERNETES_SERVICE_HOST", "JUPYTERHUB_API_TOKEN")
"""Of the environment: where one of these is set, the machine ends with the server, and jobs of this machine with it."""


class OwnEnd:
    """What is known of the end of this server, and of the one before it."""

    def __init__(self, services: Services) -> None:
        from ..idle.last_end import LastEnd

        self._last = LastEnd(data_dir() / "idle", os.environ.get("JUPYTERHUB_SERVER_NAME", ""))
        self.ended: str | None = None
        """When the server before this one ended itself, and why; None: it did not, or a person has seen it."""
        self.stops_at: float | None = None
        """When this one is to be stopped, in seconds since the epoch; None: it is not."""
        self.words = ""
        """Why."""
        self.is_ending = False
        """This one ends because nobody uses it."""
        self.listeners: set[Callable[[], None]] = set()
        """Called when one of these changed."""

    async def read(self) -> None:
        """Finds out how the server before this one ended."""
        self.ended = await in_thread(self._last.read)

    async def remember(self, words: str) -> None:
        """Keeps for the next one why this one ends."""
        self.is_ending = True
        await in_thread(self._last.write, words, time.time())

    async def go_on(self) -> None:
        """This one does not end after all."""
        self.is_ending = False
        await in_thread(self._last.forget)

    async def forget(self) -> None:
        """A person has seen how the one before ended."""
        await in_thread(self._last.forget)
        self.ended = None
        self._changed()

    def expect(self, stops_at: float | None, words: str) -> None:
        """This server is to be stopped, or no longer is."""
        self.stops_at, self.words = stops_at, words
        self._changed()

    def _changed(self) -> None:
        for call in tuple(self.listeners):
            call()


class Server:
    """What this server knows of itself, for `idle.server_end`."""

    def __init__(self, services: Services) -> None:
        from ..idle.terminals import Processes, is_container
        from .idle_telling import audit_of, webhook_of
        from .people import People
        from .terminals import Terminals

        self._services = services
        self._app = services.serverapp
        self._webhook = services.the(webhook_of)
        self._own_end = services.the(OwnEnd)
        self._people = People(self._app, time.monotonic)
        self._terminals = Terminals(self._app, time.monotonic)
        self._processes = Processes(os.getpid(), all_of_user=is_container(os.environ))
        self._audit = services.the(audit_of)
        services.at_end(self._close)

    async def _close(self) -> None:
        self._people.close()
        self._terminals.close()

    def kernels(self) -> int:
        manager = self._app.kernel_manager
        begun = getattr(manager, "_pending_kernels", {})  # in no list until they are there: seconds, with a slow disk
        return len({*manager.list_kernel_ids(), *(kernel_id for kernel_id, start in begun.items() if not start.done())})

    def person_s(self) -> float | None:
        seen = [terminal.typed_s for terminal in self._terminals.look()]
        if (person_s := self._people.seen_s()) is not None:
            seen.append(person_s)
        return min(seen, default=None)

    async def busy(self, policy: Policy) -> str | None:
        from ..idle.terminals import why_busy

        if (extension := self._active_extension()) is not None:
            return f"the extension {extension} says that it is active"
        terminals = self._terminals.look()
        use = await in_thread(self._processes.look, terminals, time.monotonic())
        return why_busy(terminals, use, policy)

    def _active_extension(self) -> str | None:
        """One that says so as jupyter_server asks them. That of terminals does as long as one is open: these are looked
        at more closely."""
        for name, extensions in self._app.extension_manager.extension_apps.items():
            if name != "jupyter_server_terminals" and any(it.current_activity() for it in extensions):
                return str(name)
        return None

    async def jobs(self) -> str | None:
        from ..errors import MlkError

        if not any(os.environ.get(name) for name in _KEPT_BY_JOBS):
            return None  # they belong to no server, and go on
        try:
            backends = await in_thread(lambda: self._services.backend)
            unfinished = await backends.unfinished_here()
        except MlkError as error:
            return f"it is not known whether a job runs here: {error.detail}"
        return f"{len(unfinished)} unfinished jobs here, {unfinished[0].spec.name} among them" if unfinished else None

    async def tell(self, event: Event, words: str, deadline: float | None) -> None:
        stops_at = None if deadline is None else time.time() + deadline
        is_warned = event == "server_warned"
        self._own_end.expect(stops_at if is_warned else None, words if is_warned else "")
        named = {"event": "server_stop", "idle": True} if event == "server_stopped" else {"event": event}
        record = {**named, "words": words, "stops_at": stops_at}
        await in_thread(self._audit.write, record)
        if self._webhook is not None and event in ("server_warned", "server_stopped"):
            from ..idle.webhook import Post

            self._webhook.post(Post(event, words, deadline=stops_at))
            if event == "server_stopped":
                await self._webhook.flush(_WEBHOOK_S)

    async def remember(self, words: str) -> None:
        await self._own_end.remember(words)

    async def forget(self) -> None:
        await self._own_end.go_on()

    def exit(self) -> None:
        self._app.stop()


class EndedHandler(Handler):
    """How the server before this one ended: a person has seen it."""

    @web.authenticated
    @allowed("write")
    async def delete(self) -> None:
        await authorize(self, "write", "kernels")
        await self.services.the(OwnEnd).forget()
        self.set_status(204)
        self.finish()


async def _start(services: Services) -> None:
    folder = data_dir() / "idle"
    if await in_thread(lambda: any(folder.glob("server-ended*.json"))):
        await services.the(OwnEnd).read()
    if "MLK_IDLE_SERVER_TTL" not in os.environ and "idle_server_ttl" not in services.idle_traits():
        return
    from ..idle.hub import Hub
    from ..idle.server_end import ServerEnd

    policy = services.idle_policy.policy
    if policy.mode == "off" or not policy.server_ttl_s:
        return
    server = Server(services)
    end = ServerEnd(server, lambda: policy, clock=time.monotonic, hub=Hub.from_environment(os.environ))
    task = asyncio.create_task(end.run(), name="mlk server end")

    async def close() -> None:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Whether this server is used was watched no longer", exc_info=error)

    services.at_end(close)


def _routes() -> Sequence[Route]:
    text = "Why this person's server before this one ended itself was seen."
    return (Route("DELETE", "/mlk/idle/server-ended", "dismissServerEnd", text, "write", status=204),)


FEATURE = Feature(handlers=[(r"/mlk/idle/server-ended", EndedHandler)], routes=_routes, start=_start)
