"""A window on a kernel, as a browser has it: one websocket, in either protocol."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

V1 = "v1.kernel.websocket.jupyter.org"
Message = dict[str, Any]


class KernelWindow:
    """One window. Answers nothing by itself."""

    def __init__(self, connection: Any, session: str, protocol: str | None) -> None:
        self.connection, self.session, self._protocol = connection, session, protocol
        self.seen: list[Message] = []

    async def send(
        self, kind: str, content: dict[str, Any] | None = None, channel: str = "shell", parent: Message | None = None
    ) -> str:
        """Sends a message; gives its id."""
        header = {
            "msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.session, "username": "", "version": "5.4",
            "date": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        message = {"header": header, "parent_header": parent or {}, "metadata": {}, "content": content or {}}
        if self._protocol == V1:
            pack = lambda part: json.dumps(part).encode()  # noqa: E731
            await self.connection.write_message(serialize_msg_to_ws_v1(message, channel, pack), binary=True)
        else:
            await self.connection.write_message(json.dumps({**message, "channel": channel}))
        return str(header["msg_id"])

    async def execute(self, code: str, **more: Any) -> str:
        """Sends a cell; gives the id of its message."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        return await self.send("execute_request", {**content, "stop_on_error": True, **more})

    async def read(self) -> Message:
        """The next message. Fails when the socket is closed or nothing comes."""
        raw = await asyncio.wait_for(self.connection.read_message(), 60)
        assert raw is not None, "the server closed the socket"
        if self._protocol == V1:
            channel, parts = deserialize_msg_from_ws_v1(raw)
            header, parent, metadata, content = (json.loads(part) for part in parts[:4])
            message = {"header": header, "parent_header": parent, "metadata": metadata, "content": content}
            message["channel"] = channel
        else:
            message = json.loads(raw)
        self.seen.append(message)
        return message

    async def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """All messages up to the wanted one."""
        messages = [await self.read()]
        while not wanted(messages[-1]):
            messages.append(await self.read())
        return messages

    async def done(self, message_id: str) -> list[Message]:
        """All messages of a request until it is answered and the kernel idle again."""
        left = {"reply", "idle"}
        messages = []
        while left:
            message = await self.read()
            if message["parent_header"].get("msg_id") != message_id:
                continue
            messages.append(message)
            kind = message["header"]["msg_type"]
            if kind.endswith("_reply"):
                left.discard("reply")
            if kind == "status" and message["content"]["execution_state"] == "idle":
                left.discard("idle")
        return messages

    async def run(self, code: str, **more: Any) -> list[Message]:
        """Runs a cell; gives its messages."""
        return await self.done(await self.execute(code, **more))

    def close(self) -> None:
        self.connection.close()


def kinds(messages: list[Message]) -> list[str]:
    return [message["header"]["msg_type"] for message in messages]
