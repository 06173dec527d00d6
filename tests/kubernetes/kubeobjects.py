"""Small objects as a person would post them, and the paths they are posted to."""

from __future__ import annotations

from typing import Any

from apiclient import Object

CORE, BATCH = "/api/v1", "/apis/batch/v1"


def config_map(name: str, labels: dict[str, str] | None = None, **more: Any) -> Object:
    meta = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **more}


def pod(name: str = "p", limits: Object | None = None, requests: Object | None = None, **spec: Any) -> Object:
    amounts = {**({"limits": limits} if limits else {}), **({"requests": requests} if requests else {})}
    container = {"name": "a", "image": "example.org/a:1", "resources": amounts}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [container], "automountServiceAccountToken": False, **spec}}  # fmt: skip


def job(name: str = "j", *, template: Object | None = None, **spec: Any) -> Object:
    inner = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "example.org/a:1"}], **(template or {})}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "completions": 2, "parallelism": 2, "completionMode": "Indexed", "suspend": True,
        "template": {"spec": inner}, **spec}}  # fmt: skip


def maps(ns: str) -> str:
    return f"{CORE}/namespaces/{ns}/configmaps"


def pods(ns: str) -> str:
    return f"{CORE}/namespaces/{ns}/pods"


def jobs(ns: str) -> str:
    return f"{BATCH}/namespaces/{ns}/jobs"
