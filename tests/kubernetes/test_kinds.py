"""Kinds of job: which there are, which one a job is to be, and that another package adds one by a file and a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusterjobs import FOREVER, IMAGE, NAMESPACE, Desk, held, pods_of
from kube import names
from kube.cluster import FakeCluster
from submission import spec
from toycontroller import DEFINITION, TOYS, ToyController

from mlk_jupyter.backends.base import Refused
from mlk_jupyter.backends.kubernetes.kinds.registry import BUILT_IN, ENTRY_POINTS, KindUnavailable, choose, kinds
from mlk_jupyter.backends.kubernetes.rights import rbac
from mlk_jupyter.model import Phase

MLK = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())"]
TOY = {"kind": "ToyJob"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Installs a package whose metadata hold one row among the kinds of job; gives where it lies."""

    def add(row: str) -> Path:
        folder = tmp_path / "site"
        metadata = folder / "toys-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{row}\n")
        monkeypatch.syspath_prepend(folder)
        kinds.cache_clear()
        return folder

    yield add
    kinds.cache_clear()


@pytest.fixture
def toys(install: Callable[[str], Path], kube_cluster: FakeCluster) -> FakeCluster:
    """A cluster that runs ToyJobs, and a package here that knows them."""
    install("toyjob = toyjob:ToyJob")
    kube_cluster.create(names.CRDS, DEFINITION)
    controllers = kube_cluster.controllers
    assert controllers is not None
    kube_cluster.do(lambda: controllers.add(ToyController(controllers.world)))
    return kube_cluster


def test_what_fits_best_is_taken_of_what_is_served_and_what_is_named_of_all() -> None:
    both = ("job", "jobset")
    assert choose(spec(), both).name == "job"
    assert choose(spec(cluster={"retries": 1}), both).name == "jobset"
    assert choose(spec(cluster={"retries": 1}), BUILT_IN).name == "job"
    assert choose(spec(cluster={"kind": "JobSet"}), both).name == "jobset"


@pytest.mark.parametrize(
    ("kind", "words"), [("jobset", "The cluster serves no JobSets"), ("yacht", "no kind of job called yacht")]
)
def test_a_kind_that_cannot_be_had_is_refused_in_words(kind: str, words: str) -> None:
    with pytest.raises(KindUnavailable, match=words) as refused:
        choose(spec(cluster={"kind": kind}), ["job"])
    assert "Choose job" in refused.value.hint


@pytest.mark.parametrize("row", ["odd = nowhere:Kind", "odd = json:JSONDecoder", "job = toyjob:nothing"])
def test_a_kind_that_cannot_be_loaded_is_left_out_and_said(
    install: Callable[[str], Path], caplog: pytest.LogCaptureFixture, row: str
) -> None:
    install(row)
    assert list(kinds()) == ["job", "jobset"]
    assert row.partition(" ")[0] in caplog.text and "left out" in caplog.text


def test_a_kind_of_another_package_runs_to_its_end_and_is_deleted(toys: FakeCluster, sit: Callable[..., Desk]) -> None:
    desk = sit()
    assert "ToyJob" in desk.do(desk.backend.info()).kinds
    asked, bundle = desk.bundle("import os\nprint('rank', os.environ['RANK'])", workers=2, options=TOY)
    found = desk.do(desk.backend.preflight(asked, bundle))
    assert found.ok and ("Kind", "ToyJob") in [(use.label, use.text) for use in found.uses]
    job = desk.submit("import os\nprint('rank', os.environ['RANK'])", workers=2, options=TOY)
    desk.look_at(job, 1)
    status = desk.until_over(job)
    assert status.phase is Phase.SUCCEEDED, status
    assert [step.phase for step in status.timeline][-2:] == [Phase.RUNNING, Phase.SUCCEEDED]
    assert desk.outputs(job) == ["rank 0\n"] and b"rank 1" in desk.folder(job).read_log(1, 0, 1000)[0]
    assert [one["metadata"]["name"] for one in held(toys, TOYS)] == [job] and held(toys, names.JOBS) == []
    assert [one["metadata"]["name"] for one in pods_of(toys, job)] == [f"{job}-toy-0", f"{job}-toy-1"]
    desk.delete(job)
    assert held(toys) == held(toys, TOYS) == []


def test_it_is_stopped_where_it_says_how_and_says_itself_that_it_failed(
    toys: FakeCluster, sit: Callable[..., Desk]
) -> None:
    desk = sit()
    job = desk.submit(FOREVER, options=TOY)
    desk.until_running(job)
    desk.stop(job)
    assert desk.until_over(job).phase is Phase.STOPPED
    assert toys.store.get(TOYS, NAMESPACE, job)["spec"]["runPolicy"] == {"suspend": True}
    broken = desk.until_over(desk.submit("1 / 0", options=TOY))
    assert broken.phase is Phase.FAILED and "ZeroDivisionError" in (broken.error or "")


def test_all_ranks_of_it_are_started_again_from_here(toys: FakeCluster, sit: Callable[..., Desk]) -> None:
    desk = sit()
    job = desk.submit(FOREVER, options={**TOY, "retries": 1})
    desk.until_running(job)
    (pod,) = pods_of(toys, job)
    toys.levers.evict(pod, "TerminationByKubelet")
    status = desk.until(job, lambda status: status.attempt == 2 and status.phase is Phase.RUNNING)
    assert [one.reason.code for one in status.attempts] == ["evicted_disk"]
    assert [one["metadata"]["name"] for one in held(toys, TOYS)] == [job, f"{job}-r2"]
    desk.delete(job)
    assert held(toys) == held(toys, TOYS) == []


def test_rights_to_it_are_in_the_role_and_without_them_it_is_refused(
    toys: FakeCluster, sit: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    (role,) = [one for one in yaml.safe_load_all(rbac.render(NAMESPACE, "ada")) if one["kind"] == "Role"]
    theirs = [rule for rule in role["rules"] if rule["apiGroups"] == ["toys.example.org"]]
    assert {verb for rule in theirs for verb in rule["verbs"]} == {"create", "delete", "get", "list", "patch", "watch"}
    others = [rule for rule in role["rules"] if rule not in theirs]
    toys.add_user("ada", namespace=NAMESPACE, rules=others)
    monkeypatch.setenv("KUBECONFIG", str(toys.write_kubeconfig("ada")))
    desk = sit(watching=False)
    assert "ToyJob" not in desk.do(desk.backend.info()).kinds
    with pytest.raises(Refused, match="you may not create them"):
        desk.submit("1", options=TOY)
    assert held(toys) == held(toys, TOYS) == []


def test_it_is_rendered_without_a_cluster(
    install: Callable[[str], Path], tmp_path: Path, make_notebook: Callable[..., Any]
) -> None:
    path = os.pathsep.join([str(install("toyjob = toyjob:ToyJob")), str(Path(__file__).parent), *sys.path])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLK_", "KUBE"))}
    (tmp_path / "work.ipynb").write_text(json.dumps(make_notebook("1")))
    done = subprocess.run(
        [*MLK, "render", "work.ipynb", "--kind", "toyjob", "--image", IMAGE, "--no-mlflow"],
        env={**kept, "PYTHONPATH": path, "HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one["kind"] for one in yaml.safe_load_all(done.stdout)] == ["ToyJob", "ConfigMap"]
