"""The document that the front end's types are made from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlk_jupyter.server import openapi
from mlk_jupyter.server.registry import routes


def test_the_committed_document_is_what_the_code_makes() -> None:
    assert openapi.TARGET.read_text(encoding="utf-8") == openapi.text()


def test_every_interpreter_makes_the_same_bytes() -> None:
    code = "from mlk_jupyter.server import openapi; print(openapi.text(), end='')"
    made = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert made == {openapi.text().encode()}


def test_a_stale_document_is_noticed_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi, "TARGET", tmp_path / "docs" / "openapi.json")
    assert openapi.main(["--check"]) == 1
    assert "stale" in capsys.readouterr().err and not openapi.TARGET.exists()
    assert openapi.main([]) == 0
    assert openapi.main(["--check"]) == 0


def test_all_that_the_document_refers_to_is_in_it() -> None:
    document = openapi.document()
    known = set(document["components"]["schemas"])
    wanted = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert wanted <= known
    assert {"Topic", "Message", "JobsSnapshot", "JobsDelta", "FramesSnapshot", "FramePiece", "LogPiece"} <= known


def test_answers_are_whole_and_requests_are_not() -> None:
    schemas = openapi.document()["components"]["schemas"]
    assert set(schemas["JobSummary"]["required"]) == set(schemas["JobSummary"]["properties"])
    assert set(schemas["JobSpec-Input"]["required"]) == {"name", "notebook"}


def test_operations_have_names_of_their_own() -> None:
    every = routes()
    names = [route.operation for route in every]
    assert len(set(names)) == len(names)
    assert all(route.action == "read" for route in every if route.method == "GET" and route.status == 200)
    assert all(route.action == "write" for route in every if route.method in ("POST", "PUT", "DELETE"))
