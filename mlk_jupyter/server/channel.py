"""`/mlk/channel`: one websocket for each browser window, many topics."""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..errors import MlkError
from ..threads import in_thread
from .base import NotAllowed, NotLoggedIn, OwnErrors, authorize, parse, user_key
from .features import Feature, Route
from .viewer import viewer_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .services import Services
    from .viewer import Viewer
    from .window import Window

logger = logging.getLogger(__name__)

MESSAGE_LIMIT = 64 * 1024
"""Most bytes of one message from a window; tornado's own limit is 10 MiB."""


class Windows:
    """The browser windows that are connected."""

    def __init__(self, services: Services) -> None:
        self.every: set[Window] = set()
        self._endings: set[asyncio.Task[None]] = set()
        services.at_end(self._close)

    def drop(self, window: Window) -> None:
        """Ends what a window held whose connection is closed."""
        self.every.discard(window)
        task = asyncio.create_task(window.close())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _close(self) -> None:
        for window in list(self.every):
            await window.close()
        if self._endings:
            await asyncio.wait(self._endings)


def _load(services: Services) -> None:
    """Makes what a window needs."""
    from . import feeds, window  # noqa: F401  (their import is the point)

    services.backend  # noqa: B018  (made when it is first asked for)


class ChannelHandler(OwnErrors, ExtensionHandlerMixin, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """Checks who comes in and carries messages; what they mean is the window's affair."""

    _window: Window | None = None

    # The heartbeat is the window's: this mixin counts in milliseconds what tornado reads as seconds, and would find a
    # dead window only after two minutes.
    ping_interval = 0

    @property
    def max_message_size(self) -> int:
        return MESSAGE_LIMIT

    @property
    def services(self) -> Services:
        return self.extensionapp.services  # type: ignore[attr-defined, no-any-return]

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        # `@authorized` would ask whether the user may "read", since a websocket begins as a GET.
        await authorize(self, "execute")
        self._viewer = await viewer_of(self)
        # The first window brings everything of ours into the server: half a second in which it would serve nobody.
        await in_thread(_load, self.services)
        await super().get(*args, **kwargs)

    async def prepare(self) -> None:  # type: ignore[override]
        self._as_it_came = copy.copy(self)
        await super().prepare()

    async def _guard_access(self) -> None:
        """Closes the socket when its user has logged out, or may no longer do this: asked again while it is open."""
        while self._window is not None:
            await asyncio.sleep(self.services.access_check_s)
            try:
                self._window.viewer = await self._ask_again()
            except (NotLoggedIn, NotAllowed) as error:
                self.close(1008, error.title)
                return
            except Exception as error:  # who may come in is not known: nobody is turned out for that
                logger.warning("Whether a websocket may stay open was not answered: %s", error)

    async def _ask_again(self) -> Viewer:
        """Raises: NotLoggedIn, NotAllowed; whatever the identity provider does when it gets no answer."""
        asker = copy.copy(self._as_it_came)  # what a provider once found out it keeps on the handler
        hub = getattr(asker.identity_provider, "hub_auth", None)
        if hub is not None:
            hub.cache.clear()  # else JupyterHub's provider says for five minutes what the Hub said last
        user = await ensure_async(asker.identity_provider.get_user(asker))
        asker.current_user = asker._jupyter_current_user = user
        await authorize(asker, "execute")
        return await viewer_of(asker)

    def open(self, *args: str, **kwargs: str) -> None:
        from .window import Window

        super().open(*args, **kwargs)
        self._window = Window(
            features=self.extensionapp.features,  # type: ignore[attr-defined]
            services=self.services,
            user=user_key(self),
            viewer=self._viewer,
            send=self._send,
            ping=self._send_ping,
            hang_up=self._hang_up,
            check=functools.partial(authorize, self, "read"),
        )
        self.services.the(Windows).every.add(self._window)
        self._window.start(self._guard_access())

    async def on_message(self, message: str | bytes) -> None:
        from ..model.api import Topic

        if self._window is None:
            return
        self._window.heard()
        try:
            topic = parse(message, Topic)
        except MlkError as error:
            self._window.refuse(error)
            return
        await self._window.take(topic)

    def on_pong(self, data: bytes) -> None:
        if self._window is not None:
            self._window.heard()

    def on_close(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            self.services.the(Windows).drop(window)

    async def _send(self, text: str) -> None:
        try:
            await self.write_message(text)
        except WebSocketClosedError:
            # The writer rests until `on_close` ends it.
            await asyncio.Event().wait()

    def _send_ping(self) -> None:
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            self.ping(b"")

    def _hang_up(self) -> None:
        self.close(1001, "no sign of life")


def _routes() -> Sequence[Route]:
    text = "Websocket: the client sends Topic, the server Message."
    return (Route("GET", "/mlk/channel", "openChannel", text, "execute", status=101),)


def _told() -> Sequence[type[BaseModel]]:
    from ..model.api import Message

    return (Message,)


FEATURE = Feature(handlers=[(r"/mlk/channel", ChannelHandler)], routes=_routes, told=_told)
