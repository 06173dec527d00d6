"""Secrets that lie in the cluster, in the login and in a job's variables: where they may be read, and where not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faultjobs import NAMESPACE, at_work, backend_at, ended, spec_of, submit, team, until, until_awaited
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.base import Refused
from mlk_jupyter.bundle import build
from mlk_jupyter.errors import MlkError
from mlk_jupyter.model import Phase

Notebook = Callable[..., dict[str, Any]]
HELD = "canary-in-a-secret-7f3a91"
LITERAL = "canary-in-a-variable-51c9"
BEARER = "eyJhbGciOiJSUzI1NiJ9.canaryInAnEvent.c2lnbmF0dXJl"
REFUSALS = {
    "Go's print of the pod": (
        'Job.batch "digits" is invalid: spec.template: Invalid value: core.PodTemplateSpec{Spec:core.PodSpec{'
        'Containers:[]core.Container{core.Container{Name:"worker", Env:[]core.EnvVar{core.EnvVar{Name:"SETTING", '
        'Value:"%s"}}}}}}: field is immutable'
    ),
    "the value of one field": 'Job.batch "digits" is invalid: spec.template.spec.containers[0].env[3].value: "%s": bad',
    "a decoder's context": (
        "Job in version v1 cannot be handled as a Job: json: cannot unmarshal number into Go struct field EnvVar.value "
        'of type string, error found in #10 byte of ...|"SETTING","value":"%s"},{"name|..., bigger context ...|{}|...'
    ),
    "JSON in a webhook's words": (
        'admission webhook "policy.example" denied the request: not allowed: {"env":[{"name":"SETTING","value":"%s"}]}'
    ),
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[FakeCluster]:
    with team(monkeypatch) as found:
        secret = {"metadata": {"name": "login"}, "stringData": {"LOGIN": HELD}}
        found.create(names.SECRETS, secret, NAMESPACE)
        yield found


def canaries(cluster: FakeCluster) -> list[str]:
    """What must stand nowhere."""
    return [HELD, cluster.token("admin"), BEARER]


def written(root: Path) -> str:
    """All that is in the files below a folder."""
    return "".join(file.read_bytes().decode("latin-1") for file in root.rglob("*") if file.is_file())


def test_no_secret_and_no_token_gets_out_of_the_cluster_or_into_a_log(
    cluster: FakeCluster, tmp_path: Path, make_notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    notebook = make_notebook("import os\nprint(len(os.environ['LOGIN']), len(os.environ['SETTING']))")

    async def story() -> None:
        backend = backend_at(tmp_path / "here")
        spec = spec_of(env={"SETTING": LITERAL}, env_from=[{"secret": "login"}])

        async def look() -> None:
            async for changes in backend.watch():  # what the websocket sends
                said.extend(job.model_dump_json() for job in changes.changed)

        viewer = asyncio.create_task(look())
        async with at_work(backend):
            bundle = build(notebook, spec, None, byte_code=False)
            said.append(await backend.render(spec, bundle) or "")
            said.append((await backend.preflight(spec, bundle)).model_dump_json())
            job_id = (await submit(backend, notebook, spec)).id
            cluster.cut()
            assert (await ended(backend, job_id)).phase is Phase.SUCCEEDED
            said.append((await backend.job(job_id)).model_dump_json())
            said.append((await backend.info()).model_dump_json())
            cluster.revoke_token("admin")
            cluster.cut()
            await until(lambda: backend._controller.state[0] == "refused", "a refused login")
            said.extend(str(part) for part in backend._controller.state)
            with pytest.raises(MlkError) as refused:
                await submit(backend, notebook, spec, "another")
            said.append(str(refused.value) + refused.value.hint)
        viewer.cancel()
        await asyncio.wait({viewer})
        assert f"{len(HELD)} {len(LITERAL)}" in written(tmp_path / "here")

    asyncio.run(story())
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    for canary in canaries(cluster):
        assert canary not in "".join(said), "shown"
        assert canary not in written(tmp_path / "here"), "written down"
        assert canary not in logged, "logged"
    assert LITERAL not in logged
    assert not any(seen.resource == "secrets" for seen in cluster.requests)


@pytest.mark.parametrize("message", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("in_dry_run", [True, False], ids=["at its dry run", "at its creation"])
def test_a_refusal_that_echoes_the_job_does_not_repeat_its_variables(
    in_dry_run: bool,
    message: str,
    cluster: FakeCluster,
    tmp_path: Path,
    make_notebook: Notebook,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    notebook = make_notebook("1 + 1")

    async def story() -> str:
        backend = backend_at(tmp_path / "here")
        path = "/jobs[?].*dryRun" if in_dry_run else "/jobs[?](?!.*dryRun)"
        try:
            with cluster.fault("error", status=422, message=message % LITERAL, methods=("POST",), path=path) as fault:
                with pytest.raises(MlkError) as refused:
                    await submit(backend, notebook, spec_of(env={"SETTING": LITERAL}))
                assert fault.met
        finally:
            await backend.close()
        error = refused.value
        findings = error.preflight.model_dump_json() if isinstance(error, Refused) else ""
        return f"{error} {error!r} {error.detail} {error.hint} {findings}"

    text = asyncio.run(story())
    assert LITERAL not in text
    assert LITERAL not in caplog.text


def test_a_token_in_an_event_is_not_repeated_in_a_reason(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path, tmp_path: Path, make_notebook: Notebook
) -> None:
    said: list[str] = []

    async def story(cluster: FakeCluster) -> None:
        backend = backend_at(tmp_path / "here")
        async with at_work(backend):
            status = await submit(backend, make_notebook("1"), spec_of())
            (job,) = cluster.store.peek_all(names.JOBS, NAMESPACE)
            about = {"kind": "Job", "name": status.id, "namespace": NAMESPACE, "uid": job["metadata"]["uid"]}
            event = {
                "metadata": {"name": f"{status.id}.1"},
                "involvedObject": {**about, "apiVersion": "batch/v1"},
                "type": "Warning",
                "reason": "FailedCreate",
                "message": f"Error creating: Post https://10.0.0.1: Authorization: Bearer {BEARER} was refused",
            }
            cluster.create(names.EVENTS, event, NAMESPACE)

            async def words() -> str | None:
                found = (await backend.job(status.id)).model_dump_json()
                return found if "was refused" in found else None

            said.append(await until_awaited(words, "the event's words"))
            said.extend(job.model_dump_json() for job in await backend.jobs())

    with team(monkeypatch, controllers=False) as cluster:
        asyncio.run(story(cluster))
    assert BEARER not in "".join(said)
    assert BEARER not in written(tmp_path / "here")
