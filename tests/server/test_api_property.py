"""Whatever is asked of the API, the answer is one that its document names, and never a mishap of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from api_requests import DOCUMENT, OPERATIONS, Request, requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_backend import NOTEBOOK, MemoryBackend
from server_process import Server

from mlk_jupyter.model import Phase

pytestmark = pytest.mark.slow
JOBS = ["done", "broken"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home, root = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("root")
    (root / "work.ipynb").write_text(json.dumps(NOTEBOOK))
    records = MemoryBackend(home / "mlk" / "jobs")
    for name in JOBS:
        records.put(name, Phase.SUCCEEDED, finished_at=1.0)
        records.write_log(name, b"line \xff\x1b[31m\n" * 50)
    records.write_frames("done", {"kind": "metric", "rank": 0, "seq": 0, "time": 1.0, "name": "loss", "value": 0.5})
    (records.folder_of("broken").path / "status.json").write_bytes(b"{")
    server = Server(home, root, submissions_per_minute=1_000_000, default_backend="local")
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[operation["operationId"] for *_, operation in OPERATIONS]
)
def test_every_answer_is_one_of_the_document(method: str, path: str, operation: dict[str, Any], server: Server) -> None:
    jobs = JOBS if method == "get" else ["nothing"]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        request = data.draw(requests(method, path, operation, jobs))
        check(server, request, operation)

    ask()


def check(server: Server, request: Request, operation: dict[str, Any]) -> None:
    address = request.path.removeprefix("/mlk/")
    answer = server.http.request(request.method, address, params=request.query, content=request.body)
    assert answer.status_code < 500, answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    known = operation["responses"].get(str(answer.status_code))
    if known is None:
        assert answer.status_code >= 400
        known = operation["responses"]["default"]
    kind = answer.headers["Content-Type"].partition(";")[0] if answer.content else None
    content = known.get("content", {})
    assert kind in content or not content or kind is None
    if kind == "application/json":
        jsonschema.validate(answer.json(), {**content[kind]["schema"], "components": DOCUMENT["components"]})
    if answer.status_code >= 400:
        assert all(answer.json()[said] for said in ("code", "title", "detail", "hint")), answer.text
