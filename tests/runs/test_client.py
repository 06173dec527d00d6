"""The REST client, against a real tracking server and against every way one can misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mlk_jupyter.errors import MlkError
from mlk_jupyter.runs.client import (
    RunMissing,
    TrackingAnswer,
    TrackingRefused,
    TrackingServer,
    TrackingUnreachable,
)
from mlk_jupyter.runs.credentials import Credentials

Answer = Callable[[httpx.Request], httpx.Response]


def ask(answer: Answer, url: str = "http://mlflow.team.svc:5000", **options: Any) -> object:
    """What reading a run gives when the server answers like this."""

    async def read() -> object:
        async with TrackingServer(Credentials.of(url, {}), transport=httpx.MockTransport(answer), **options) as server:
            return await server.run("abc")

    return asyncio.run(read())


@pytest.mark.slow
def test_a_run_written_over_rest_reads_back_whole(mlflow_server: str) -> None:
    async def story() -> None:
        async with TrackingServer(Credentials.of(mlflow_server, {})) as server:
            experiment = await server.create_experiment("client whole")
            run = await server.create_run(experiment, "first", 1_790_000_000.5, {"mlk.job.id": "client-1"})
            points = [
                {"key": "loss", "value": 1.0 / (step + 1), "timestamp": 1_790_000_000_000 + step, "step": step}
                for step in range(2500)
            ]
            params = {f"p{number}": str(number) for number in range(150)}
            await server.log(run.run_id, params=params, tags={"team": "vision"}, metrics=points)
            await server.set_status(run.run_id, "FINISHED", 1_790_000_060.25)

            seen = await server.run(run.run_id)
            assert (seen.run_name, seen.status) == ("first", "FINISHED")
            assert (seen.started_at, seen.ended_at) == (1_790_000_000.5, 1_790_000_060.25)
            assert seen.params == params and seen.tags["team"] == "vision"
            assert seen.metrics == {"loss": pytest.approx(1 / 2500)}
            assert [one.run_id for one in await server.runs_of_job("client-1")] == [run.run_id]
            assert await server.runs_of_job("client-2") == []
            assert (await server.experiment(experiment)).name == "client whole"
            found = await server.experiment_by_name("client whole")
            assert found is not None and found.experiment_id == experiment and not found.deleted
            assert await server.experiment_by_name("no such experiment") is None

            curve = await server.metric_history(run.run_id, "loss", points=100)
            assert 50 <= len(curve) <= 110
            assert (curve[0].step, curve[-1].step) == (0, 2499)

    asyncio.run(story())


@pytest.mark.slow
def test_a_value_that_is_no_number_is_not_known(mlflow_server: str) -> None:
    async def story() -> None:
        async with TrackingServer(Credentials.of(mlflow_server, {})) as server:
            run = await server.create_run("0", "nan", time.time(), {})
            await server.log(run.run_id, metrics=[{"key": "loss", "value": "NaN", "timestamp": 1, "step": 0}])
            assert (await server.run(run.run_id)).metrics == {"loss": None}
            assert [point.value for point in await server.metric_history(run.run_id, "loss")] == [None]

    asyncio.run(story())


@pytest.mark.slow
def test_what_a_real_server_lacks_is_told_apart_from_a_wrong_address(mlflow_server: str) -> None:
    async def read(url: str) -> None:
        async with TrackingServer(Credentials.of(url, {})) as server:
            await server.run("0" * 32)

    with pytest.raises(RunMissing):
        asyncio.run(read(mlflow_server))
    with pytest.raises(TrackingAnswer, match="not MLflow's JSON"):
        asyncio.run(read(f"{mlflow_server}/some/prefix"))


@pytest.mark.slow
def test_a_host_that_the_server_does_not_accept_is_explained_with_the_flag_to_set(mlflow_server: str) -> None:
    async def read() -> None:
        def elsewhere(request: httpx.Request) -> None:
            request.headers["Host"] = "mlflow.team.svc:5000"

        async with TrackingServer(Credentials.of(mlflow_server, {})) as server:
            server._http.event_hooks["request"] = [_as_async(elsewhere)]
            await server.run("abc")

    with pytest.raises(TrackingRefused) as refused:
        asyncio.run(read())
    assert "--allowed-hosts" in refused.value.hint


def _as_async(change: Callable[[httpx.Request], None]) -> Callable[[httpx.Request], object]:
    async def changed(request: httpx.Request) -> None:
        change(request)

    return changed


def _slow(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("", request=request)


def _gone(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("All connection attempts failed", request=request)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (_slow, TrackingUnreachable, "within 5 s"),
        (_gone, TrackingUnreachable, "connection attempts failed"),
        (lambda _: httpx.Response(302, headers={"location": "http://169.254.169.254/"}), TrackingAnswer, "elsewhere"),
        (lambda _: httpx.Response(200, content=b"x" * (4 * 1024 * 1024 + 1)), TrackingAnswer, "4 MiB"),
        (lambda _: httpx.Response(200, text="<html>sign in</html>"), TrackingAnswer, "not MLflow's JSON"),
        (lambda _: httpx.Response(200, json=[1, 2]), TrackingAnswer, "not MLflow's JSON"),
        (lambda _: httpx.Response(404, text="<html>nginx</html>"), TrackingAnswer, "not MLflow's JSON"),
        (lambda _: httpx.Response(401, text="You are not authenticated."), TrackingRefused, "not authenticated"),
        (lambda _: httpx.Response(403, text="Cross-origin request blocked"), TrackingRefused, "foreign web page"),
        (
            lambda _: httpx.Response(403, text="Invalid Host header - possible DNS rebinding attack detected"),
            TrackingRefused,
            "called mlflow.team.svc:5000",
        ),
        (lambda _: httpx.Response(403, json={"message": "Permission denied"}), TrackingRefused, "Permission denied"),
        (lambda _: httpx.Response(503, text="<html>upstream</html>"), TrackingUnreachable, "answered 503"),
        (lambda _: httpx.Response(400, json={"message": "y" * 9000}), TrackingAnswer, "with 400"),
        (
            lambda _: httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run not found"}),
            RunMissing,
            "Run not found",
        ),
    ],
)
def test_every_wrong_answer_is_an_error_with_words_and_a_way_out(
    answer: Answer, error: type[MlkError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        ask(answer)
    assert raised.value.hint
    assert len(raised.value.detail) < 400


def test_an_endless_body_is_left_after_4_mib() -> None:
    sent = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            nonlocal sent
            while True:
                sent += 65536
                yield b"x" * 65536

    with pytest.raises(TrackingAnswer, match="4 MiB"):
        ask(lambda _: httpx.Response(200, stream=Endless()))
    assert sent < 5 * 1024 * 1024


def test_an_answer_in_drops_is_left_at_the_time_limit() -> None:
    class Drops(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            while True:
                await asyncio.sleep(0.01)
                yield b" "

    with pytest.raises(TrackingUnreachable, match="did not answer within"):
        ask(lambda _: httpx.Response(200, stream=Drops()), limit_s=0.2)


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_nested_without_end_is_no_bug_of_ours(status: int) -> None:
    with pytest.raises((TrackingAnswer, TrackingUnreachable)):
        ask(lambda _: httpx.Response(status, content=b"[" * 200_000))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"run": None},
        {"run": {"info": [], "data": "x"}},
        {"run": {"info": {"start_time": "soon"}, "data": {"params": {"a": 1}, "metrics": [None, {"value": 1}]}}},
        {"run": {"info": {"start_time": 10**400}, "data": {}}},
    ],
)
def test_a_run_of_the_wrong_shape_is_no_bug_of_ours(said: dict[str, object]) -> None:
    run = ask(lambda _: httpx.Response(200, json=said))
    assert getattr(run, "params", None) == {} and getattr(run, "metrics", None) == {}


@pytest.mark.parametrize(
    ("uri", "base", "header"),
    [
        ("http://h", {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
        ("http://h", {"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        (
            "http://h",
            {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p", "MLFLOW_TRACKING_TOKEN": "t"},
            "Basic dTpw",
        ),
        ("http://u:p@h", {}, "Basic dTpw"),
        ("http://h", {}, None),
    ],
)
def test_credentials_go_where_mlflow_would_send_them(uri: str, base: dict[str, str], header: str | None) -> None:
    found = Credentials.of(uri, {"HOME": "/nowhere", **base})
    assert found.base_url == "http://h"
    assert found.headers.get("Authorization") == header
    assert "dTpw" not in repr(found) and "Bearer" not in repr(found)


def test_a_workspace_is_named_in_each_request() -> None:
    assert Credentials.of("https://h/x/", {"MLFLOW_WORKSPACE": "team"}) == Credentials(
        "https://h/x", {"X-MLFLOW-WORKSPACE": "team"}
    )


@pytest.mark.parametrize("uri", ["file:///etc", "ftp://h", "http://", "sqlite:///x", "gopher://h"])
def test_only_http_addresses_are_called(uri: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Credentials.of(uri, {})
