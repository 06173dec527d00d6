"""The examples of docs/python.md run as they stand, one after the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlk_jupyter.client import Job

DOCUMENT = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_as_they_stand(here: Path) -> None:
    assert len(EXAMPLES) >= 6
    (here / "examples.py").write_text("\n\n".join(EXAMPLES), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "examples.py"], cwd=here, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello from rank 0\n" and done.stderr == ""


@pytest.mark.parametrize("name", [name for name in vars(Job) if not name.startswith("_")])
def test_everything_a_job_can_is_documented(name: str) -> None:
    told = {"id", "name", "summary", "frames", "when_over"}  # a row of the table would say no more than their names
    assert name in told or re.search(rf"\bjob\.{name}\b", DOCUMENT)
