"""What the API server adds to objects of its own kinds when it reads them."""

from __future__ import annotations

import base64
import random
from typing import Any

from . import limits, names, schema
from .kinds import Kind
from .store import Object

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
JOB_LABELS = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")


def apply(kind: Kind, new: Object) -> None:
    """Fill in what is left out."""
    if kind.custom:
        schema.with_defaults(new, kind.schema)
        if kind.resource == names.JOB_SETS:
            _job_set(new["spec"])
        return
    spec = new.setdefault("spec", {}) if kind.resource in _BY_RESOURCE and "spec" in kind.schema["properties"] else {}
    fill = _BY_RESOURCE.get(kind.resource)
    if fill:
        fill(new, spec)


def of_new(kind: Kind, new: Object) -> None:
    """What only a new object gets: its first status, its selector, its address."""
    meta = new["metadata"]
    if kind.resource == names.PODS:
        new["status"] = {"phase": "Pending", "qosClass": qos_class(new["spec"])}
    elif kind.resource == names.JOBS:
        new["status"] = {}
        if not new["spec"].get("manualSelector"):
            labels = dict(zip(JOB_LABELS, (meta["uid"], meta["name"]) * 2, strict=True))
            template = new["spec"].setdefault("template", {}).setdefault("metadata", {})
            template["labels"] = {**(template.get("labels") or {}), **labels}
            new["spec"]["selector"] = {"matchLabels": {JOB_LABELS[0]: meta["uid"]}}
            if not meta.get("labels"):
                meta["labels"] = dict(template["labels"])
    elif kind.resource == names.NAMESPACES:
        new["spec"] = {"finalizers": ["kubernetes"]}
        new["status"] = {"phase": "Active"}
    elif kind.resource == names.CLAIMS:
        new["status"] = {"phase": "Pending"}
        meta["finalizers"] = [*(meta.get("finalizers") or []), "kubernetes.io/pvc-protection"]
    elif kind.resource == names.SERVICES:
        new["status"] = {"loadBalancer": {}}
        if not new["spec"].get("clusterIP") and new["spec"]["type"] != "ExternalName":
            new["spec"]["clusterIP"] = f"10.96.{random.randrange(256)}.{random.randrange(1, 255)}"
        if new["spec"].get("clusterIP"):
            new["spec"]["clusterIPs"] = [new["spec"]["clusterIP"]]
    elif kind.resource == names.QUOTAS:
        new["status"] = {}


def keep_assigned(kind: Kind, new: Object, old: Object) -> None:
    """What an update that leaves it out keeps, because the server had chosen it."""
    spec, before = new.get("spec"), old.get("spec")
    if not isinstance(spec, dict) or not isinstance(before, dict):
        return
    if kind.resource == names.SERVICES:
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if field in before:
                spec.setdefault(field, before[field])
    if kind.resource == names.JOBS and "selector" in before:
        spec.setdefault("selector", before["selector"])


def qos_class(spec: Object) -> str:
    """By what the containers request and are limited to of processors and memory; GPUs do not count."""
    containers = [*spec.get("containers", []), *(spec.get("initContainers") or [])]
    guaranteed, any_asked = True, False
    for each in (container.get("resources") or {} for container in containers):
        limits, requests = each.get("limits") or {}, each.get("requests") or {}
        for name in ("cpu", "memory"):
            any_asked |= name in limits or name in requests
            guaranteed &= name in limits and requests.get(name, limits[name]) == limits[name]
    return "BestEffort" if not any_asked else "Guaranteed" if guaranteed else "Burstable"


def pod_spec(spec: Object) -> None:
    """Of pods and of templates of pods."""
    for field, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("securityContext", {}),
        ("schedulerName", "default-scheduler"),
    ):
        spec.setdefault(field, value)
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in [*spec.get("containers", []), *(spec.get("initContainers") or [])]:
        _container(container)
    for volume in spec.get("volumes") or []:
        _volume(volume)


def _container(container: Object) -> None:
    tag = str(container.get("image", "")).rsplit("/", 1)[-1].partition(":")[2]
    digest = "@" in str(container.get("image", ""))
    latest = tag in ("", "latest") and not digest
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        source = (variable.get("valueFrom") or {}).get("fieldRef")
        if source:
            source.setdefault("apiVersion", "v1")
        amount = (variable.get("valueFrom") or {}).get("resourceFieldRef")
        if amount:
            amount.setdefault("divisor", "0")


def _volume(volume: Object) -> None:
    sources = [name for name in volume if name != "name"]
    if not sources:
        volume["emptyDir"] = {}
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(name), dict):
            volume[name].setdefault("defaultMode", 420)


def _pod(new: Object, spec: Object) -> None:
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in [*spec.get("containers", []), *(spec.get("initContainers") or [])]:
        for name, amount in (container["resources"].get("limits") or {}).items():
            container["resources"].setdefault("requests", {}).setdefault(name, amount)


def _job(new: Object, spec: Object) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2147483647 if spec.get("backoffLimitPerIndex") is not None else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    template = spec.setdefault("template", {})
    pod_spec(template.setdefault("spec", {}))
    template.setdefault("metadata", {})
    if not new["metadata"].get("labels") and template["metadata"].get("labels"):
        new["metadata"]["labels"] = dict(template["metadata"]["labels"])


def _job_set(spec: Object) -> None:
    """What JobSet's own webhook fills in."""
    spec.setdefault("successPolicy", {}).setdefault("operator", "All")
    network = spec.setdefault("network", {})
    network.setdefault("enableDNSHostnames", True)
    network.setdefault("publishNotReadyAddresses", True)
    for replicated in spec.get("replicatedJobs") or []:
        replicated.setdefault("groupName", "default")
        job = replicated["template"].setdefault("spec", {})
        job.setdefault("completionMode", "Indexed")
        job["template"].setdefault("spec", {}).setdefault("restartPolicy", "OnFailure")


def _service(new: Object, spec: Object) -> None:
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _policy(new: Object, spec: Object) -> None:
    spec.setdefault("policyTypes", ["Ingress", *(["Egress"] if spec.get("egress") else [])])
    spec.setdefault("podSelector", {})


def _secret(new: Object, spec: Object) -> None:
    new.setdefault("type", "Opaque")
    for name, text in (new.pop("stringData", None) or {}).items():
        new.setdefault("data", {})[name] = base64.b64encode(text.encode()).decode()


def _claim(new: Object, spec: Object) -> None:
    spec.setdefault("volumeMode", "Filesystem")


def _namespace(new: Object, spec: Object) -> None:
    labels: dict[str, Any] = new["metadata"].get("labels") or {}
    new["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": new["metadata"].get("name", "")}


def _limit_range(_: Object, spec: Object) -> None:
    for item in spec.get("limits") or []:
        limits.complete(item)


_BY_RESOURCE = {
    names.PODS: _pod,
    names.JOBS: _job,
    names.SERVICES: _service,
    names.SECRETS: _secret,
    names.CLAIMS: _claim,
    names.NAMESPACES: _namespace,
    names.LIMIT_RANGES: _limit_range,
    "networkpolicies.networking.k8s.io": _policy,
}
