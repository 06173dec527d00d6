"""Recorded watch streams of real runs on Kubernetes 1.36, as the objects of one job after each event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube import recordings

from mlk_jupyter.backends.kubernetes.kinds.fields import controller, seconds
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
        jobs, workload = [*held.pop("jobsets"), *held.pop("jobs")], next(iter(held.pop("workloads")), None)
        owners, children = ([job for job in jobs if bool(controller(job)) is made] for made in (False, True))
        yield Objects("train-0123456789", owners, children, **held, workload=workload, now=now)
