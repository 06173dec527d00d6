"""Warnings and stops, posted as JSON to a URL: for people who do not look at the screen.

The field `text` is what Slack, Mattermost and Teams-like services show; the others are for programs. Nothing waits for
the post: a receiver that is down, slow or broken costs a line in the log, and no stop is later by more than `flush`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import httpx

from ..waiting import within
from .values import without_secrets

logger = logging.getLogger(__name__)

Event = Literal["warned", "stopped", "server_warned", "server_stopped"]

_WAITING_MOST = 100
_POST_S = 5.0
_PAUSES_S = (1.0, 10.0)  # before the second and the third attempt
_TOLD_AGAIN_S = 3600.0
_WORTH_REPEATING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Post:
    """What is told. Kernel and path are None where it is about the server."""

    event: Event
    words: str
    """Why, for a person."""
    kernel: str | None = None
    """Kernel id."""
    path: str | None = None
    """Notebook or console, relative to the server's root."""
    deadline: float | None = None
    """Seconds since the epoch at which it is stopped, unless somebody does something."""


class Webhook:
    """Where to post, and what is still to be posted. Its task lives only as long as there is something to post."""

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        server_url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pauses_s: tuple[float, ...] = _PAUSES_S,
        post_s: float = _POST_S,
    ) -> None:
        """Args: url: as `policy` takes it; user: whose server this is; server_url: where it can be opened; post_s: how
        long one attempt may take.
        """
        self._url = url
        self._user, self._server_url = user, server_url
        self._transport = transport
        self._pauses_s, self._post_s = pauses_s, post_s
        self._waiting: deque[Post] = deque()
        self._task: asyncio.Task[None] | None = None
        self._dropped = 0
        self._told_at: float | None = None
        logging.getLogger("httpx").addFilter(self._is_no_secret)

    def post(self, post: Post) -> None:
        """Has something posted, soon. Of more than 100 that wait the oldest is dropped."""
        self._waiting.append(post)
        if len(self._waiting) > _WAITING_MOST:
            self._waiting.popleft()
            self._dropped += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._post_all(), name="mlk webhook")

    async def flush(self, limit_s: float) -> bool:
        """Waits until all is posted or given up, but no longer than so many seconds. Gives whether it is."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=limit_s)
        return self._task is None or self._task.done()

    async def close(self) -> None:
        """Ends it; what still waits is not posted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        logging.getLogger("httpx").removeFilter(self._is_no_secret)

    async def _post_all(self) -> None:
        # A redirect is not followed: what it led to was never named by whoever chose the receiver.
        async with httpx.AsyncClient(transport=self._transport, timeout=self._post_s, follow_redirects=False) as http:
            while self._waiting:
                await self._post_one(http, self._waiting.popleft())

    async def _post_one(self, http: httpx.AsyncClient, post: Post) -> None:
        body = as_json(post, self._user, self._server_url)
        why = ""
        for pause_s in (0.0, *self._pauses_s):
            await asyncio.sleep(pause_s)
            try:
                answer = await within(self._post_s, http.post(self._url, json=body))
            except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError, OSError, ValueError) as error:
                why = type(error).__name__  # its words may hold the URL
                continue
            if answer.is_success:
                return
            why = f"HTTP {answer.status_code}"
            if answer.status_code < 500 and answer.status_code not in _WORTH_REPEATING:
                break
        self._tell(post, why)

    def _tell(self, post: Post, why: str) -> None:
        """Into the log, at most once an hour: a receiver that is down for a week fails with each of many kernels."""
        now = time.monotonic()
        if self._told_at is not None and now - self._told_at < _TOLD_AGAIN_S:
            return
        self._told_at = now
        dropped = f"; {self._dropped} more were dropped" if self._dropped else ""
        logger.warning("The webhook at %s did not take %r: %s%s", without_secrets(self._url), post.event, why, dropped)

    def _is_no_secret(self, record: logging.LogRecord) -> bool:
        """httpx logs each URL that it asks, as it has understood it: that is not always as it was written."""
        args = record.args if isinstance(record.args, tuple) else ()
        return not any(_host(arg) == _host(self._url) for arg in args if isinstance(arg, httpx.URL))


def _host(url: str | httpx.URL) -> str | None:
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:  # it is asked nothing, and nothing is logged
        return None


def as_json(post: Post, user: str | None, server_url: str | None) -> dict[str, str | float | None]:
    """What is posted."""
    return {"text": text_of(post, user, server_url), **asdict(post), "user": user, "server_url": server_url}


def text_of(post: Post, user: str | None, server_url: str | None) -> str:
    """One paragraph for a person. Names that people chose can neither format it nor call anybody."""
    what = _quoted(post.path) if post.path else "A kernel without a notebook" if post.kernel else "The Jupyter server"
    whose = f" of {_quoted(user)}" if user else ""
    how = {
        "warned": "is about to be stopped",
        "server_warned": "is about to be stopped",
        "stopped": "was stopped",
        "server_stopped": "was stopped",
    }[post.event]
    when = ""
    if post.deadline is not None and post.event.endswith("warned"):
        when = time.strftime(" at %Y-%m-%d %H:%M UTC", time.gmtime(post.deadline))
    where = f" {server_url}" if server_url else ""
    return f"{what}{whose} {how}{when}: {_plain(post.words)}.{where}"


def _quoted(name: str) -> str:
    return "`" + _plain(name).replace("`", "'") + "`"


def _plain(text: str) -> str:
    text = " ".join(text.split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def address_of_server(environment: Mapping[str, str]) -> str | None:
    """Where a person opens this server, as JupyterHub tells it; None: not known."""
    return environment.get("JUPYTERHUB_PUBLIC_URL") or None
