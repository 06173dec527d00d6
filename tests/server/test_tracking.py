"""The MLflow run of a job, over a real socket to a server that answers as MLflow does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from memory_backend import MemoryBackend
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from mlk_jupyter.model import RunRef, RunState
from mlk_jupyter.server.proxied import through_proxy

RUN = {
    "info": {"run_id": "r1", "experiment_id": "7", "run_name": "fox", "status": "FINISHED", "start_time": 1000},
    "data": {
        "params": [{"key": "lr", "value": "0.1"}],
        "metrics": [{"key": "loss", "value": 0.25}, {"key": "bad", "value": "NaN"}],
    },
}


class FakeMlflow:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.passwords: list[str | None] = []
        self.status = 200
        self.port = 0


@pytest.fixture
def mlflow(jp_asyncio_loop: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMlflow]:
    fake = FakeMlflow()

    class Answer(RequestHandler):
        def get(self) -> None:
            fake.asked.append(self.request.uri or "")
            fake.passwords.append(self.request.headers.get("Authorization"))
            if fake.status != 200:
                self.set_status(fake.status)
                self.set_header("Location", "http://169.254.169.254/")
                self.finish("<html>secret</html>")
            elif "experiments/get" in self.request.path:
                self.finish({"experiment": {"experiment_id": "7", "name": "digits", "lifecycle_stage": "active"}})
            elif "metrics/get-history" in self.request.path:
                value = {"loss": 0.25, "bad": "NaN"}[self.get_query_argument("metric_key")]
                self.finish({"metrics": [{"step": "3", "timestamp": "1500", "value": value}]})
            else:
                self.finish(json.dumps({"run": RUN}))

    socket, fake.port = bind_unused_port()

    async def start() -> HTTPServer:
        server = HTTPServer(Application([(r"/.*", Answer)]))
        server.add_socket(socket)
        return server

    server = jp_asyncio_loop.run_until_complete(start())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ada:hunter2@127.0.0.1:{fake.port}/base")
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield fake
    server.stop()


def recorded(tracking_uri: str | None = None) -> RunRef:
    return RunRef(state=RunState.RECORDED, run_id="r1", run_name="fox", tracking_uri=tracking_uri)


async def test_a_run_is_read_and_given_in_our_shape(mlflow: FakeMlflow, backend: MemoryBackend, jp_fetch: Any) -> None:
    backend.put("a", run=recorded(f"http://127.0.0.1:{mlflow.port}/base"))
    view = json.loads((await jp_fetch("mlk", "jobs", "a", "run")).body)
    assert (view["run_id"], view["run_name"], view["experiment"], view["status"]) == ("r1", "fox", "digits", "FINISHED")
    assert view["params"] == {"lr": "0.1"} and view["metrics"] == {"loss": 0.25, "bad": None}
    assert view["url"] == f"http://127.0.0.1:{mlflow.port}/base/#/experiments/7/runs/r1"
    assert all(uri.startswith("/base/api/2.0/mlflow/") for uri in mlflow.asked)
    assert all(mlflow.passwords)


async def test_metrics_that_only_the_run_has_are_read_from_mlflow(
    mlflow: FakeMlflow, backend: MemoryBackend, jp_fetch: Any
) -> None:
    backend.put("a", run=recorded(f"http://127.0.0.1:{mlflow.port}/base"))
    told = json.loads((await jp_fetch("mlk", "jobs", "a", "metrics", params={"source": "mlflow"})).body)
    assert told["source"] == "mlflow" and [one["name"] for one in told["series"]] == ["bad", "loss"]
    assert told["series"][1]["points"] == [{"step": 3, "at": 1.5, "value": 0.25}]

    backend.put("b", run=recorded("http://198.51.100.1:5000"))  # the job says so: never asked
    asked = len(mlflow.asked)
    told = json.loads((await jp_fetch("mlk", "jobs", "b", "metrics", params={"source": "mlflow"})).body)
    assert told["series"] == [] and len(mlflow.asked) == asked

    response = await jp_fetch("mlk", "jobs", "a", "metrics", params={"source": "elsewhere"}, raise_error=False)
    assert (response.code, json.loads(response.body)["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("answered", "status", "code"), [(302, 502, "mlflow_answer"), (500, 503, "mlflow_unreachable")]
)
async def test_a_tracking_server_that_misbehaves_is_told_in_words_and_never_passed_on(
    answered: int,
    status: int,
    code: str,
    mlflow: FakeMlflow,
    backend: MemoryBackend,
    jp_fetch: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mlflow.status = answered
    backend.put("a", run=recorded())
    with caplog.at_level(logging.INFO):
        response = await jp_fetch("mlk", "jobs", "a", "run", raise_error=False)
    told = [record for record in caplog.records if "mlk/jobs/a/run" in record.getMessage()]
    assert told and all(record.levelno < logging.WARNING for record in told)
    assert (response.code, json.loads(response.body)["code"]) == (status, code)
    assert b"<html" not in response.body and b"hunter2" not in response.body
    assert len(mlflow.asked) == 1


async def test_reading_a_run_needs_the_xsrf_token(
    mlflow: FakeMlflow, backend: MemoryBackend, http_server_client: Any, jp_serverapp: Any, login: Any
) -> None:
    backend.put("a", run=recorded())
    url = f"{jp_serverapp.web_app.settings['base_url']}mlk/jobs/a/run"
    cookie = await login()
    for address in (url, url.replace("/run", "/metrics?source=mlflow")):
        bare = await http_server_client.fetch(address, headers={"Cookie": cookie["Cookie"]}, raise_error=False)
        assert bare.code == 403 and mlflow.asked == []
    assert (await http_server_client.fetch(url, headers=cookie)).code == 200


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:5000/#/experiments/7/runs/r1", "/a%40b/proxy/5000/#/experiments/7/runs/r1"),
        ("http://localhost:5000?token=x#/runs", "/a%40b/proxy/5000/?token=x#/runs"),
        ("http://127.0.0.1:5000/base/#/runs", "/a%40b/proxy/5000/base/#/runs"),
        ("https://mlflow.example:5000/#/runs", None),
        ("http://mlflow.example:5000/#/runs", None),
        ("http://127.0.0.1/#/runs", None),
        (None, None),
    ],
)
def test_only_an_address_of_this_machine_goes_through_the_proxy(url: str | None, path: str | None) -> None:
    assert through_proxy(url, "/a%40b/") == path


async def test_the_way_to_a_run_goes_through_jupyter_server_proxy_where_a_person_has_installed_it(
    mlflow: FakeMlflow, backend: MemoryBackend, jp_fetch: Any, jp_serverapp: Any
) -> None:
    backend.put("a", run=recorded(f"http://127.0.0.1:{mlflow.port}/base"))
    assert json.loads((await jp_fetch("mlk", "jobs", "a", "run")).body)["proxy_path"] is None
    extensions, base = jp_serverapp.extension_manager.extensions, jp_serverapp.web_app.settings["base_url"]
    ways = {True: f"{base}proxy/{mlflow.port}/base/#/experiments/7/runs/r1", False: None}
    try:
        for enabled, way in ways.items():
            extensions["jupyter_server_proxy"] = SimpleNamespace(enabled=enabled)
            assert json.loads((await jp_fetch("mlk", "jobs", "a", "run")).body)["proxy_path"] == way
    finally:
        del extensions["jupyter_server_proxy"]  # the server stops those that it has
