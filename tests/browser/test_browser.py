"""The browser tests of ui-tests/, run and judged as one; those of a cluster beside them, with the tests' cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UI_TESTS = ROOT / "ui-tests"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]


@pytest.fixture
def cluster_env(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """A cluster as a process: its kubeconfig and its number, by which tests take the API server away."""
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "tests.kube", "--kubeconfig", str(kubeconfig), "--nodes", "2", "--gpus", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline(), "the tests' cluster did not start"
            yield {"MLK_UI_KUBECONFIG": str(kubeconfig), "MLK_UI_CLUSTER_PID": str(process.pid)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _run(env: Mapping[str, str]) -> None:
    playwright = ROOT / "node_modules/.bin/playwright"
    assert playwright.exists(), "run this by `make test`: it installs the front end's packages"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLK_UI_")}
    done = subprocess.run(
        [str(playwright), "test"],
        cwd=UI_TESTS,
        env={**own, "PATH": path, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, f"The browser tests failed:\n{done.stdout[-20_000:]}"
    assert " passed" in done.stdout, f"No browser test ran:\n{done.stdout[-4_000:]}"


def test_the_extension_works_in_a_real_browser() -> None:
    _run({})


def test_the_extension_works_with_a_cluster(cluster_env: Mapping[str, str]) -> None:
    _run(cluster_env)
