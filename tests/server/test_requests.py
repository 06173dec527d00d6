"""REST: what is answered, what is refused, and that a refusal is never a bare 500."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memory_backend import MemoryBackend
from tornado.httpclient import HTTPResponse

from mlk_jupyter.model import Phase
from mlk_jupyter.model.api import MetricList
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.server import records
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.base import BODY_LIMIT


@pytest.fixture
def fetch(jp_fetch: Any) -> Any:
    """A request below /mlk; gives status and parsed body, whatever the status."""

    async def ask(path: str, method: str = "GET", body: Any = None, **more: Any) -> tuple[int, Any]:
        response = await send(path, method, body, **more)
        return response.code, json.loads(response.body) if response.body else None

    async def send(path: str, method: str = "GET", body: Any = None, **more: Any) -> HTTPResponse:
        if method in ("POST", "PUT") and not isinstance(body, (bytes, str)):
            body = json.dumps(body if body is not None else {})
        parts = ["mlk", *path.split("/")]
        return await jp_fetch(*parts, method=method, body=body, raise_error=False, **more)

    ask.response = send  # type: ignore[attr-defined]
    return ask


def submission(request_id: str = "request-1", **spec: Any) -> dict[str, Any]:
    return {"spec": {"name": "work", "notebook": "work.ipynb", **spec}, "request_id": request_id}


async def test_a_notebook_is_submitted_once_however_often_it_is_clicked(
    fetch: Any, backend: MemoryBackend, notebook: Callable[[str], str]
) -> None:
    notebook("work.ipynb")
    status, first = await fetch("jobs", "POST", submission(parameters={"epochs": 5}))
    assert (status, first["phase"], first["spec"]["parameters"]) == (201, "Queued", {"epochs": 5})
    status, second = await fetch("jobs", "POST", submission(parameters={"epochs": 5}))
    assert (status, second["id"]) == (200, first["id"])
    status, other = await fetch("jobs", "POST", submission("request-2"))
    assert status == 201 and other["id"] != first["id"]


@pytest.mark.parametrize(
    "other", [{"notebook": "other.ipynb"}, {"name": "another"}, {"parameters": {"epochs": 6}}, {"env": {"A": "b"}}]
)
async def test_the_id_of_a_request_that_made_a_job_makes_no_other(
    other: dict[str, Any], fetch: Any, backend: MemoryBackend, notebook: Callable[[str], str]
) -> None:
    notebook("work.ipynb")
    notebook("other.ipynb")
    _, first = await fetch("jobs", "POST", submission())
    status, error = await fetch("jobs", "POST", submission(**other))
    assert (status, error["code"]) == (409, "request_used") and first["id"] in error["detail"]
    assert list(backend.statuses) == [first["id"]]


async def test_of_many_submissions_at_once_one_makes_the_job(
    fetch: Any, app: MlkJupyterApp, backend: MemoryBackend, notebook: Callable[[str], str]
) -> None:
    app.submissions_per_minute = 100
    app.concurrent_preparations = 100
    notebook("work.ipynb")
    answers = await asyncio.gather(*(fetch("jobs", "POST", submission()) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] * 5 + [201]
    assert len({job["id"] for _, job in answers}) == 1


async def test_a_preflight_creates_nothing(fetch: Any, backend: MemoryBackend, notebook: Callable[[str], str]) -> None:
    notebook("work.ipynb")
    status, found = await fetch("preflight", "POST", {"spec": submission()["spec"]})
    assert (status, found["ok"]) == (200, True)
    assert backend.statuses == {}


async def test_a_form_knows_the_parameters_of_its_notebook(
    fetch: Any, backend: MemoryBackend, notebook: Callable[[str], str]
) -> None:
    notebook("deep/er/work.ipynb")
    status, form = await fetch("form", params={"path": "deep/er/work.ipynb"})
    assert status == 200
    assert [(one["name"], one["default"]) for one in form["parameters"]] == [("epochs", 3)]
    assert form["values"]["notebook"] == "deep/er/work.ipynb"


async def test_a_script_can_be_submitted(fetch: Any, backend: MemoryBackend, jp_root_dir: Path) -> None:
    (jp_root_dir / "train.py").write_text("print(1)\n")
    status, _ = await fetch("jobs", "POST", submission(notebook="train.py"))
    assert status == 201


async def test_a_job_is_shown_stopped_and_deleted(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a")
    assert (await fetch("jobs/a"))[1]["id"] == "a"
    status, job = await fetch("jobs/a/stop", "POST")
    assert (status, job["phase"]) == (202, "Stopping")
    assert await fetch("jobs/a", "DELETE") == (204, None)
    status, error = await fetch("jobs/a")
    assert (status, error["code"]) == (404, "job_not_found")


UNUSABLE = [
    (b"", 400),
    (b"\xff\xfe{}", 400),
    (b'{"spec": "\xc3\x28"}', 400),
    (b'{"spec": "\\ud800"}', 400),
    (b"[]", 400),
    (b'"text"', 400),
    (b"null", 400),
    (b"17", 400),
    (b"{", 400),
    (b'{"a": NaN}', 400),
    (b'{"a": -Infinity}', 400),
    (b'{"a": 1e999}', 400),
    (b"[" * 200_000, 400),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
    (b'{"a": ' + b"9" * 5_000 + b"}", 400),
    (b"{}", 400),
    (b'{"spec": {}, "request_id": "12345678"}', 400),
    (b'{"spec": {"name": "a", "notebook": "a.ipynb", "wokers": 2}, "request_id": "12345678"}', 400),
    (b'{"spec": {"name": "a", "notebook": "a.ipynb", "workers": 1e6}, "request_id": "12345678"}', 400),
    (b'{"spec": {"name": "a", "notebook": "a.ipynb"}, "request_id": "../../x"}', 400),
    (b" " * (BODY_LIMIT + 1), 413),
]


@pytest.mark.parametrize("path", ["jobs", "preflight"])
async def test_a_body_that_cannot_be_used_is_refused_in_words(path: str, fetch: Any, backend: MemoryBackend) -> None:
    for body, status in UNUSABLE:
        answered, error = await fetch(path, "POST", body)
        assert answered == status, body[:40]
        said = {name: text for name, text in error.items() if name != "fields"}
        assert set(said) == {"code", "title", "detail", "hint"} and all(said.values()), body[:40]
    assert backend.statuses == {}


async def test_a_wrong_field_is_named(fetch: Any, backend: MemoryBackend) -> None:
    _, error = await fetch("jobs", "POST", submission(workers=0, gpus="many"))
    assert error["code"] == "bad_input"
    assert error["detail"] == "workers: at least 1. gpus: a whole number, for example 1."
    assert error["fields"] == {"workers": "at least 1", "gpus": "a whole number, for example 1"}


@pytest.mark.parametrize("path", ["jobs", "preflight"])
async def test_what_only_the_notebook_can_tell_is_wrong_is_told_of_its_field_too(
    path: str, fetch: Any, notebook: Callable[[str], str]
) -> None:
    asked = submission(notebook=notebook("a.ipynb"), files=["a.ipynb", "nowhere.csv"])
    _, error = await fetch(path, "POST", asked if path == "jobs" else {"spec": asked["spec"]})
    assert list(error["fields"]) == ["files.1"] and "nowhere.csv" in error["fields"]["files.1"]


ELSEWHERE = [
    "../outside.ipynb",
    "/../outside.ipynb",
    "a/../../outside.ipynb",
    "~/outside.ipynb",
    "..\\outside.ipynb",
    "C:\\outside.ipynb",
    "out\0side.ipynb",
    "out\nside.ipynb",
    ".",
    "/",
    "nothing.ipynb",
    "folder",
    "x" * 4000,
]


async def test_a_path_that_leads_elsewhere_is_refused(
    fetch: Any, app: MlkJupyterApp, backend: MemoryBackend, jp_root_dir: Path
) -> None:
    app.submissions_per_minute = 1000
    (jp_root_dir / "folder").mkdir()
    (jp_root_dir.parent / "outside.ipynb").write_text("{}")
    for path in ELSEWHERE:
        for status, error in (
            await fetch("jobs", "POST", submission(notebook=path)),
            await fetch("form", params={"path": path}),
        ):
            assert 400 <= status < 500, (path[:40], error)
            assert error["hint"] and str(jp_root_dir) not in error["detail"]
    assert backend.statuses == {}


async def test_modules_behind_a_link_out_of_the_root_are_not_read(
    fetch: Any, backend: MemoryBackend, notebook: Callable[[str], str], jp_root_dir: Path
) -> None:
    outside = jp_root_dir.with_name(f"{jp_root_dir.name}-outside")  # its path begins like the root's
    outside.mkdir()
    content = json.loads((jp_root_dir / notebook("work.ipynb")).read_text())
    content["cells"][1]["source"] = "import helper"
    (outside / "work.ipynb").write_text(json.dumps(content))
    (outside / "helper.py").write_text("secret = 1\n")
    (jp_root_dir / "link").symlink_to(outside)
    (jp_root_dir / "inside").mkdir()
    (jp_root_dir / "inside" / "work.ipynb").write_text(json.dumps(content))
    (jp_root_dir / "inside" / "helper.py").write_text("public = 1\n")
    _, inside = await fetch("preflight", "POST", {"spec": submission(notebook="inside/work.ipynb")["spec"]})
    assert inside["files"] == ["helper.py"]
    _, linked = await fetch("preflight", "POST", {"spec": submission(notebook="link/work.ipynb")["spec"]})
    assert linked["files"] == []


async def test_too_many_submissions_are_told_when_to_come_back(
    fetch: Any, app: MlkJupyterApp, backend: MemoryBackend, notebook: Callable[[str], str]
) -> None:
    notebook("work.ipynb")
    for number in range(app.submissions_per_minute):
        assert (await fetch("jobs", "POST", submission(f"request-{number}")))[0] == 201
    response = await fetch.response("jobs", "POST", submission("request-last"))
    assert response.code == 429 and json.loads(response.body)["code"] == "too_many_requests"
    assert 1 <= int(response.headers["Retry-After"]) <= 7


async def test_only_so_many_notebooks_are_prepared_at_the_same_time(
    fetch: Any, app: MlkJupyterApp, backend: MemoryBackend, notebook: Callable[[str], str]
) -> None:
    notebook("work.ipynb")
    for _ in range(app.concurrent_preparations):
        app.services.preparations.take("token")
    assert (await fetch("preflight", "POST", {"spec": submission()["spec"]}))[0] == 429
    app.services.preparations.give_back("token")
    assert (await fetch("preflight", "POST", {"spec": submission()["spec"]}))[0] == 200


async def test_only_so_many_requests_of_one_user_are_worked_on_at_the_same_time(
    fetch: Any, app: MlkJupyterApp, backend: MemoryBackend
) -> None:
    for _ in range(app.concurrent_requests):
        app.services.requests.take("token")
    response = await fetch.response("jobs")
    assert response.code == 429 and "Retry-After" in response.headers
    app.services.requests.give_back("token")
    assert (await fetch("jobs"))[0] == 200


async def test_only_so_many_notebooks_are_in_memory_at_the_same_time(
    fetch: Any, backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []
    lock, inside = threading.Lock(), 0

    def slow(folder: JobFolder) -> MetricList:
        nonlocal inside
        with lock:
            inside += 1
            at_once.append(inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return MetricList(source="frames", series=[])

    monkeypatch.setattr(records, "metrics", slow)
    backend.put("a")
    answers = await asyncio.gather(*(fetch("jobs/a/metrics") for _ in range(12)))
    assert [status for status, _ in answers] == [200] * 12
    assert max(at_once) <= 4


async def test_looking_is_no_activity_and_acting_is(
    fetch: Any, backend: MemoryBackend, notebook: Callable[[str], str], jp_serverapp: Any, connect: Any
) -> None:
    def seen() -> Any:
        return jp_serverapp.web_app.settings["api_last_activity"]

    notebook("work.ipynb")
    backend.put("a")
    jp_serverapp.web_app.settings["api_last_activity"] = before = jp_serverapp.web_app.settings["started"]
    for path in ("info", "jobs", "jobs/a", "jobs/a/log", "jobs/a/frames", "jobs/a/notebook", "jobs/a/metrics"):
        assert (await fetch(path))[0] == 200
    assert (await fetch("preflight", "POST", {"spec": submission()["spec"]}))[0] == 200
    socket = await connect()
    await socket.ask("subscribe", "jobs")
    await socket.read()
    assert seen() == before
    for path, method, body in (("jobs", "POST", submission()), ("jobs/a/stop", "POST", {}), ("jobs/a", "DELETE", None)):
        jp_serverapp.web_app.settings["api_last_activity"] = before
        assert (await fetch(path, method, body))[0] < 300
        assert seen() > before


async def test_a_bug_is_told_by_a_reference_and_not_by_its_words(
    fetch: Any, backend: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.failure = RuntimeError("password=hunter2")
    status, error = await fetch("jobs")
    assert (status, error["code"]) == (500, "error")
    assert "hunter2" not in json.dumps(error)
    reference = error["detail"].rsplit(" ", 1)[-1].rstrip(".")
    assert any(reference in record.getMessage() for record in caplog.records)


async def test_a_number_that_is_none_is_refused(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a")
    for query in ("rank=-1", "rank=x", "rank=1e3", "offset=0x10", "offset=", "limit=0", "limit=9999999", "rank=\u0663"):
        name, _, value = query.partition("=")
        status, error = await fetch("jobs/a/log", params={name: value})
        assert (status, error["code"]) == (400, "bad_request"), query


async def test_a_log_is_given_in_pieces_that_join(fetch: Any, backend: MemoryBackend) -> None:
    text = "".join(f"Zeile {number} \u20ac\u00e4\n" for number in range(200))
    backend.put("a", Phase.SUCCEEDED)
    backend.write_log("a", text.encode())
    read, offset = "", 0
    while True:
        status, piece = await fetch("jobs/a/log", params={"offset": offset, "limit": 37})
        assert status == 200 and piece["offset"] == offset
        read, offset = read + piece["text"], piece["next_offset"]
        if piece["final"]:
            break
    assert read == text
    _, end = await fetch("jobs/a/log", params={"offset": -40})
    assert end["text"] and text.endswith(end["text"]) and end["text"].startswith("Zeile")


async def test_the_end_of_a_very_long_line_is_shown(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a", Phase.SUCCEEDED)
    backend.write_log("a", b"x" * 50_000 + "\u20ac".encode() * 7_000 + b"end\n")
    _, piece = await fetch("jobs/a/log", params={"offset": -20_003})
    assert piece["text"].startswith("\u20ac") and piece["final"] is True
    assert piece["text"].count("\u20ac") == 6_666


async def test_a_log_that_does_not_exist_yet_is_empty_and_a_rank_that_does_not_exist_is_not_found(
    fetch: Any, backend: MemoryBackend
) -> None:
    backend.put("a")
    status, piece = await fetch("jobs/a/log")
    assert (status, piece["text"], piece["final"]) == (200, "", False)
    assert (await fetch("jobs/a/log", params={"rank": 1}))[1]["code"] == "no_such_rank"


async def test_downloads_are_whole(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a", name="m\u00fcll/x")
    data = b"\x1b]8;;http://x\x07" + b"0123456789" * 100_000
    backend.write_log("a", data)
    response = await fetch.response("jobs/a/log/download")
    assert response.body == data
    response = await fetch.response("jobs/a/notebook", params={"download": "1"})
    assert json.loads(response.body)["nbformat"] == 4
    assert "x.ipynb" in response.headers["Content-Disposition"]


async def test_an_output_too_large_for_the_notebook_can_be_opened(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a")
    folder = backend.folder_of("a").path / "outputs"
    folder.mkdir()
    for name in ("cell-0-output-1.png", "cell-0-output-2.html"):
        (folder / name).write_bytes(b"<script>" + bytes(1_000_000))
    (folder / "cell-0-output-3.png").symlink_to("/etc/passwd")
    shown = await fetch.response("jobs/a/outputs/cell-0-output-1.png")
    assert shown.body == b"<script>" + bytes(1_000_000) and shown.headers["Content-Type"] == "image/png"
    assert shown.headers["Content-Disposition"].startswith("inline")
    kept = await fetch.response("jobs/a/outputs/cell-0-output-2.html")
    assert kept.headers["Content-Disposition"].startswith("attachment") and "html" not in kept.headers["Content-Type"]
    for response in (shown, kept):
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("cell-0-output-3.png", "cell-0-output-4.png"):
        assert (await fetch(f"jobs/a/outputs/{name}"))[1]["code"] == "no_output"
    assert (await fetch("jobs/a/outputs/..%2Fspec.json"))[0] == 404


async def test_metrics_come_from_the_frames(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a")
    for seq, value in enumerate((0.5, None, 0.25)):
        backend.write_frames(
            "a", {"kind": "metric", "rank": 0, "seq": seq, "time": 1.0, "name": "loss", "value": value, "step": seq}
        )
    status, found = await fetch("jobs/a/metrics")
    assert status == 200
    assert [point["value"] for point in found["series"][0]["points"]] == [0.5, None, 0.25]


async def test_a_job_without_a_run_says_so(fetch: Any, backend: MemoryBackend) -> None:
    backend.put("a")
    status, error = await fetch("jobs/a/run")
    assert (status, error["code"]) == (404, "no_run")


async def test_a_run_recorded_elsewhere_is_told_from_the_record_and_nobody_is_called(
    fetch: Any, backend: MemoryBackend
) -> None:
    run = {"state": "recorded", "run_id": "r1", "run_name": "fox", "tracking_uri": "http://169.254.169.254/latest"}
    from mlk_jupyter.model import RunRef

    backend.put("a", run=RunRef.model_validate(run))
    status, view = await fetch("jobs/a/run")
    assert (status, view["run_id"], view["run_name"], view["url"]) == (200, "r1", "fox", None)


async def test_info_shows_no_password(fetch: Any, backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ada:hunter2@mlflow.example/base?token=abc")
    status, info = await fetch("info")
    assert (status, info["mlflow_uri"]) == (200, "https://mlflow.example/base")


async def test_a_thousand_jobs_are_listed_without_holding_up_the_others(fetch: Any, backend: MemoryBackend) -> None:
    for number in range(1000):
        backend.put(f"j{number}")
    (status, found), (other, _) = await asyncio.gather(fetch("jobs"), fetch("jobs/j1"))
    assert (status, other, len(found["jobs"])) == (200, 200, 1000)
