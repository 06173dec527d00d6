"""Recorded watch streams of real runs on Kubernetes 1.36, as the objects of one job after each event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube import recordings

from mlk_jupyter.backends.kubernetes.kinds.fields import seconds
from mlk_jupyter.backends.kubernetes.resources import Objects

STORIES = recordings.names()


def steps(story: str) -> Iterator[Objects]:
    """The objects of the story's job after each recorded event. Only some bear our labels."""
    kept: dict[str, dict[str, Any]] = {resource: {} for resource in ("jobs", "pods", "events", "jobsets", "workloads")}
    now = 0.0
    for told in recordings.entries(story):
        item = told["object"]
        now = max(now, seconds(item["metadata"]["creationTimestamp"]) or 0.0)
        if "train" not in item.get("involvedObject", item["metadata"])["name"]:
            continue  # another job, which holds what this one waits for
        if told["type"] == "DELETED":
            kept[told["resource"]].pop(item["metadata"]["uid"], None)
        else:
            kept[told["resource"]][item["metadata"]["uid"]] = item
        held = {resource: list(found.values()) for resource, found in kept.items()}
        job_set, workload = (next(iter(held.pop(resource)), None) for resource in ("jobsets", "workloads"))
        yield Objects("train-0123456789", **held, job_set=job_set, workload=workload, now=now)
