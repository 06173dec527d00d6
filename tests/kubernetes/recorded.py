"""Recorded watch streams of real runs on Kubernetes 1.36, as the objects of one job after each event."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlk_jupyter.backends.kubernetes.kinds.fields import seconds
from mlk_jupyter.backends.kubernetes.resources import Objects

FOLDER = Path(os.environ.get("MLK_SHARED") or Path(__file__).resolve().parents[3] / "shared") / "kube" / "recordings"
STORIES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def steps(story: str) -> Iterator[Objects]:
    """The job's objects after each recorded event. Nothing bears our labels."""
    kept: dict[str, dict[str, Any]] = {"jobs": {}, "pods": {}, "events": {}}
    now = 0.0
    for line in (FOLDER / f"{story}.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        item = told["object"]
        now = max(now, seconds(item["metadata"]["creationTimestamp"]) or 0.0)
        if told["type"] == "DELETED":
            kept[told["resource"]].pop(item["metadata"]["uid"], None)
        else:
            kept[told["resource"]][item["metadata"]["uid"]] = item
        jobs, pods, events = (list(kept[resource].values()) for resource in ("jobs", "pods", "events"))
        yield Objects("train-0123456789", jobs=jobs, pods=pods, events=events, now=now)
