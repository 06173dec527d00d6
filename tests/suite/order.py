"""With several workers, the files that take longest come first: none is left to one worker while the others wait.

The marks say which these are. xdist must not sort by the number of tests instead (`--no-loadscope-reorder`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

_HEAVY = {"browser": 1000, "wheel": 1000, "slow": 10}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    weights: Counter[Path] = Counter()
    for item in items:
        weights[item.path] += 1 + sum(_HEAVY.get(mark.name, 0) for mark in item.iter_markers())
    items.sort(key=lambda item: -weights[item.path])
