"""Working under the Role that `mlk render rbac` prints, and under one that lacks a verb."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from faultjobs import (
    NAMESPACE,
    SHORT,
    Gates,
    at_work,
    backend_at,
    ended,
    files_of,
    spec_of,
    submit,
    team,
    until,
)
from kube import names
from kube.cluster import JOB_SET_CRDS, FakeCluster

from mlk_jupyter.backends.kubernetes.rights import rbac
from mlk_jupyter.bundle import build
from mlk_jupyter.errors import MlkError
from mlk_jupyter.model import Phase
from mlk_jupyter.model.api import WatchState

Notebook = Callable[..., dict[str, Any]]
PLACES = {"Role": names.ROLES, "RoleBinding": names.ROLE_BINDINGS}
TABLE = [rule for rule in rbac.rules(["job", "jobset"], queues=False, cluster_wide=False)]
VERBS = sorted({(rule.full_name, verb) for rule in TABLE for verb in rule.verbs})


def grant(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, *, without: tuple[str, str] | None = None) -> None:
    """Applies the printed Role for the user `ada`, and becomes that user."""
    cluster.add_user("ada")
    for document in yaml.safe_load_all(rbac.render(NAMESPACE, "ada", service_account=False)):
        if without is not None and document["kind"] == "Role":
            document["rules"] = list(less(document["rules"], *without))
        cluster.create(PLACES[document["kind"]], document)
    monkeypatch.setenv("KUBECONFIG", str(cluster.write_kubeconfig("ada", namespace=NAMESPACE)))


def less(rules: list[dict[str, Any]], resource: str, verb: str) -> Iterator[dict[str, Any]]:
    """The rules without one verb on one resource."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for plural in rule["resources"]:
                base, _, part = plural.partition("/")
                full = (f"{base}.{group}" if group else base) + (f"/{part}" if part else "")
                verbs = [each for each in rule["verbs"] if (full, each) != (resource, verb)]
                if verbs:
                    yield {"apiGroups": [group], "resources": [plural], "verbs": verbs}


def refusals(cluster: FakeCluster) -> Counter[tuple[str, ...]]:
    """How often each request was refused: verb, resource and what else tells who asked for what."""
    refused = (seen for seen in cluster.requests if seen.status == 403)
    return Counter((seen.verb, seen.resource, seen.namespace, seen.name, seen.user) for seen in refused)


def objects_left(cluster: FakeCluster) -> list[str]:
    kinds = (names.JOBS, names.PODS, names.CONFIG_MAPS, names.SERVICES, "networkpolicies.networking.k8s.io")
    return [
        one["metadata"]["name"]
        for kind in kinds
        for one in cluster.store.peek_all(kind, NAMESPACE)
        if "mlk-jupyter.io/job" in (one["metadata"].get("labels") or {})
    ]


@pytest.mark.parametrize("crds", [(), JOB_SET_CRDS], ids=["plain", "JobSet"])
def test_all_that_is_done_in_a_jobs_life_is_allowed_by_the_printed_role(
    crds: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
    tmp_path: Path,
    make_notebook: Notebook,
) -> None:
    gates = Gates(tmp_path)

    async def story(cluster: FakeCluster) -> None:
        left = {"name": "lost-0123456789-bundle", "labels": {}}
        backend = backend_at(tmp_path / "here", timing=dataclasses.replace(SHORT, young_s=-60.0))
        async with at_work(backend):
            assert all(
                right.allowed
                for right in (await backend.info()).rights
                if right.code not in ("nodes", "gpus", "priorities")
            )
            whole = spec_of(
                "whole", workers=2, network={"allow": ["10.0.0.0/8:443"]}, env_from=[{"config_map": "settings"}]
            )
            notebook = make_notebook("print('hello')")
            found = await backend.preflight(whole, build(notebook, whole, None, byte_code=False))
            assert found.ok, found
            first = await submit(backend, notebook, whole, "whole")
            backend.look(first.id, 1)
            status = await ended(backend, first.id)
            assert status.phase is Phase.SUCCEEDED
            assert b"hello" in files_of(backend.folder(first.id))["executed.ipynb"]
            await backend.delete(first.id)
            again = await submit(backend, make_notebook(gates.code("again")), spec_of("again", retries=1), "again")
            await gates.reached("again")
            (pod,) = [one for one in cluster.store.peek_all(names.PODS, NAMESPACE) if one["spec"].get("nodeName")]
            cluster.levers.preempt(pod)
            uid = pod["metadata"]["uid"]

            def pods() -> set[str]:
                return {one["metadata"]["uid"] for one in cluster.store.peek_all(names.PODS, NAMESPACE)}

            await until(lambda: uid not in pods(), "the end of the preempted pod")  # else it may still succeed
            gates.open("again")
            status = await ended(backend, again.id)
            assert status.phase is Phase.SUCCEEDED and status.attempt == 2, status
            await backend.delete(again.id)
            long = await submit(backend, make_notebook("print('on')", gates.code("never")), spec_of("long"), "long")
            await gates.reached("never")
            await backend.stop(long.id)
            status = await ended(backend, long.id)
            assert status.phase is Phase.STOPPED
            await backend.delete(long.id)
            left["labels"] = dict(labels_of_ours)
            cluster.create(names.CONFIG_MAPS, {"metadata": left}, NAMESPACE)
            assert [one.name for one in await backend.remove_orphans()] == [left["name"]]
            assert await backend.orphans() == []
        await until(lambda: not objects_left(cluster), "an empty namespace")

    from mlk_jupyter.backends.kubernetes import labels

    labels_of_ours = {
        labels.MANAGED_BY: labels.OURS,
        labels.JOB: "lost-0123456789",
        labels.USER: labels.user_label("ada"),
    }
    with team(monkeypatch, crds=crds) as cluster:
        cluster.create(names.CONFIG_MAPS, {"metadata": {"name": "settings"}, "data": {"A": "1"}}, NAMESPACE)
        grant(cluster, monkeypatch)
        asyncio.run(story(cluster))
        assert refusals(cluster) == {}
        asked = {(seen.resource, seen.verb) for seen in cluster.requests}
        assert {("pods/log", "get"), ("jobs.batch", "patch"), ("configmaps", "list")} <= asked
        assert {seen.user for seen in cluster.requests} == {"ada"}
        assert not any("secrets" in resource for resource, _ in asked)


@pytest.mark.parametrize(("resource", "verb"), VERBS, ids=[f"{verb} {resource}" for resource, verb in VERBS])
def test_without_one_verb_what_is_missing_is_named_and_not_asked_for_again_and_again(
    resource: str,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
    tmp_path: Path,
    make_notebook: Notebook,
) -> None:

    async def story(cluster: FakeCluster) -> None:
        backend = backend_at(tmp_path / "here")
        notebook = make_notebook("1 + 1")
        spec = spec_of(network={"allow": []})
        async with at_work(backend):
            info = await backend.info()
            lacking = [right for right in info.rights if f"{verb} {resource}" in right.missing]
            assert all(right.allowed is False for right in lacking), info.rights
            assert bool(lacking) == ("JobSet" in info.kinds), "without all rights to JobSets, Jobs take their place"
            plural = resource.partition("/")[0].partition(".")[0]
            for right in lacking:
                lines = [yaml.safe_load(line) for line in (right.hint or "").splitlines()[1:]]
                assert any(plural in rule["resources"][0] and verb in rule["verbs"] for (rule,) in lines), right.hint
            found = await backend.preflight(spec, build(notebook, spec, None, byte_code=False))
            needed = {right.code for right in lacking} & {"submit", "network"}
            assert found.ok == (not needed), found.findings
            job_id = None
            with contextlib.suppress(MlkError):
                job_id = (await submit(backend, notebook, spec)).id
            assert (job_id is None) == bool(needed)
            for call in (backend.jobs, backend.orphans, backend.remove_orphans, backend.info):
                with contextlib.suppress(MlkError):
                    await call()
            if job_id is not None:
                for change in (backend.stop, backend.delete):
                    with contextlib.suppress(MlkError):
                        await change(job_id)
            link, why = backend._controller.state
            if verb in ("list", "watch") and resource in ("jobs.batch", "pods"):
                await until(lambda: backend._controller.state[0] is WatchState.REFUSED, "a refused link")
            else:
                assert link is WatchState.LIVE, why

    with team(monkeypatch, controllers=False, crds=JOB_SET_CRDS) as cluster:
        grant(cluster, monkeypatch, without=(resource, verb))
        asyncio.run(story(cluster))
        # Each call of a person may be refused once, and what runs by itself asks once.
        assert all(count <= 6 for count in refusals(cluster).values()), refusals(cluster)
        refused = refusals(cluster)
        assert {(one[1], one[0]) for one in refused} <= {(resource, verb)}, refused


def test_without_the_right_to_read_logs_a_job_ends_well_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path, tmp_path: Path, make_notebook: Notebook
) -> None:

    async def story() -> None:
        backend = backend_at(
            tmp_path / "here",
            timing=dataclasses.replace(SHORT, recording=dataclasses.replace(SHORT.recording, last_logs_s=1.0)),
        )
        async with at_work(backend):
            job_id = (await submit(backend, make_notebook("1 + 1"), spec_of())).id
            status = await ended(backend, job_id)
            assert status.phase is Phase.SUCCEEDED
            (said,) = [text for text in status.notices if "may not be read" in text]
            assert "pods/log" in said

    with team(monkeypatch) as cluster:
        grant(cluster, monkeypatch, without=("pods/log", "get"))
        asyncio.run(story())
        assert all(count <= 2 for count in refusals(cluster).values()), refusals(cluster)
