"""One question to a kernel over its shell channel, which answers in order."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_client.session import Session

from ..waiting import within

_MOST_BYTES = 256 * 1024


async def ask(kernel: Any, execute: dict[str, Any] | None, limit_s: float) -> dict[str, Any] | None:
    """What the kernel answers; None when it does not within `limit_s`.

    Args: kernel: its kernel manager. execute: content of an `execute_request`; None: only whether it answers.
    """
    session = Session(config=kernel.session.config, key=kernel.session.key)
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    request = session.msg("kernel_info_request") if execute is None else session.msg("execute_request", execute)

    def hear(parts: list[bytes]) -> None:
        if answer.done():
            return
        _, heard = session.feed_identities(parts)
        if sum(map(len, heard)) > _MOST_BYTES:
            answer.set_result({"status": "error", "ename": "it is too long", "evalue": ""})
            return
        message = session.deserialize(heard)
        if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            answer.set_result(message["content"])

    stream = kernel.connect_shell()
    try:
        stream.on_recv(hear)
        session.send(stream, request)
        return await within(limit_s, answer)
    except asyncio.TimeoutError:
        return None
    finally:
        stream.close(linger=0)
