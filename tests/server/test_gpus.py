"""`/mlk/gpus` and its topic, in a real server."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from memory_backend import MemoryBackend
from tornado.httpclient import HTTPClientError

from mlk_jupyter.gpus.readings import Reading, Use
from mlk_jupyter.gpus.stock import Allocation, Node, Resource, Stock

HOSTILE = "<img src=x onerror=alert(1)>"


def stock(gpus: int) -> Stock:
    node = Node("n", (Resource("nvidia.com/gpu", gpus, "NVIDIA-H100-80GB-HBM3", "nvidia"),) if gpus else ())
    held = [
        Allocation("n", "nvidia.com/gpu", 1, "pod", f"team/p{at}", HOSTILE, "team", f"p{at}") for at in range(gpus // 2)
    ]
    uses = [Use(f"GPU-{at}", node="n", busy=Reading(0.5, "nvml", "device", 0.0)) for at in range(gpus)]
    return Stock("memory", "A test", 0.0, [node], held, uses)


async def test_without_a_gpu_the_answer_is_empty_and_whole(jp_fetch: Any, backend: MemoryBackend) -> None:
    backend.there = dataclasses.replace(stock(0), why="This machine has no NVIDIA driver.")
    answer = json.loads((await jp_fetch("mlk", "gpus")).body)
    (place,) = answer["places"]
    assert place["products"] == [] and place["why"].startswith("This machine") and answer["mine"] == []


async def test_64_gpus_and_names_that_are_no_names(jp_fetch: Any, backend: MemoryBackend) -> None:
    backend.there = stock(64)
    (place,) = json.loads((await jp_fetch("mlk", "gpus")).body)["places"]
    assert (place["products"][0]["total"], place["products"][0]["free"]) == (64, 32)
    assert len(place["nodes"][0]["devices"]) == 64
    assert place["nodes"][0]["holders"][0]["name"] == HOSTILE


async def test_windows_that_watch_cause_one_look(connect: Any, backend: MemoryBackend) -> None:
    backend.there = stock(2)
    windows = [await connect() for _ in range(10)]
    for window in windows:
        await window.ask("subscribe", "gpus")
    for window in windows:
        (*_, message) = await window.until(lambda one: one["topic"] == "gpus")
        assert message["kind"] == "snapshot" and message["data"]["places"][0]["backend"] == "memory"
    assert backend.stocked == 1


async def test_advice_is_dismissed_by_its_id_and_nothing_else_is_an_id(jp_fetch: Any, backend: MemoryBackend) -> None:
    path = ("mlk", "gpus", "advice", "idle-0123456789abcdef", "dismiss")
    done = await jp_fetch(*path, method="POST", body=json.dumps({"days": 7}))
    assert done.code == 204
    for body, status in (('{"days": 0}', 400), ("{}", 204), ('{"days": "x"}', 400)):
        try:
            code = (await jp_fetch(*path, method="POST", body=body)).code
        except HTTPClientError as error:
            code = error.code
        assert code == status, body
