"""Nobody gets in who should not: a walk of every endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from jupyter_server.auth import AllowAllAuthorizer, Authorizer
from jupyter_server.base.handlers import JupyterHandler
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect
from traitlets.config import Config
from walk import XSRF, ask, check_anonymous_is_refused, endpoints, everything_told_of, filled

from mlk_jupyter.model import JobSpec, JobStatus
from mlk_jupyter.model.api import RunView
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.registry import routes

ELSEWHERE = {"GET": "read", "POST": "write", "DELETE": "write"}  # what takes every other address below /mlk


class Recorder(Authorizer):
    """Remembers what it was asked, and answers as it is told."""

    asked: list[tuple[str, str, str]]
    answer = True

    def is_authorized(self, handler: JupyterHandler, user: Any, action: str, resource: str) -> bool:
        self.asked.append((f"{handler.request.method} {handler.request.path}", action, resource))
        return self.answer


@pytest.fixture
def recorder(jp_serverapp: Any) -> Recorder:
    recorder = Recorder(parent=jp_serverapp)
    recorder.asked = []
    jp_serverapp.web_app.settings["authorizer"] = recorder
    return recorder


@pytest.mark.parametrize("open_by_default", [True, False])
async def test_an_anonymous_request_is_refused_everywhere(
    open_by_default: bool, jp_configurable_serverapp: Any, http_server_client: Any, jp_serverapp: Any
) -> None:
    jp_serverapp.web_app.settings["allow_unauthenticated_access"] = open_by_default
    found = await check_anonymous_is_refused(http_server_client, jp_serverapp.web_app)
    assert len(found) == len(routes()) + len(ELSEWHERE)


async def test_every_handler_is_one_of_jupyters_and_protected_in_its_way(jp_serverapp: Any) -> None:
    for endpoint in endpoints(jp_serverapp.web_app):
        assert issubclass(endpoint.handler, JupyterHandler)
        assert jp_serverapp.web_app._check_handler_auth(endpoint.path, endpoint.handler) == []


async def test_what_an_authorizer_denies_is_refused_everywhere(
    recorder: Recorder, backend: Any, http_server_client: Any, jp_auth_header: Any, jp_serverapp: Any
) -> None:
    recorder.answer = False
    backend.put("x")
    for endpoint in endpoints(jp_serverapp.web_app):
        response = await ask(http_server_client, endpoint, jp_auth_header)
        assert response.code == 403, f"{endpoint} answered {response.code}"
        assert b'"code": "not_allowed"' in response.body
    assert list(backend.statuses) == ["x"] and backend.stopped == []


@pytest.mark.parametrize("backwards", [False, True])
async def test_each_method_is_authorized_by_its_own_action(
    backwards: bool, recorder: Recorder, backend: Any, http_server_client: Any, jp_auth_header: Any, jp_serverapp: Any
) -> None:
    recorder.answer = False
    found = endpoints(jp_serverapp.web_app)
    for endpoint in reversed(found) if backwards else found:
        await ask(http_server_client, endpoint, jp_auth_header)
    base = jp_serverapp.web_app.settings["base_url"].rstrip("/")
    expected = {(f"{route.method} {base}{filled(route)}", route.action, "mlk") for route in routes()}
    expected |= {(f"{method} {base}/mlk/.*", action, "mlk") for method, action in ELSEWHERE.items()}
    assert set(recorder.asked) == expected
    assert len(recorder.asked) == len(found)


@pytest.mark.parametrize(("method", "path"), [("POST", "jobs"), ("DELETE", "jobs/x"), ("POST", "jobs/x/stop")])
async def test_a_cookie_without_the_xsrf_token_changes_nothing(
    method: str, path: str, backend: Any, http_server_client: Any, jp_serverapp: Any, login: Any
) -> None:
    backend.put("x")
    cookie = await login()
    url = f"{jp_serverapp.web_app.settings['base_url']}mlk/{path}"
    body = "{}" if method == "POST" else None
    bare = await http_server_client.fetch(
        url, method=method, body=body, headers={"Cookie": cookie["Cookie"]}, raise_error=False
    )
    assert bare.code == 403 and b'"code": "xsrf"' in bare.body
    assert list(backend.statuses) == ["x"] and backend.stopped == []
    with_token = await http_server_client.fetch(url, method=method, body=body, headers=cookie, raise_error=False)
    assert with_token.code != 403


async def test_a_foreign_origin_is_refused_though_it_bears_the_cookie(
    backend: Any, http_server_client: Any, jp_serverapp: Any, login: Any
) -> None:
    headers = {**await login(), "Origin": "https://evil.example"}
    base = jp_serverapp.web_app.settings["base_url"]
    response = await http_server_client.fetch(f"{base}mlk/jobs", headers=headers, raise_error=False)
    assert response.code == 404 and b'"code"' in response.body
    address = http_server_client.get_url(f"{base}mlk/channel").replace("http", "ws", 1)
    with pytest.raises(HTTPClientError) as refused:
        await websocket_connect(HTTPRequest(address, headers=headers))
    assert refused.value.code == 403


async def test_a_download_needs_the_xsrf_token_and_is_never_shown_as_a_page(
    backend: Any, http_server_client: Any, jp_serverapp: Any, login: Any
) -> None:
    backend.put("x", name="a/b <script>")
    backend.write_log("x", b"<script>alert(1)</script>\n")
    cookie = await login()
    base = jp_serverapp.web_app.settings["base_url"]
    for path in ("log/download?rank=0", "notebook?download=1"):
        url = f"{base}mlk/jobs/x/{path}"
        bare = await http_server_client.fetch(url, headers={"Cookie": cookie["Cookie"]}, raise_error=False)
        assert bare.code == 403
        response = await http_server_client.fetch(url, headers=cookie)
        assert response.headers["Content-Disposition"].startswith("attachment; filename")
        assert "<" not in response.headers["Content-Disposition"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert "html" not in response.headers["Content-Type"]


class TestWhoMayOnlyRead:
    @pytest.fixture(autouse=True)
    def reader(self, jp_serverapp: Any) -> None:
        class Reader(Authorizer):
            def is_authorized(self, handler: JupyterHandler, user: Any, action: str, resource: str) -> bool:
                return (action, resource) in (("read", "mlk"), ("execute", "mlk"))

        jp_serverapp.web_app.settings["authorizer"] = Reader(parent=jp_serverapp)

    async def test_sees_no_values_of_environment_variables(self, backend: Any, jp_fetch: Any, connect: Any) -> None:
        backend.put("x", spec=JobSpec(name="x", notebook="x.ipynb", env={"API_TOKEN": "hunter2"}))
        told = await everything_told_of(jp_fetch, connect)
        assert "hunter2" not in told and told.count('"API_TOKEN":""') == 2

    async def test_sees_no_notebook_of_the_server(self, backend: Any, jp_fetch: Any, notebook: Any) -> None:
        response = await jp_fetch("mlk", "form", params={"path": notebook()}, raise_error=False)
        assert response.code == 403 and b"epochs" not in response.body

    async def test_gets_no_way_into_the_mlflow_server_of_this_machine(
        self, backend: Any, jp_fetch: Any, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        class View:
            async def view(self, job: JobStatus, *, opens_local: bool) -> RunView:
                asked.append(opens_local)
                return RunView(run_id="r")

        monkeypatch.setattr("mlk_jupyter.server.runs.tracking", lambda services: View())
        backend.put("x")
        await jp_fetch("mlk", "jobs", "x", "run")
        jp_serverapp.web_app.settings["authorizer"] = AllowAllAuthorizer(parent=jp_serverapp)
        await jp_fetch("mlk", "jobs", "x", "run")
        assert asked == [False, True]


async def test_every_route_of_the_document_is_served_and_the_other_way_round(jp_serverapp: Any) -> None:
    base = jp_serverapp.web_app.settings["base_url"].rstrip("/")
    served = {str(endpoint) for endpoint in endpoints(jp_serverapp.web_app)}
    elsewhere = {f"{method} {base}/mlk/.*" for method in ELSEWHERE}
    assert served == elsewhere | {f"{route.method} {base}{filled(route)}" for route in routes()}


@pytest.mark.parametrize("path", ["nothing", "jobs/UPPER", "jobs/a%2F..%2Fb", "jobs/../jobs", "jobs/x/more/of/it"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_address_that_is_none_is_refused_in_our_own_words(
    method: str, path: str, backend: Any, http_server_client: Any, jp_auth_header: Any, jp_serverapp: Any
) -> None:
    url = f"{jp_serverapp.web_app.settings['base_url']}mlk/{path}"
    response = await http_server_client.fetch(url, method=method, headers={**jp_auth_header, **XSRF}, raise_error=False)
    assert response.code == 404 and b'"code": "no_such_address"' in response.body


async def test_a_method_that_is_none_is_told_those_that_are(
    backend: Any, http_server_client: Any, jp_auth_header: Any, jp_serverapp: Any
) -> None:
    url = f"{jp_serverapp.web_app.settings['base_url']}mlk/jobs"
    response = await http_server_client.fetch(url, method="PUT", body="{}", headers=jp_auth_header, raise_error=False)
    assert (response.code, response.headers["Allow"]) == (405, "GET, POST")


class TestUnderAnotherBaseUrl:
    @pytest.fixture
    def jp_base_url(self) -> str:
        return "/user/ada/a%40b/"

    async def test_everything_is_found_there(self, backend: Any, jp_fetch: Any, jp_serverapp: Any) -> None:
        assert jp_serverapp.base_url == "/user/ada/a%40b/"
        backend.put("x")
        assert b'"x"' in (await jp_fetch("mlk", "jobs")).body


def test_config_reaches_the_extension() -> None:
    app = MlkJupyterApp(config=Config({"MlkJupyterApp": {"submissions_per_minute": 3}}))
    assert app.submissions_per_minute == 3
