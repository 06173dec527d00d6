"""Clusters for the tests of Kubernetes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiclient import Api, of_kubeconfig
from authority import Authority, authority_in
from clusterjobs import Desk
from kube.cluster import JOB_SET_CRDS, FakeCluster
from kubeobjects import CORE
from realserver import at_hand, real_api
from recordedscene import Scene, bundle


@pytest.fixture
def fake_api() -> Iterator[FakeCluster]:
    """An API server in which nothing runs."""
    with FakeCluster(controllers=False, crds=JOB_SET_CRDS) as cluster:
        yield cluster
        assert cluster.rest.failures == []


@pytest.fixture
def kube_cluster() -> Iterator[FakeCluster]:
    """A cluster of two nodes with four GPUs each, in which Jobs and JobSets run (images `local/…`)."""
    nodes = [{"name": name, "gpus": 4} for name in ("node-a", "node-b")]
    with FakeCluster(crds=JOB_SET_CRDS, nodes=nodes) as cluster:
        yield cluster
        assert cluster.controllers is not None
        assert [*cluster.controllers.failures, *cluster.rest.failures] == []


@pytest.fixture
def plain_cluster() -> Iterator[FakeCluster]:
    """The same without JobSets."""
    with FakeCluster(nodes=[{"name": name, "gpus": 4} for name in ("node-a", "node-b")]) as cluster:
        yield cluster
        assert cluster.controllers is not None
        assert cluster.controllers.failures == []


@pytest.fixture
def sit(
    request: pytest.FixtureRequest,
    data_dir: Path,
    make_notebook: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Desk]]:
    """Makes desks at the test's cluster. They share a data directory unless told otherwise."""
    plain = "plain_cluster" in request.fixturenames
    cluster: FakeCluster = request.getfixturevalue("plain_cluster" if plain else "kube_cluster")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    for name in ("MLK_NAMESPACE", "MLK_CONTEXT", "MLK_BACKEND", "MLK_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    desks: list[Desk] = []

    def make(root: Path = data_dir, **more: Any) -> Desk:
        desks.append(Desk(cluster, root, make_notebook, **more))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(sit: Callable[..., Desk]) -> Desk:
    """One at which somebody looks at the list of jobs."""
    return sit()


@pytest.fixture(scope="module", params=["fake", "real"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """An administrator at one server or the other."""
    if request.param == "real":
        if not at_hand():
            pytest.skip("needs a real cluster: an API server (KUBEBUILDER_ASSETS, MLK_TEST_KUBECONFIG)")
        with real_api() as found:
            yield found
        return
    with FakeCluster(controllers=False, nodes=()) as cluster:
        found = of_kubeconfig(cluster.kubeconfig)
        yield found
        found.close()


@pytest.fixture
def ns(api: Api) -> Iterator[str]:
    """A namespace of this test's own, with the default service account."""
    name = f"conformance-{uuid.uuid4().hex[:8]}"
    api.create(f"{CORE}/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.create(f"{CORE}/namespaces/{name}/serviceaccounts", account)  # made already where controllers run
    yield name
    api.call("DELETE", f"{CORE}/namespaces/{name}")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority of this test's own."""
    return authority_in(tmp_path)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster and no proxy of this machine's own gets in."""
    for name in ("KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "MLK_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


@pytest.fixture
def scene(tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]) -> Callable[..., Scene]:
    """Makes jobs that are recorded, each in a folder of its own."""
    made = iter(range(1000))
    return lambda asked=None: Scene(tmp_path / str(next(made)), bundle(make_notebook), asked)
