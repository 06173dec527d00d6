"""The browser's side of the channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any


class Socket:
    """One window on the channel. Answers nothing by itself."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def ask(self, op: str, topic: str, **more: Any) -> None:
        await self.connection.write_message(json.dumps({"op": op, "topic": topic, **more}))

    async def read(self) -> dict[str, Any]:
        """The next message that is no ping. Fails when the socket is closed or nothing comes."""
        while True:
            text = await asyncio.wait_for(self.connection.read_message(), 20)
            assert text is not None, "the server closed the socket"
            message = json.loads(text)
            if message["kind"] != "ping":
                return dict(message)

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """All messages up to the wanted one."""
        messages = [await self.read()]
        while not wanted(messages[-1]):
            messages.append(await self.read())
        return messages


async def eventually(wanted: Callable[[], bool]) -> None:
    """Returns when something has become true; fails when it does not within 20 s."""
    for _ in range(2000):
        if wanted():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never became true")
