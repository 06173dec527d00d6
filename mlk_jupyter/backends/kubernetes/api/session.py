"""HTTP to one API server with credentials that are kept fresh. Only this file knows aiohttp."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ...._version import __version__
from ....errors import MlkError
from ....threads import in_thread
from ..timing import Limits
from .api_errors import ApiError, Silent, Unreachable
from .credentials import Credentials, load, stamp_of
from .redaction import redacted
from .server_clock import ServerClock
from .targets import Target

_RETRY = "It is tried again. If it lasts, check the network, the VPN and the server's address in the kubeconfig."


@dataclass
class Call:
    """One request."""

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    accept: str = "application/json"
    silence_s: float | None = None
    """For a stream: longest silence. None: an ordinary call."""
    used: Credentials | None = field(default=None, repr=False)
    """What it was sent with."""


@dataclass(eq=False)
class _Http:
    """Connections that share TLS keys. Closed when it is replaced and nobody uses it any more."""

    client: Any
    digest: str
    users: int = 0
    replaced: bool = False

    async def leave(self) -> None:
        self.users -= 1
        if self.replaced and self.users == 0:
            await self.client.close()


class Session:
    """Requests to one API server. Opened by the first one."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self.clock = ServerClock()
        self._target = target
        self._limits = limits
        self._lock: asyncio.Lock | None = None
        self._credentials: Credentials | None = None
        self._http: _Http | None = None
        self._looked_at = float("-inf")
        self._renewed_at = float("-inf")
        self._failure: MlkError | None = None
        self._failed_at = float("-inf")
        self._distrusted: Credentials | None = None

    async def close(self) -> None:
        http, self._http, self._credentials = self._http, None, None
        if http is not None:
            http.replaced = True
            await http.client.close()

    @asynccontextmanager
    async def answer(self, call: Call) -> AsyncIterator[Any]:
        """The response, whatever its status, with its body still to be read."""
        http, credentials = await self._ready()
        call.used = credentials
        http.users += 1
        response: Any = None
        try:
            sent = time.monotonic()
            with self._in_words():
                response = await self._send(http, credentials, call)
            self.clock.heard(response.headers.get("Date"), sent, time.monotonic())
            yield response
        finally:
            if response is not None:
                response.close() if call.silence_s is not None else response.release()
            await http.leave()

    async def body(self, response: Any) -> bytes:
        """All of a response's body."""
        with self._in_words():
            raw: bytes = await response.read()
        return raw

    async def pieces(self, response: Any) -> AsyncGenerator[bytes, None]:
        """A response's body as it comes."""
        content = response.content
        while True:
            with self._in_words():
                piece: bytes = await content.readany()
            if not piece:
                return
            yield piece

    async def renew(self, call: Call) -> bool:
        """Reads the credentials anew after a 401; whether they may be other ones, so that trying again makes sense."""
        async with self._locked():
            before = self._credentials
            if before is None or before is not call.used:
                return True  # somebody else did it in the meantime
            if time.monotonic() - self._renewed_at < self._limits.renew_s and not await self._files_changed(before):
                return False
            self._renewed_at = time.monotonic()
            await self._load()
            return True

    async def _ready(self) -> tuple[_Http, Credentials]:
        async with self._locked():
            known = self._credentials
            if known is None or await self._outdated(known):
                known = await self._load()
            if self._http is None or self._http.digest != known.tls_digest:
                await self._replace(known)
            assert self._http is not None
            return self._http, known

    async def _outdated(self, known: Credentials) -> bool:
        if known.expires_at is not None and self.clock.now() > known.expires_at - self._limits.before_expiry_s:
            return time.monotonic() - self._renewed_at >= 1.0  # a plugin that gives expired tokens is not a loop
        if known is self._distrusted and time.monotonic() - self._renewed_at >= self._limits.renew_s:
            return True
        return await self._files_changed(known)

    async def _files_changed(self, known: Credentials) -> bool:
        if time.monotonic() - self._looked_at < self._limits.look_s:
            return False
        self._looked_at = time.monotonic()
        return await in_thread(stamp_of, [Path(path) for path, _ in known.stamp]) != known.stamp

    async def _load(self) -> Credentials:
        if self._failure is not None and time.monotonic() - self._failed_at < self._limits.renew_s:
            raise self._failure
        try:
            self._credentials = await in_thread(load, self._target, self._limits.plugin_s)
        except MlkError as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        self._failure = None
        self._looked_at = self._renewed_at = time.monotonic()
        return self._credentials

    async def _replace(self, credentials: Credentials) -> None:
        aiohttp = await in_thread(_aiohttp)
        client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=credentials.tls if credentials.tls is not None else True, limit=100),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"mlk-jupyter/{__version__}"},
            read_bufsize=1 << 20,
            trust_env=False,  # else a password for the same host in ~/.netrc is sent; proxies are ours to find
        )
        old, self._http = self._http, _Http(client, credentials.tls_digest)
        if old is not None:
            old.replaced = True
            old.users += 1
            await old.leave()

    async def _send(self, http: _Http, credentials: Credentials, call: Call) -> Any:
        aiohttp = _aiohttp()
        limits = self._limits
        stream = call.silence_s is not None
        timeout = aiohttp.ClientTimeout(
            total=None if stream else limits.whole_s,
            sock_connect=limits.connect_s,
            sock_read=call.silence_s if stream else limits.answer_s,
        )
        url = credentials.server + quote(call.path, safe="/:") + (f"?{urlencode(call.params)}" if call.params else "")
        headers = [*credentials.headers, ("Accept", call.accept)]
        if call.body is not None:
            headers.append(("Content-Type", call.content_type))
        return await http.client.request(
            call.method,
            _encoded(url),
            data=call.body,
            headers=headers,
            timeout=timeout,
            proxy=credentials.proxy,
            server_hostname=credentials.server_name,
            allow_redirects=False,
        )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turns what aiohttp raises into our own errors."""
        aiohttp = _aiohttp()
        try:
            yield
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise Silent("The cluster's API server sent nothing for too long.", hint=_RETRY) from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            self._distrusted = self._credentials  # certificates rotate: read them anew before the next try
            raise _not_trusted(error) from error
        except aiohttp.ClientHttpProxyError as error:
            raise Unreachable(f"The proxy refuses (status {error.status}).", hint=_RETRY) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"No answer from the cluster: {_reason(error)}.", hint=_RETRY) from error
        except ValueError as error:  # aiohttp: a line of a header that is too long, an address that is none
            raise Unreachable(
                f"No usable answer from the cluster: {redacted(str(error), 120)}.", hint=_RETRY
            ) from error

    def _locked(self) -> asyncio.Lock:
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock


def _not_trusted(error: Exception) -> ApiError:
    return Unreachable(
        f"No trusted connection to the cluster: {redacted(str(error), 160)}.",
        hint="Check `certificate-authority` and `tls-server-name` in the kubeconfig, and this machine's clock.",
    )


def _reason(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or error
    number = getattr(inner, "errno", None)
    words = os.strerror(number) if number is not None and number > 0 else str(inner) or type(inner).__name__
    return redacted(str(words), 120).rstrip(".")


def _encoded(url: str) -> Any:
    from yarl import URL

    return URL(url, encoded=True)


def _aiohttp() -> Any:
    """0.3 s at its first call, which is in a thread."""
    import aiohttp

    return aiohttp
