"""A Prometheus, or what speaks its HTTP API (Thanos, Mimir, Google's and Amazon's managed ones), asked about GPUs."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import BadInput, MlkError
from ..waiting import within
from .exposition import Row, from_rows
from .families import FAMILIES
from .readings import Use
from .stock import SourceState

_LIMIT_S = 10.0
_LIMIT_BYTES = 32 * 1024 * 1024
_LOOK_AGAIN_S = 300.0  # exporters are installed about as often as clusters are upgraded
_URL, _TOKEN, _TOKEN_FILE = "MLK_PROMETHEUS_URL", "MLK_PROMETHEUS_TOKEN", "MLK_PROMETHEUS_TOKEN_FILE"
_USER, _PASSWORD = "MLK_PROMETHEUS_USERNAME", "MLK_PROMETHEUS_PASSWORD"
_TENANT, _CA = "MLK_PROMETHEUS_TENANT", "MLK_PROMETHEUS_CA"


class PrometheusUnreachable(MlkError):
    """No answer, or one that says try later."""

    code, title, status = "prometheus_unreachable", "Prometheus does not answer", 503


class PrometheusRefused(MlkError):
    """A login or a right is missing."""

    code, title, status = "prometheus_refused", "Prometheus refuses", 502


class PrometheusAnswer(MlkError):
    """What came is no answer of Prometheus', or says that the question was wrong."""

    code, title, status = "prometheus_answer", "Prometheus' answer cannot be used", 502


class Prometheus:
    """One server. Each call takes at most 10 s and 32 MiB, follows no redirect and retries nothing.

    All but `state` may raise PrometheusUnreachable, PrometheusRefused, PrometheusAnswer, BadInput. The address comes
    from the environment, never from a request, a job or a notebook.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token_file: Path | None = None,
        verify: bool | ssl.SSLContext = True,
        limit_s: float = _LIMIT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """
        Args:
            url:        with the path before `/api/v1`, if there is one.
            token_file: whose content is the bearer token; read for each call, since such tokens are renewed.
            transport:  what carries the requests, instead of the network.
        """
        self._url, self._token_file, self._limit_s = url.rstrip("/"), token_file, limit_s
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        self._http = httpx.AsyncClient(
            headers=headers, timeout=limit_s, verify=verify, follow_redirects=False, transport=transport
        )
        self._names: tuple[float, list[str]] | None = None

    async def close(self) -> None:
        await self._http.aclose()

    async def uses(self) -> list[Use]:
        """What all GPUs do now that any exporter tells of."""
        names = await self._known()
        if not names:
            return []
        found = await self._query(f'{{__name__=~"{"|".join(names)}"}}')
        return from_rows(
            [row for series in found if (row := _row(series)) is not None], at=time.time(), source="prometheus"
        )

    async def state(self) -> SourceState:
        """Whether it answers and knows GPUs. Never raises what it answers."""
        name = f"Prometheus {self.host}"
        try:
            names = await self._known()
        except MlkError as error:
            return SourceState(name, False, f"{error.title}: {error.detail}", error.hint)
        if not names:
            why = "It answers, and has no figures of GPUs that are known here."
            return SourceState(name, False, why, "Let it scrape dcgm-exporter, or your vendor's exporter.")
        return SourceState(name, True)

    async def _known(self) -> list[str]:
        """Names of the metrics about GPUs that it has."""
        if self._names is None or time.monotonic() - self._names[0] > _LOOK_AGAIN_S:
            wanted = "|".join(family.name for family in FAMILIES)
            data = await self._call(
                "series", **{"match[]": f'{{__name__=~"{wanted}"}}', "start": f"{time.time() - 600:.0f}"}
            )
            ours = {family.name for family in FAMILIES}
            found = (one.get("__name__") for one in _list(data) if isinstance(one, dict))
            self._names = (time.monotonic(), sorted(ours.intersection(name for name in found if isinstance(name, str))))
        return self._names[1]

    async def _query(self, query: str) -> list[dict[str, Any]]:
        return _results(await self._call("query", query=query))

    async def _call(self, path: str, **form: str) -> Any:
        """The `data` of an answer."""
        try:
            status, raw = await within(self._limit_s, self._exchange(f"{self._url}/api/v1/{path}", form))
        except (httpx.TimeoutException, asyncio.TimeoutError) as error:
            raise PrometheusUnreachable(
                f"{self.host} did not answer within {self._limit_s:.0f} s.", hint=_REACH
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise PrometheusUnreachable(f"{self.host}: {error or type(error).__name__}.", hint=_REACH) from error
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        said = " ".join(str(answer.get("error") or "").split())[:200] if isinstance(answer, dict) else ""
        if status in (401, 403):
            hint = f"Set {_TOKEN_FILE}, {_TOKEN}, or {_USER} and {_PASSWORD}."
            raise PrometheusRefused(f"{self.host} wants to know who asks ({status}). {said}".strip(), hint=hint)
        if status >= 500 or status == 429:
            raise PrometheusUnreachable(f"{self.host} answered {status}. {said}".strip(), hint=_REACH)
        if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
            raise PrometheusAnswer(
                f"{self.host} answered {status} with something that is not Prometheus' JSON.",
                hint=f"Check that {_URL} is the address of its HTTP API, without /api/v1.",
            )
        if answer.get("status") != "success":
            raise PrometheusAnswer(f"{self.host} says: {said or status}.", hint="Look at its own log for the query.")
        return answer.get("data")

    async def _exchange(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        data = bytearray()
        headers = {} if self._token_file is None else {"Authorization": f"Bearer {_token(self._token_file)}"}
        async with self._http.stream("POST", url, data=dict(form), headers=headers) as response:
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > _LIMIT_BYTES:
                    raise PrometheusAnswer(
                        f"{self.host} sent more than {_LIMIT_BYTES >> 20} MiB.", hint="Ask for a shorter time."
                    )
        return response.status_code, bytes(data)


_REACH = f"Check {_URL}, and that it is reached from where Jupyter runs."


def prometheus_of(env: Mapping[str, str]) -> Prometheus | None:
    """The Prometheus that the environment names; None where it names none. Blocking: reads certificates.

    Raises: BadInput for an address or a file that cannot be used.
    """
    url = env.get(_URL, "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        is_address = False
    if not is_address or parts.username:
        hint = f"Write it as https://prometheus.example.com; who you are belongs into {_USER} and {_PASSWORD}."
        raise BadInput(f"{_URL} is no address of a Prometheus.", hint=hint)
    headers = {}
    if env.get(_TENANT):
        headers["X-Scope-OrgID"] = _plain(env[_TENANT].strip(), _TENANT)
    if env.get(_USER):
        both = f"{env[_USER]}:{env.get(_PASSWORD, '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(both).decode()}"
    elif env.get(_TOKEN):
        headers["Authorization"] = f"Bearer {_plain(env[_TOKEN].strip(), _TOKEN)}"
    verify: bool | ssl.SSLContext = True
    if env.get(_CA):
        try:
            verify = ssl.create_default_context(cafile=env[_CA])
        except OSError as error:
            raise BadInput(
                f"{_CA}: {error.strerror or error}.", hint="Name a file of certificates in PEM form."
            ) from error
    file = Path(env[_TOKEN_FILE]).expanduser() if env.get(_TOKEN_FILE) and not env.get(_USER) else None
    return Prometheus(url, headers=headers, token_file=file, verify=verify)


def _token(path: Path) -> str:
    """Raises: BadInput, which does not repeat what stands there."""
    try:
        with path.open("rb") as file:
            text = file.readline(65536).strip().decode("ascii", "replace")
    except OSError as error:
        raise BadInput(
            f"{_TOKEN_FILE}: {error.strerror or error}.", hint="Name a file that holds the token."
        ) from error
    return _plain(text, _TOKEN_FILE)


def _plain(text: str, variable: str) -> str:
    """What a header can carry. Raises: BadInput."""
    if not text.isascii() or not text.isprintable():
        raise BadInput(f"{variable} has characters that no HTTP header can carry.", hint="Copy it again, as one line.")
    return text


def _results(data: Any) -> list[dict[str, Any]]:
    return _list(data.get("result")) if isinstance(data, dict) else []


def _list(value: Any) -> list[Any]:
    return [one for one in value if isinstance(one, (dict, list))] if isinstance(value, list) else []


def _labels(series: Mapping[str, Any]) -> dict[str, str]:
    found = series.get("metric")
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _row(series: Any) -> Row | None:
    """One value of an instant query."""
    if not isinstance(series, dict):
        return None
    labels, point = _labels(series), _point(series.get("value"))
    name = labels.pop("__name__", None)
    return None if point is None or name is None else Row(name, labels, point[1], point[0])


def _point(pair: Any) -> tuple[float, float] | None:
    """Prometheus writes a value as text behind its time; NaN and infinities are none."""
    try:
        at, value = float(pair[0]), float(pair[1])
    except (TypeError, ValueError, LookupError):
        return None
    return (at, value) if math.isfinite(value) and math.isfinite(at) else None
