"""The heaviest files come first where several workers share them."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_the_heaviest_files_come_first_and_keep_their_own_order(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "suite.order,xdist.plugin")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nmarkers =\n  slow\n  browser\n")
    many = "".join(f"def test_{number}(): pass\n" for number in range(5))
    pytester.makepyfile(
        test_a=many,
        test_b="import pytest\ndef test_b(): pass\n@pytest.mark.slow\ndef test_a(): pass\n",
        test_c="import pytest\npytestmark = pytest.mark.browser\ndef test_it(): pass\n",
    )
    result = pytester.runpytest_subprocess("-v", "-n1", "--dist=loadfile", "--no-loadscope-reorder")
    ran = [line.split("PASSED ")[1] for line in result.outlines if "PASSED " in line]
    files = [f"test_a.py::test_{number}" for number in range(5)]
    assert [each.split(" ")[0] for each in ran] == [
        "test_c.py::test_it",
        "test_b.py::test_b",
        "test_b.py::test_a",
        *files,
    ]
