"""The real thing: a job outlives the Jupyter server that started it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from memory_backend import NOTEBOOK
from server_process import Server, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir()
    root.mkdir()
    server = Server(home, root)
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        for job in server.http.get("jobs").json()["jobs"]:
            server.http.delete(f"jobs/{job['id']}")
        server.kill()


@pytest.mark.slow
def test_a_job_goes_on_while_the_server_is_killed_and_comes_back(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    cells = [
        "print('first')",
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\nprint('second')",
        "6 * 7",
    ]
    content = json.loads(json.dumps(NOTEBOOK))
    content["cells"] += [{**content["cells"][1], "id": f"c{at}", "source": cell} for at, cell in enumerate(cells)]
    (tmp_path / "root" / "long.ipynb").write_text(json.dumps(content))
    spec = {"name": "long", "notebook": "long.ipynb", "parameters": {"epochs": 11}, "mlflow": False}
    answer = server.submit("survival-1", **spec)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["id"]
    wait_for(lambda: server.job(job_id)["progress"]["cell"] == 4, lambda: json.dumps(server.job(job_id)))

    server.kill()
    server.start()

    again = server.job(job_id)
    assert again["phase"] == "Running"
    assert [step["phase"] for step in again["timeline"]][-1] == "Running"
    so_far = server.http.get(f"jobs/{job_id}/notebook").json()
    assert so_far["running_cell"] == 4
    assert so_far["notebook"]["cells"][3]["outputs"][0]["text"] in ("first\n", ["first\n"])
    answer = server.submit("survival-1", **spec)
    assert (answer.status_code, answer.json()["id"]) == (200, job_id)

    server.kill()
    gate.touch()
    folder = tmp_path / "home" / "mlk" / "jobs" / job_id
    wait_for(lambda: (folder / "executed.ipynb").exists())
    server.start()

    wait_for(lambda: server.job(job_id)["phase"] == "Succeeded", lambda: json.dumps(server.job(job_id)))
    done = server.http.get(f"jobs/{job_id}/notebook", params={"download": 1}).json()
    outputs = [cell["outputs"][0] for cell in done["cells"] if cell["outputs"]]
    assert ["".join(output.get("text", "")) for output in outputs[:3]] == ["11\n", "first\n", "second\n"]
    assert "".join(outputs[3]["data"]["text/plain"]) == "42"
    assert "second" in server.http.get(f"jobs/{job_id}/log/download").text


@pytest.mark.slow
def test_a_server_that_is_ended_during_a_submission_finishes_it_and_ends(server: Server, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "work.ipynb").write_text(json.dumps(NOTEBOOK))
    (root / "data").mkdir()
    for number in range(50):  # so that it takes a while
        (root / "data" / str(number)).write_bytes(os.urandom(100_000))
    assert server.process is not None
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(
            server.submit, "survival-2", name="work", notebook="work.ipynb", files=["data"], mlflow=False
        )
        # Said as the contents manager reads it, which is the beginning.
        wait_for(lambda: "work.ipynb is not trusted" in (tmp_path / "home" / "server.log").read_text())
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
        answer = submitting.result()
    assert answer.status_code == 201, answer.text
    server.start()
    assert server.job(answer.json()["id"])["name"] == "work"
