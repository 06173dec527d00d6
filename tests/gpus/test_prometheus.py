"""Figures of GPUs out of Prometheus: a real one that scrapes what exporters print, and ones that fail."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_golden import DATA, NODES, PODS, allocations, holder

from mlk_jupyter.backends.kubernetes.gpu_objects import nodes_of
from mlk_jupyter.errors import BadInput, MlkError
from mlk_jupyter.gpus.attribution import BUSY, attribute, board_power_w, memory_bytes
from mlk_jupyter.gpus.prometheus import Prometheus, PrometheusAnswer, PrometheusUnreachable, prometheus_of
from mlk_jupyter.gpus.stock import Stock

SERVER, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(SERVER is None, reason="needs Prometheus: the Debian package `prometheus`")


class Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = DATA / f"dcgm_{self.path.strip('/').partition('/')[0]}.prom"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(path.read_bytes())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def exporter() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=[True, False], ids=["honor_labels", "exported labels"])
def scraped(request: pytest.FixtureRequest, exporter: int, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the three nodes as Kubernetes' service discovery would have it."""
    jobs = [
        {
            "job_name": f"dcgm-{node}",
            "honor_labels": request.param,
            "metrics_path": f"/{node}/metrics",
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [
                {
                    "targets": [f"127.0.0.1:{exporter}"],
                    "labels": {"namespace": "gpu-operator", "pod": f"nvidia-dcgm-exporter-{node}", "container": "e"},
                }
            ],
        }
        for node in ("gpu-a", "gpu-b", "gpu-c")
    ]
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))
    port = free_port()
    assert SERVER is not None
    with subprocess.Popen(
        [
            SERVER,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:  # its own word for: the three were scraped
                try:
                    answer = httpx.get(f"{url}/api/v1/query", params={"query": "count(DCGM_FI_DEV_FB_USED)"}).json()
                    if (answer["data"]["result"] or [{"value": [0, "0"]}])[0]["value"][1] == "8":
                        break
                except (httpx.HTTPError, ValueError, KeyError):
                    pass
                time.sleep(0.1)
            else:
                raise AssertionError("Prometheus scraped nothing")
            yield url
        finally:
            process.kill()


@needs_prometheus
def test_a_real_prometheus_gives_the_same_figures_as_the_exporters(scraped: str) -> None:
    async def asked() -> Any:
        server = Prometheus(scraped)
        try:
            return await server.uses(), await server.state()
        finally:
            await server.close()

    found, state = asyncio.run(asked())
    assert state.answers
    there = Stock("k", "", 0.0, nodes_of(NODES), allocations(PODS), found)
    power = board_power_w(there.uses)
    assert power is not None and round(power) == 970
    assert memory_bytes(use for use in there.uses if use.node == "gpu-c") == 15_360 * 1024**2
    known = attribute(there)
    busy = {one.pod: holder(there, known, str(one.pod)).busy.value for one in there.allocations}
    assert [name for name, share in busy.items() if share < BUSY] == ["nb-bob"]
    assert sorted(one.id[12:] for one in known.devices if one.state == "free")[0].startswith("-0000")
    assert len([one for one in known.devices if one.state == "free"]) == 2
    assert not known.strangers


@pytest.mark.skipif(PROMTOOL is None, reason="needs Prometheus: the Debian package `prometheus`")
def test_the_recording_rules_do_what_they_say(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    rules = Path(__file__).parents[2] / "docs" / "prometheus-rules.yml"
    (tmp_path / "mlk_gpu_rules.yml").write_text(rules.read_text())
    (tmp_path / "test.yml").write_text((DATA / "mlk_gpu_rules_test.yml").read_text())
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def answering(*answers: httpx.Response | Exception) -> Prometheus:
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        one = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(one, Exception):
            raise one
        return one

    return Prometheus("http://prom.invalid:9090/base", transport=httpx.MockTransport(answer))


def asked(server: Prometheus) -> Any:
    async def ask() -> Any:
        try:
            return await server.uses()
        finally:
            await server.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (httpx.ConnectError("refused"), PrometheusUnreachable, "refused"),
        (httpx.ReadTimeout("slow"), PrometheusUnreachable, "within 10 s"),
        (httpx.Response(503, text="overloaded"), PrometheusUnreachable, "503"),
        (httpx.Response(401, text="no"), MlkError, "who asks"),
        (httpx.Response(302, headers={"Location": "/login"}), PrometheusAnswer, "not Prometheus' JSON"),
        (httpx.Response(200, text="<html>log in</html>"), PrometheusAnswer, "not Prometheus' JSON"),
        (httpx.Response(200, text="[" * 50_000), PrometheusAnswer, "not Prometheus' JSON"),
        (
            httpx.Response(422, json={"status": "error", "errorType": "execution", "error": "many-to-one"}),
            PrometheusAnswer,
            "many-to-one",
        ),
    ],
)
def test_what_fails_is_told_in_words(answer: Any, error: type[MlkError], says: str) -> None:
    with pytest.raises(error) as raised:
        asked(answering(answer))
    assert says in raised.value.detail and raised.value.hint


@pytest.mark.parametrize("odd", [None, [], {}, {"result": 3}, {"result": [3, {"metric": 1, "value": [1]}]}, "text"])
def test_an_answer_of_another_shape_is_no_figure(odd: Any) -> None:
    series = httpx.Response(200, json={"status": "success", "data": [{"__name__": "DCGM_FI_DEV_FB_USED"}]})
    assert asked(answering(series, httpx.Response(200, json={"status": "success", "data": odd}))) == []


def test_a_prometheus_without_gpus_is_asked_nothing_more_and_says_what_to_do() -> None:
    server = answering(httpx.Response(200, json={"status": "success", "data": []}))

    async def ask() -> Any:
        return await server.uses(), await server.state()

    found, state = asyncio.run(ask())
    assert found == [] and not state.answers and state.hint is not None and "dcgm-exporter" in state.hint


def test_who_asks_is_told_as_configured_and_a_token_is_read_anew(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"status": "success", "data": []})

    env = {"MLK_PROMETHEUS_TENANT": "team"}
    server = Prometheus(
        "http://p.invalid",
        headers={"X-Scope-OrgID": env["MLK_PROMETHEUS_TENANT"]},
        token_file=token,
        transport=httpx.MockTransport(answer),
    )
    asked(server)
    assert seen[0]["authorization"] == "Bearer first" and seen[0]["x-scope-orgid"] == "team"


@pytest.mark.parametrize("series", [[[]], [{"__name__": {}}], [{"__name__": ["a"]}], [None], {}, "text"])
def test_series_of_another_shape_are_no_metrics(series: Any) -> None:
    server = answering(httpx.Response(200, json={"status": "success", "data": series}))
    assert not asyncio.run(server.state()).answers


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "schl\u00fcssel".encode(), b"a\x01b"])
def test_a_token_file_that_holds_no_token_is_told_and_not_repeated(tmp_path: Path, content: bytes | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    carried = httpx.MockTransport(lambda _: httpx.Response(200, json={"status": "success", "data": []}))
    state = asyncio.run(Prometheus("http://p.invalid", token_file=token, transport=carried).state())
    assert not state.answers and state.why is not None and "MLK_PROMETHEUS_TOKEN_FILE" in state.why
    assert "schl" not in state.why


@pytest.mark.parametrize("variable", ["MLK_PROMETHEUS_TOKEN", "MLK_PROMETHEUS_TENANT"])
@pytest.mark.parametrize("value", ["schl\u00fcssel", "schl\nssel"])
def test_what_no_header_can_carry_is_refused_and_not_repeated(variable: str, value: str) -> None:
    with pytest.raises(BadInput) as raised:
        prometheus_of({"MLK_PROMETHEUS_URL": "http://p.invalid", variable: value})
    assert variable in raised.value.detail and "schl" not in raised.value.detail


@pytest.mark.parametrize(
    "url", ["prom:9090", "ftp://x", "http://me:secret@prom", "http://", "http://[::1", "http://p:99999"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadInput) as raised:
        prometheus_of({"MLK_PROMETHEUS_URL": url})
    assert "secret" not in f"{raised.value.detail} {raised.value.hint}"


def test_without_an_address_there_is_none() -> None:
    assert prometheus_of({}) is None
