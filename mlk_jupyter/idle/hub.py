"""The JupyterHub that this server belongs to: tells it that the server is needed, or asks it to stop the server."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from urllib.parse import quote

import httpx

from ..waiting import within

logger = logging.getLogger(__name__)

_ANSWER_S = 20.0
_EVERY_S = 240.0  # the server itself reports its own activity every 300 s
_FUTURE_MOST_S = 59 * 60.0  # the Hub takes times that lie up to an hour ahead of its own clock
_FUTURE_LEAST_S = 60.0


class HubRefused(Exception):
    """The Hub did not do what it was asked. Its words say why, for the log."""


class Hub:
    """The Hub's API, as far as one server may use it for itself."""

    def __init__(
        self,
        api_url: str,
        token: str,
        user: str,
        server_name: str = "",
        *,
        activity_url: str | None = None,
        ssl_files: tuple[str, str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        answer_s: float = _ANSWER_S,
    ) -> None:
        """Args: server_name: empty for a person's default server; ssl_files: key, certificate and the CA's certificate,
        where the Hub encrypts what it says to its servers; answer_s: how long one request may take.
        """
        me = f"{api_url.rstrip('/')}/users/{quote(user, safe='@')}"
        self._activity_url = activity_url or f"{me}/activity"
        self._server_url = f"{me}/servers/{quote(server_name, safe='')}" if server_name else f"{me}/server"
        self._headers = {"Authorization": f"token {token}"}
        self.server_name = server_name
        self._ssl_files = ssl_files
        self._transport = transport
        self._answer_s = answer_s

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Hub | None:
        """The one that started this server; None: none did."""
        api_url, token, user = (environment.get(f"JUPYTERHUB_{name}") for name in ("API_URL", "API_TOKEN", "USER"))
        if not (api_url and token and user):
            return None
        key, certificate, ca = (environment.get(f"JUPYTERHUB_SSL_{it}") for it in ("KEYFILE", "CERTFILE", "CLIENT_CA"))
        return cls(
            api_url,
            token,
            user,
            environment.get("JUPYTERHUB_SERVER_NAME", ""),
            activity_url=environment.get("JUPYTERHUB_ACTIVITY_URL"),
            ssl_files=(key, certificate, ca) if key and certificate and ca else None,
        )

    async def note_activity(self, until: float) -> None:
        """Has this server count as used at a time, which may lie in the future.

        Args:   until: seconds since the epoch.
        Raises: HubRefused.
        """
        at = datetime.fromtimestamp(until, timezone.utc).isoformat().replace("+00:00", "Z")
        await self._ask("POST", self._activity_url, {"servers": {self.server_name: {"last_activity": at}}})

    async def stop_server(self) -> None:
        """Asks for this server to be stopped; the Hub soon ends this process.

        Raises: HubRefused: without the scope `delete:servers!server`, and where the Hub does not answer.
        """
        await self._ask("DELETE", self._server_url)

    async def _ask(self, method: str, url: str, body: object = None) -> None:
        try:
            # The Hub is beside us: a proxy for the world outside has no business in between.
            async with httpx.AsyncClient(
                verify=self._verify(), transport=self._transport, timeout=self._answer_s, trust_env=False
            ) as http:
                answer = await within(
                    self._answer_s, http.request(method, url, headers=self._headers, json=body if body else None)
                )
        except asyncio.TimeoutError:
            raise HubRefused("it does not answer") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise HubRefused(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise HubRefused(f"HTTP {answer.status_code}")

    def _verify(self) -> ssl.SSLContext | bool:
        if self._ssl_files is None:
            return True
        key, certificate, ca = self._ssl_files
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        return context


class HubActivity:
    """Keeps the Hub informed while something here must go on, so that its own culler leaves this server."""

    def __init__(self, hub: Hub, *, every_s: float = _EVERY_S) -> None:
        self._hub = hub
        self._every_s = every_s
        self._future_s = _FUTURE_MOST_S
        self._posted_at: float | None = None
        self._until = 0.0
        self._was_told = False

    async def keep(self, left_s: float, *, now: float, at: float) -> bool:
        """Says that this server is needed: until a lease ends, or only now. Asks at most every four minutes, or when
        a lease reaches further than what was said last. A failure is logged once.

        Args:  left_s: seconds that the longest lease still has; 0 for work in the background, of which nobody knows
                       how long it takes; now: seconds since the epoch; at: monotonic seconds.
        Gives: whether the Hub was told.
        """
        until = now + max(0.0, min(self._future_s, left_s))
        is_due = self._posted_at is None or at - self._posted_at >= self._every_s
        if not (is_due or until > self._until + self._every_s):
            return False
        self._posted_at, self._until = at, until
        try:
            await self._hub.note_activity(until)
        except HubRefused as error:
            if "HTTP 400" in str(error):  # further ahead than it takes: its clock is behind ours
                self._future_s = max(_FUTURE_LEAST_S, self._future_s / 2)
            if not self._was_told:
                self._was_told = True
                logger.warning("JupyterHub could not be told that this server is in use: %s", error)
            return False
        self._was_told = False
        return True
