"""One browser window on the channel: its subscriptions, and the one task that writes to it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MlkError
from ..model.api import Message, Topic
from ..waiting import is_set_within
from .feeds import Feed, is_log, open_feed
from .limits import Slots, TooManyRequests
from .records import error_body

if TYPE_CHECKING:
    from ..backends.many import Backends
    from .watcher import JobsWatcher

logger = logging.getLogger(__name__)

PING_S = 15.0
"""How often a window is asked whether it is there."""
SILENCE_S = 60.0
"""How long a window may say nothing before it is given up: a half-open connection never says anything again."""
MOST_SUBSCRIPTIONS = 64


class _Subscription:
    def __init__(self, topic: str, feed: Feed, slot: bool) -> None:
        self.topic = topic
        self.feed = feed
        self.holds_slot = slot
        self.seq = 0


class Window:
    """Follows topics for one window and sends what they give, one message at a time.

    Owns two tasks from `start` to `close`. `send` waits until the network took the message: that is what slows a feed
    down to what its window can take.
    """

    def __init__(
        self,
        *,
        backend: Backends,
        watcher: JobsWatcher,
        followers: Slots,
        user: str,
        send: Callable[[str], Awaitable[None]],
        ping: Callable[[], None],
        hang_up: Callable[[], None],
    ) -> None:
        self._backend = backend
        self._watcher = watcher
        self._followers = followers
        self._user = user
        self._send = send
        self._ping = ping
        self._hang_up = hang_up
        self._subscriptions: dict[str, _Subscription] = {}
        self._extra: list[Message] = []  # pings and refusals, few by construction
        self._wake = asyncio.Event()
        self._heard_at = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self) -> None:
        """Begins to write."""
        self._tasks = [
            asyncio.create_task(self._write(), name="mlk channel writer"),
            asyncio.create_task(self._beat(), name="mlk channel heartbeat"),
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
        for name in list(self._subscriptions):
            await self._drop(name)

    def _subscribe(self, topic: Topic) -> None:
        if self._closed:
            return
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise TooManyRequests(
                f"A window can follow {MOST_SUBSCRIPTIONS} things.", hint="Close some job tabs.", retry_after_s=1
            )
        slot = is_log(topic.topic)
        if slot:
            self._followers.take(self._user)
        try:
            feed = open_feed(topic, self._backend, self._watcher, self._wake.set)
        except BaseException:
            if slot:
                self._followers.give_back(self._user)
            raise
        self._subscriptions[topic.topic] = _Subscription(topic.topic, feed, slot)

    async def _drop(self, name: str) -> None:
        subscription = self._subscriptions.pop(name, None)
        if subscription is None:
            return
        if subscription.holds_slot:
            self._followers.give_back(self._user)
        await subscription.feed.close()

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
            for subscription in list(self._subscriptions.values()):
                sent |= await self._serve(subscription)
            if not sent:
                await self._rest()

    async def _serve(self, subscription: _Subscription) -> bool:
        """Sends what one subscription has. Gives whether it had something."""
        feed = subscription.feed
        if self._is_gone(subscription) or (feed.due is not None and feed.due > time.monotonic()):
            return False
        try:
            item = await feed.next()
        except MlkError as error:
            await self._end(subscription, error)
            return True
        except Exception:
            logger.exception("Topic %s broke", subscription.topic)
            await self._end(subscription, MlkError("The updates broke off.", hint="The server's log says more."))
            return True
        if item is None or self._is_gone(subscription):
            return False
        await self._send_one(subscription, *item)
        return True

    def _is_gone(self, subscription: _Subscription) -> bool:
        return self._subscriptions.get(subscription.topic) is not subscription

    async def _end(self, subscription: _Subscription, error: MlkError) -> None:
        if self._is_gone(subscription):
            return
        await self._send_one(subscription, "error", error_body(error))
        if not self._is_gone(subscription):
            await self._drop(subscription.topic)

    async def _send_one(
        self, subscription: _Subscription, kind: Literal["snapshot", "delta", "error"], data: Any
    ) -> None:
        message = Message(topic=subscription.topic, kind=kind, seq=subscription.seq, data=data)
        subscription.seq += 1
        await self._send(message.model_dump_json())

    async def _rest(self) -> None:
        """Until a feed calls, or the next one is due."""
        moments = [one.feed.due for one in self._subscriptions.values() if one.feed.due is not None]
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        await is_set_within(timeout, self._wake)
