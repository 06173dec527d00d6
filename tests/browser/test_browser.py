"""The browser tests of ui-tests/, run and judged as one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

UI_TESTS = Path(__file__).parents[2] / "ui-tests"


@pytest.mark.browser
@pytest.mark.timeout(1500)
def test_the_extension_works_in_a_real_browser() -> None:
    playwright = UI_TESTS / "node_modules/.bin/playwright"
    assert playwright.exists(), "run this by `make test`: it installs the packages of the browser tests"
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(
        [str(playwright), "test"],
        cwd=UI_TESTS,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, f"The browser tests failed:\n{done.stdout[-20_000:]}"
    assert " passed" in done.stdout, f"No browser test ran:\n{done.stdout[-4_000:]}"
