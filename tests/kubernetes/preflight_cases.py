"""Jobs and clusters for the preflight's tests: roomy ones, to be spoilt a little in each test."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from kube.limits import complete

from mlk_jupyter.backends.kubernetes.kinds.registry import kind_of, kinds
from mlk_jupyter.backends.kubernetes.manifests.render_context import RenderContext
from mlk_jupyter.backends.kubernetes.preflight.cluster_facts import ClusterFacts, Outcome
from mlk_jupyter.backends.kubernetes.preflight.verdict import preflight
from mlk_jupyter.backends.kubernetes.rights.discovery import Served
from mlk_jupyter.bundle import Bundle
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Finding, Preflight

IMAGE = "registry.example/torch:2.9"
SERVED = Served("v1.36.0", kinds=("job", "jobset"), kueue="v1beta2", workload_priorities=True)
GPU = "nvidia.com/gpu"


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


BUNDLE = Bundle(data=archive({"job/notebook.ipynb": b"{}"}), notebook={}, directory=None)


def job(cluster: dict[str, Any] | None = None, **spec: Any) -> JobSpec:
    options = {"image": IMAGE, **(cluster or {})}
    return JobSpec.model_validate({"name": "digits", "notebook": "digits.ipynb", "cluster": options, **spec})


def manifests(spec: JobSpec, kind: str = "job", mlflow: dict[str, str] | None = None) -> list[dict[str, Any]]:
    if spec.cluster.image is None:
        return []
    asked = RenderContext(
        id="digits-0123456789",
        spec=spec,
        bundle=BUNDLE.data,
        namespace="team-a",
        user="ada",
        request_id="12345678",
        nonce="n" * 16,
        image=spec.cluster.image,
        mlflow=mlflow or {},
    )
    return kinds()[kind].manifests(asked)


def facts(**known: Any) -> ClusterFacts:
    """A roomy cluster where everything that is referred to exists, but for what a test says otherwise."""
    empty: dict[str, Any] = {"quotas": [], "limit_ranges": [], "claims": [], "pods": [], "all_pods": [], "queues": []}
    return ClusterFacts(
        "team-a", **{**empty, "served": SERVED, "nodes": [node("big", cpu="512", memory="4Ti", gpus=8)], **known}
    )


def look(
    spec: JobSpec,
    known: ClusterFacts | None = None,
    *,
    bundle: Bundle = BUNDLE,
    kind: str = "job",
    mlflow: dict[str, str] | None = None,
    dry_run: Any = (),
) -> Preflight:
    return preflight(spec, bundle, known or facts(), manifests(spec, kind, mlflow), dry_run)


def found(spec: JobSpec, known: ClusterFacts | None = None, **more: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in look(spec, known, **more).findings}


def node(name: str, *, cpu: str = "16", memory: str = "64Gi", gpus: int = 0, **more: Any) -> dict[str, Any]:
    allocatable = {
        "cpu": cpu,
        "memory": memory,
        "pods": "110",
        **({GPU: str(gpus)} if gpus else {}),
        **more.pop("has", {}),
    }
    return {
        "metadata": {"name": name, "labels": more.pop("labels", {})},
        "spec": more,
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(name: str, on: str, *, cpu: str = "1", gpus: int = 0, claim: str | None = None) -> dict[str, Any]:
    requests = {"cpu": cpu, **({GPU: str(gpus)} if gpus else {})}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    return {
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"nodeName": on, "containers": [{"resources": {"requests": requests}}], "volumes": volumes},
        "status": {"phase": "Running"},
    }


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    status = {"hard": hard, "used": used or dict.fromkeys(hard, "0")}
    return {"metadata": {"name": "team-quota"}, "spec": {"hard": hard, **spec}, "status": status}


def limit_range(**item: Any) -> dict[str, Any]:
    made = {"type": "Container", **item}
    complete(made)
    return {"metadata": {"name": "limits"}, "spec": {"limits": [made]}}


def tried(spec: JobSpec, **resources: dict[str, str]) -> Outcome:
    """A dry run of the worker's pod that the cluster let pass, with `requests` and `limits` that it added."""
    owner = manifests(spec)[0]
    made = kind_of(owner).pod_template(owner)
    for part, amounts in resources.items():
        for container in made["spec"]["containers"]:
            container["resources"][part] = {**amounts, **container["resources"].get(part, {})}
    return Outcome("Pod", "digits", object=made)


def claim(name: str, *modes: str, phase: str = "Bound") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": list(modes)},
        "status": {"phase": phase, "accessModes": list(modes)},
    }


def queue(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": more.pop("spec", {}), "status": more}
