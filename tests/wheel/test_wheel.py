"""What a stranger gets from `pip install`: the wheel, on a machine without Node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the front end that `make` built."""
    assert (ROOT / "mlk_jupyter/labextension/package.json").is_file(), (
        "run this by `make test`: it builds the front end"
    )
    folder = tmp_path_factory.mktemp("dist")
    # Not isolated: the build's requirements are in the environment already, and the front end is not built again.
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    _run(build, env=os.environ)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def machine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A virtual environment with the wheel and JupyterLab; nothing but its own programs is on the PATH."""
    folder = tmp_path_factory.mktemp("machine")
    venv.create(folder / "venv")
    return Machine(folder, wheel)


class Machine:
    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "venv/bin"
        self.home = folder / "home"
        self.home.mkdir()
        # With our pip, and without compiling thousands of files of which few are run.
        pip = [sys.executable, "-m", "pip", f"--python={self.bin / 'python'}", "install", "--quiet", "--no-compile"]
        _run([*pip, str(wheel), "jupyterlab>=4.6,<5"], env=os.environ)

    def run(self, *command: str) -> str:
        """What a command prints, standard error included. The PATH holds the environment's programs only."""
        env = {"PATH": str(self.bin), "HOME": str(self.home)}
        return re.sub(r"\x1b\[\d+m", "", _run([str(self.bin / command[0]), *command[1:]], env=env))


def _run(command: list[str], env: os._Environ[str] | dict[str, str]) -> str:
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def test_the_wheel_holds_the_built_front_end_and_nothing_that_only_developers_need(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any("/labextensions/mlk-jupyter/static/remoteEntry" in name for name in names)
    assert any(name.endswith("labextensions/mlk-jupyter/install.json") for name in names)
    assert any(name.endswith("jupyter_server_config.d/mlk_jupyter.json") for name in names)
    assert "mlk_jupyter/py.typed" in names
    unwanted = ("node_modules", "/tests/", "test_", ".map", ".ts", ".tsx", "ui-tests")
    assert [name for name in names if any(part in name for part in unwanted)] == []


def test_both_extensions_are_enabled_without_node(machine: Machine) -> None:
    front = machine.run("jupyter", "labextension", "list")
    assert re.search(r"mlk-jupyter v\S+ enabled +OK", front), front
    server = machine.run("jupyter", "server", "extension", "list")
    assert re.search(r"mlk_jupyter enabled\s+- Validating mlk_jupyter\.\.\.\s(.*\s)?\s+mlk_jupyter \S+ OK", server), (
        server
    )


def test_the_command_line_starts_in_a_bare_install(machine: Machine) -> None:
    assert "run a notebook or script as a job" in machine.run("mlk", "--help")
    assert "No jobs yet" in machine.run("mlk", "jobs")
