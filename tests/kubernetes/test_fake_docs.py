"""Each component of the tests' cluster says which documented behaviour it imitates, and what holds it to that."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from kube import controllers, recordings
from kube.controllers.base import Controller

TESTS = Path(__file__).parent
PURE = ("garbage", "quota", "limits", "pod_worker", "pod_images", "controllers.job_pods", "controllers.job_policy")
# Other tests' own controllers are no components of the cluster: whether they are loaded depends on what ran before.
CONTROLLERS = {kind.__module__ for kind in Controller.__subclasses__() if kind.__module__.startswith("kube.")}
MODULES = sorted({
    *(importlib.import_module(f"kube.{name}") for name in (*PURE, "controllers.events")),
    *map(importlib.import_module, CONTROLLERS),
}, key=lambda module: module.__name__)  # fmt: skip


def told(module: ModuleType, head: str) -> str:
    """What a module's docstring says under a heading, as one line."""
    found = re.search(rf"^{head}: (.*?)(?=^[A-Z][a-z]+( [a-z]+)?: |\Z)", module.__doc__ or "", re.M | re.S)
    return re.sub(r"\s+", " ", found[1]).strip() if found else ""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_component_says_what_it_imitates_and_what_holds_it(module: ModuleType) -> None:
    assert re.search(r"(kubernetes|jobset|kueue)\.[a-z0-9.]*(io)/docs|`pod_worker`", told(module, "Imitates"))
    assert told(module, "Leaves out")
    held = told(module, "Held by")
    stories = re.findall(r"\b[a-z]+(?:-[a-z]+)+\b", held.replace("anti-affinity", ""))
    assert set(stories) <= set(recordings.names())
    tests = re.findall(r"\btest_\w+", held)
    assert all((TESTS / f"{name}.py").is_file() for name in tests)
    assert stories or tests or "every recording" in held or re.search(r"\b(fails|succeeds)\b", held)


def test_every_recording_holds_a_component_and_is_played_on_the_tests_cluster() -> None:
    named = " ".join(told(module, "Held by") for module in MODULES)
    played = (TESTS / "test_fake_cluster.py").read_text(encoding="utf-8")
    for name in recordings.names():
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", named), name
        assert f'"{name}"' in played, name


def test_every_controller_of_the_cluster_is_asked() -> None:
    assert controllers.JobController.__module__ in {module.__name__ for module in MODULES}
    assert len(MODULES) >= 14
