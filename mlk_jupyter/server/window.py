"""One browser window on the channel: its subscriptions, and the one task that writes to it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ..errors import MlkError
from ..model.api import Message, Topic
from ..threads import in_thread
from ..waiting import is_set_within
from .features import Encoded, Feature, Feed, Kind, Subscription, topic_of
from .limits import Slots, TooManyRequests
from .records import error_body

if TYPE_CHECKING:
    from .services import Services
    from .viewer import Viewer

logger = logging.getLogger(__name__)

PING_S = 15.0
"""How often a window is asked whether it is there."""
SILENCE_S = 60.0
"""How long a window may say nothing before it is given up: a half-open connection never says anything again."""
MOST_SUBSCRIPTIONS = 64


class _Followed:
    """A topic that the window has subscribed to."""

    def __init__(self, topic: str, feed: Feed, limit: Slots | None) -> None:
        self.topic = topic
        self.feed = feed
        self.limit = limit
        self.seq = 0


async def _let_in(resource: str) -> None:
    """Nothing is kept from whoever is let in at all."""


class Window:
    """Follows topics for one window and sends what they give, one message at a time.

    Owns its tasks from `start` to `close`. `send` waits until the network took the message: that is what slows a feed
    down to what its window can take. `check` raises NotAllowed where its user may not read some resource of Jupyter's.
    """

    def __init__(
        self,
        *,
        features: Sequence[Feature],
        services: Services,
        user: str,
        viewer: Viewer,
        send: Callable[[str], Awaitable[None]],
        ping: Callable[[], None],
        hang_up: Callable[[], None],
        check: Callable[[str], Awaitable[None]] = _let_in,
    ) -> None:
        self._features = features
        self._services = services
        self._user = user
        self.viewer = viewer
        self._send = send
        self._ping = ping
        self._hang_up = hang_up
        self._check = check
        self._followed: dict[str, _Followed] = {}
        self._extra: list[Message] = []  # pings and refusals, few by construction
        self._wake = asyncio.Event()
        self._heard_at = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self, *beside: Coroutine[Any, Any, None]) -> None:
        """Begins to write.

        Args: beside: what is to run as long as the window does.
        """
        self._tasks = [
            asyncio.create_task(self._write(), name="mlk channel writer"),
            asyncio.create_task(self._beat(), name="mlk channel heartbeat"),
            *(asyncio.create_task(one, name="mlk channel guard") for one in beside),
        ]

    def heard(self) -> None:
        """The window gave a sign of life."""
        self._heard_at = time.monotonic()

    async def take(self, topic: Topic) -> None:
        """Does what the window asks for. What cannot be done is answered with an error on the topic."""
        if topic.op == "pong":
            return
        await self._drop(topic.topic)
        if topic.op == "subscribe":
            try:
                kind, _ = topic_of(self._features, topic.topic)
                if kind.resource is not None:
                    await self._check(kind.resource)
                if kind.load is not None:
                    await in_thread(kind.load)
                self._subscribe(topic)
            except MlkError as error:
                self._say(topic.topic, error)
        self._wake.set()

    def refuse(self, error: MlkError) -> None:
        """Says that what the window sent cannot be read."""
        self._say("", error)

    async def close(self) -> None:
        """Ends the tasks and everything that is followed."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for name in list(self._followed):
            await self._drop(name)

    def _subscribe(self, topic: Topic) -> None:
        if self._closed:
            return
        if len(self._followed) >= MOST_SUBSCRIPTIONS:
            raise TooManyRequests(
                f"A window can follow {MOST_SUBSCRIPTIONS} things.", hint="Close some job tabs.", retry_after_s=1
            )
        kind, names = topic_of(self._features, topic.topic)
        limit = kind.limit(self._services) if kind.limit is not None else None
        if limit is not None:
            limit.take(self._user)
        try:
            feed = kind.open(Subscription(self._services, names, topic.offset, self._wake.set))
        except BaseException:
            if limit is not None:
                limit.give_back(self._user)
            raise
        self._followed[topic.topic] = _Followed(topic.topic, feed, limit)

    async def _drop(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        if followed is None:
            return
        if followed.limit is not None:
            followed.limit.give_back(self._user)
        await followed.feed.close()

    def _say(self, topic: str, error: MlkError) -> None:
        if len(self._extra) < MOST_SUBSCRIPTIONS:  # a window that floods us with nonsense need not hear each answer
            self._extra.append(Message(topic=topic, kind="error", seq=0, data=error_body(error)))
        self._wake.set()

    async def _beat(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(PING_S)
            if time.monotonic() - self._heard_at > SILENCE_S:
                self._hang_up()
                return
            self._ping()  # answered by the browser itself
            if not any(message.kind == "ping" for message in self._extra):
                self._extra.append(Message(topic="", kind="ping", seq=number))
                number += 1
            self._wake.set()

    async def _write(self) -> None:
        while True:
            self._wake.clear()
            sent = False
            while self._extra:
                await self._send(self._extra.pop(0).model_dump_json())
                sent = True
            for followed in list(self._followed.values()):
                sent |= await self._serve(followed)
            if not sent:
                await self._rest()

    async def _serve(self, followed: _Followed) -> bool:
        """Sends what one topic has. Gives whether it had something."""
        feed = followed.feed
        if self._is_gone(followed) or (feed.due is not None and feed.due > time.monotonic()):
            return False
        try:
            item = await feed.next()
        except MlkError as error:
            await self._end(followed, error)
            return True
        except Exception:
            logger.exception("Topic %s broke", followed.topic)
            await self._end(followed, MlkError("The updates broke off.", hint="The server's log says more."))
            return True
        if item is None or self._is_gone(followed):
            return False
        await self._send_one(followed, *item)
        return True

    def _is_gone(self, followed: _Followed) -> bool:
        return self._followed.get(followed.topic) is not followed

    async def _end(self, followed: _Followed, error: MlkError) -> None:
        if self._is_gone(followed):
            return
        await self._send_one(followed, "error", error_body(error))
        if not self._is_gone(followed):
            await self._drop(followed.topic)

    async def _send_one(self, followed: _Followed, kind: Kind, data: Encoded | BaseModel) -> None:
        """Sends a `Message`, whose data may be JSON already: for many windows it was made once."""
        text = data if isinstance(data, Encoded) else self.viewer.shown(data).model_dump_json()
        seq, followed.seq = followed.seq, followed.seq + 1
        await self._send(f'{{"topic":{json.dumps(followed.topic)},"kind":"{kind}","seq":{seq},"data":{text}}}')

    async def _rest(self) -> None:
        """Until a feed calls, or the next one is due."""
        moments = [one.feed.due for one in self._followed.values() if one.feed.due is not None]
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        await is_set_within(timeout, self._wake)
