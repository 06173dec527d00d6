"""An MLflow tracking server over its REST API: the few calls we need, without MLflow (130 MB, a second to import)."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import MlkError
from ..model.api import MetricPoint
from ..waiting import within
from .credentials import Credentials

_LIMIT_S = 5.0
_LIMIT_BYTES = 4 * 1024 * 1024
_API = "/api/2.0/mlflow/"


class TrackingUnreachable(MlkError):
    """No answer from the tracking server."""

    code, title, status = "mlflow_unreachable", "The MLflow server does not answer", 503


class TrackingRefused(MlkError):
    """The tracking server knows us and will not, or does not know us."""

    code, title, status = "mlflow_refused", "The MLflow server refuses", 502


class TrackingAnswer(MlkError):
    """The tracking server answered with something that cannot be used."""

    code, title, status = "mlflow_answer", "The MLflow server's answer cannot be used", 502


class RunMissing(MlkError):
    """The tracking server does not have what was asked for."""

    code, title, status = "mlflow_missing", "MLflow does not have it", 404


@dataclass(frozen=True)
class Run:
    """One run. Times in seconds since the epoch."""

    run_id: str
    experiment_id: str
    run_name: str | None
    status: str
    started_at: float | None
    ended_at: float | None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    """The latest of each; None where it is no finite number."""


@dataclass(frozen=True)
class Experiment:
    experiment_id: str
    name: str
    deleted: bool


class TrackingServer:
    """One tracking server. Each call takes at most 5 s and 4 MiB, follows no redirect and retries nothing.

    Every method may raise TrackingUnreachable, TrackingRefused, TrackingAnswer; those that name something, RunMissing.
    The address comes from the environment or the configuration, never from a request or a notebook.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        local: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        limit_s: float = _LIMIT_S,
    ) -> None:
        """
        Args:
            local:     a server of ours on 127.0.0.1: no proxy is asked for the way.
            transport: what carries the requests, instead of the network.
            limit_s:   how long one call may take.
        """
        self._url = credentials.base_url
        self._host = urlsplit(credentials.base_url).netloc
        self._limit_s = limit_s
        self._http = httpx.AsyncClient(
            headers={**credentials.headers, "Accept": "application/json"},
            timeout=limit_s,
            follow_redirects=False,
            verify=_verification(credentials),
            trust_env=not local,
            transport=transport,
        )

    async def __aenter__(self) -> TrackingServer:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.aclose()

    def run_url(self, run: Run) -> str:
        """Where a browser finds the run."""
        return f"{self._url}/#/experiments/{run.experiment_id}/runs/{run.run_id}"

    async def run(self, run_id: str) -> Run:
        return _run((await self._get("runs/get", run_id=run_id)).get("run"))

    async def runs_of_job(self, job_id: str) -> list[Run]:
        """The runs that bear a job's tag, in whichever experiment, newest first, at most 100."""
        answer = await self._post("experiments/search", max_results=1000)
        experiments = [str(one.get("experiment_id")) for one in _list(answer.get("experiments"))]
        if not experiments:
            return []
        quoted = job_id.replace("'", "")  # job ids are DNS labels; a quote would end the string in the filter
        answer = await self._post(
            "runs/search", experiment_ids=experiments, filter=f"tags.`mlk.job.id` = '{quoted}'", max_results=100
        )
        return [_run(one) for one in _list(answer.get("runs"))]

    async def experiment(self, experiment_id: str) -> Experiment:
        return _experiment((await self._get("experiments/get", experiment_id=experiment_id)).get("experiment"))

    async def experiment_by_name(self, name: str) -> Experiment | None:
        try:
            answer = await self._get("experiments/get-by-name", experiment_name=name)
        except RunMissing:
            return None
        return _experiment(answer.get("experiment"))

    async def create_experiment(self, name: str) -> str:
        """Its id.

        Raises: TrackingAnswer also when the name is taken.
        """
        return str((await self._post("experiments/create", name=name)).get("experiment_id"))

    async def create_run(self, experiment_id: str, name: str, started_at: float, tags: Mapping[str, str]) -> Run:
        answer = await self._post(
            "runs/create",
            experiment_id=experiment_id,
            run_name=name,
            start_time=int(started_at * 1000),
            tags=_pairs(tags),
        )
        return _run(answer.get("run"))

    async def set_status(self, run_id: str, status: str, ended_at: float) -> None:
        """`status`: FINISHED, FAILED or KILLED."""
        await self._post("runs/update", run_id=run_id, status=status, end_time=int(ended_at * 1000))

    async def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        metrics: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Adds to a run, in as many requests as MLflow's limits make it.

        Args: metrics: {key, value, timestamp in ms, step} each.
        """
        all_params, all_tags, points = _pairs(params or {}), _pairs(tags or {}), list(metrics)
        for at in range(0, max(len(all_params), len(all_tags)), 100):
            await self._post(
                "runs/log-batch", run_id=run_id, params=all_params[at : at + 100], tags=all_tags[at : at + 100]
            )
        for at in range(0, len(points), 1000):
            await self._post("runs/log-batch", run_id=run_id, metrics=points[at : at + 1000])

    async def metric_history(self, run_id: str, name: str, points: int = 320) -> list[MetricPoint]:
        """One metric's curve, thinned by the server to about `points` values, by step."""
        answer = await self._get(
            "metrics/get-history-bulk-interval", run_ids=run_id, metric_key=name, max_results=points
        )
        return [
            MetricPoint(
                step=int(_number(one.get("step")) or 0),
                at=_seconds(one.get("timestamp")) or 0.0,
                value=_number(one.get("value")),
            )
            for one in _list(answer.get("metrics"))
        ]

    async def _get(self, path: str, **query: str | int) -> dict[str, Any]:
        return await self._call("GET", path, params=query)

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return await self._call("POST", path, json=body)

    async def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            # The client's own limit is one for each read, which an answer in drops never meets.
            status, data = await within(self._limit_s, self._exchange(method, path, request))
        except (httpx.TimeoutException, asyncio.TimeoutError) as error:
            raise TrackingUnreachable(
                f"{self._host} did not answer within {self._limit_s:.0f} s.", hint=_REACH_HINT
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise TrackingUnreachable(f"{self._host}: {error or type(error).__name__}.", hint=_REACH_HINT) from error
        if status != 200:
            raise self._refusal(status, data, path)
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._no_mlflow(path) from error
        if not isinstance(answer, dict):
            raise self._no_mlflow(path)
        return answer

    async def _exchange(self, method: str, path: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        """One request; gives the status and the body of the answer."""
        data = bytearray()
        async with self._http.stream(method, self._url + _API + path, **request) as response:
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > _LIMIT_BYTES:
                    raise TrackingAnswer(
                        f"{self._host} sent more than {_LIMIT_BYTES >> 20} MiB for {path}.",
                        hint="Open the run in MLflow's own pages.",
                    )
        return response.status_code, bytes(data)

    def _no_mlflow(self, path: str) -> TrackingAnswer:
        return TrackingAnswer(
            f"{self._host} answered {path} with something that is not MLflow's JSON.",
            hint="Check that MLFLOW_TRACKING_URI is the address of an MLflow server, its path included.",
        )

    def _refusal(self, status: int, data: bytes, path: str) -> MlkError:
        """Why an answer is no success, in words. The server's own words are cut at 256 characters."""
        if 300 <= status < 400:
            return TrackingAnswer(
                f"{self._host} wants to send us elsewhere ({status}), which we do not follow.",
                hint="Set MLFLOW_TRACKING_URI to the final address (https instead of http, or behind the login page).",
            )
        code, words = _error_of(data)
        if status == 401:
            return TrackingRefused(
                f"{self._host} wants to know who you are ({words or 'no reason given'}).",
                hint="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.",
            )
        if status == 403 and "Invalid Host header" in words:
            name = self._host.rpartition(":")[0] or self._host
            return TrackingRefused(
                f"The server does not accept to be called {self._host} (its protection against DNS rebinding).",
                hint=f'Start it with `mlflow server --allowed-hosts "{name},{name}:*"`.',
            )
        if status == 403 and "Cross-origin" in words:
            return TrackingRefused(
                f"{self._host} takes the request for one from a foreign web page.",
                hint="Start it with `mlflow server --cors-allowed-origins` and this Jupyter server's address.",
            )
        if status == 403:
            return TrackingRefused(
                f"{self._host} does not allow it ({words or 'no reason given'}).",
                hint="Ask its administrator for the permission, or use another experiment.",
            )
        if code == "RESOURCE_DOES_NOT_EXIST":
            return RunMissing(words or f"{self._host} has no such thing.", hint="It may have been deleted in MLflow.")
        if status == 404:
            return self._no_mlflow(path)
        if status >= 500:
            return TrackingUnreachable(
                f"{self._host} answered {status} ({words or 'no reason given'}).", hint=_REACH_HINT
            )
        return TrackingAnswer(
            f"{self._host} answered {path} with {status}: {words or 'no reason given'}.",
            hint="Look into the MLflow server's log.",
        )


_REACH_HINT = "Check MLFLOW_TRACKING_URI and that the server runs; the job itself does not depend on it."


def _verification(credentials: Credentials) -> bool | ssl.SSLContext:
    if credentials.verify is True and credentials.client_certificate is None:
        return True
    context = ssl.create_default_context(cafile=credentials.verify if isinstance(credentials.verify, str) else None)
    if credentials.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.client_certificate is not None:
        context.load_cert_chain(credentials.client_certificate)
    return context


def _error_of(data: bytes) -> tuple[str | None, str]:
    """error_code and message of MLflow's JSON; of anything else the text, if it is no page."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        text = data[:1024].decode(errors="replace").strip()
        return None, "" if text.startswith("<") else " ".join(text.split())[:256]
    if not isinstance(said, dict):
        return None, ""
    return said.get("error_code"), str(said.get("message") or "")[:256]


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _number(value: Any) -> float | None:
    """MLflow writes NaN and infinities as text."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _seconds(milliseconds: Any) -> float | None:
    number = _number(milliseconds)
    return number / 1000 if number else None


def _experiment(raw: Any) -> Experiment:
    raw = _mapping(raw)
    return Experiment(str(raw.get("experiment_id")), str(raw.get("name")), raw.get("lifecycle_stage") == "deleted")


def _run(raw: Any) -> Run:
    info, data = _mapping(_mapping(raw).get("info")), _mapping(_mapping(raw).get("data"))
    name = info.get("run_name")
    return Run(
        str(info.get("run_id")),
        str(info.get("experiment_id")),
        None if name is None else str(name),
        str(info.get("status")),
        _seconds(info.get("start_time")),
        _seconds(info.get("end_time")),
        {key: str(value) for key, value in _items(data.get("params"))},
        {key: str(value) for key, value in _items(data.get("tags"))},
        {key: _number(value) for key, value in _items(data.get("metrics"))},
    )


def _mapping(raw: Any) -> dict[str, Any]:
    """What a server sent where an object belongs; nothing when it is none."""
    return raw if isinstance(raw, dict) else {}


def _list(raw: Any) -> list[dict[str, Any]]:
    return [one for one in raw if isinstance(one, dict)] if isinstance(raw, list) else []


def _items(raw: Any) -> list[tuple[str, Any]]:
    """MLflow's [{"key", "value"}] as pairs."""
    return [(str(one["key"]), one.get("value")) for one in _list(raw) if "key" in one]
