"""Which Python runs a job: the one that Jupyter would start, or none."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from machine_jobs import Jobs

from mlk_jupyter.backends.local import kernelspecs
from mlk_jupyter.backends.local.interpreter import Interpreter, interpreter
from mlk_jupyter.bundle import Bundle
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Level

Install = Callable[..., Path]
LAUNCHED = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a kernel. Gives the folder of its kernelspec."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))

    def make(name: str, argv: list[str], **spec: Any) -> Path:
        folder = tmp_path / "kernels" / name
        folder.mkdir(parents=True)
        found = {"argv": argv, "display_name": name.title(), "language": "python", **spec}
        (folder / "kernel.json").write_text(json.dumps(found))
        return folder

    return make


@pytest.fixture
def python(tmp_path: Path) -> str:
    """Another name for this Python, by which it is told from this one."""
    there = tmp_path / "env" / "bin" / "python"
    there.parent.mkdir(parents=True)
    there.symlink_to(sys.executable)
    return str(there)


def asked(**spec: Any) -> JobSpec:
    return JobSpec(name="n", notebook="n.ipynb", **spec)


def bundle_of(kernel: str | None, **more: Any) -> Bundle:
    return Bundle(data=b"", notebook={}, **{"directory": None, "kernel": kernel, **more})


def choose(
    kernel: str | None = None, *, script: bool = False, directory: Path | None = None, specs: Any = None, **spec: Any
) -> Interpreter:
    bundle = bundle_of(kernel, script=script, directory=directory)
    return asyncio.run(interpreter(asked(**spec), bundle, (lambda: specs) if specs else kernelspecs.configured))


def started_by(key: str, **stanza: str) -> dict[str, Any]:
    return {"metadata": {key: stanza}}


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_notebook_runs_in_the_python_of_its_kernel(install: Install, python: str) -> None:
    install("trainer", [python, *LAUNCHED], env={"COLOUR": "blue"})
    assert choose("trainer") == Interpreter(python, env={"COLOUR": "blue"})


def test_options_of_python_itself_are_kept(install: Install, python: str) -> None:
    install("frozen", [python, "-Xfrozen_modules=off", "-W", "ignore", *LAUNCHED])
    assert choose("frozen").options == ["-Xfrozen_modules=off", "-W", "ignore"]


def test_a_bare_python_is_this_one_as_in_jupyter(install: Install) -> None:
    install("bare", ["python", *LAUNCHED])
    assert choose("bare").path == sys.executable
    assert choose(None) == Interpreter(sys.executable)


def test_another_starter_of_the_same_environment_leads_to_its_python(install: Install, python: str) -> None:
    install("xpython", [str(Path(python).with_name("xpython")), "-f", "{connection_file}"])
    assert choose("xpython").path == python


def test_variables_are_filled_in_as_jupyter_does(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "/data")
    monkeypatch.setenv("JPY_API_TOKEN", "secret")
    env = {
        "CACHE": "${PLACE}/cache",
        "OTHER": "$PLACE",
        "UNKNOWN": "${NOWHERE_SET}",
        "MINE": "${JPY_API_TOKEN}",
        "N": 3,
    }
    install("vars", [sys.executable, *LAUNCHED], env=env)
    assert choose("vars").env == {
        "CACHE": "/data/cache",
        "OTHER": "/data",
        "UNKNOWN": "${NOWHERE_SET}",
        "MINE": "${JPY_API_TOKEN}",
        "N": "3",
    }


def test_what_stands_before_the_python_is_part_of_the_command(install: Install, python: str, tmp_path: Path) -> None:
    conda = program(tmp_path / "conda", '#!/bin/sh\necho hi\nexport CONDA_PREFIX="/envs/$3"\nshift 3\nexec "$@"\n')
    activate = tmp_path / "activate"
    activate.write_text("export ACTIVATED=yes\n")
    runner = program(tmp_path / "runner", '#!/bin/sh\nexport RUN=$1\nshift\nexec "$@"\n')
    wrapper = program(tmp_path / "wrapper", f'#!/bin/sh\nWRAPPED=yes exec {python} "$@"\n')
    inner = f". {activate} && exec {python} -m ipykernel_launcher -f '{{connection_file}}'"
    install("prefixed", ["/usr/bin/env", "MODE=job", python, *LAUNCHED], env={"MODE": "other", "A": "b"})
    install("conda", [conda, "run", "-n", "trainer", python, *LAUNCHED])
    execute = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    install("runner", ["python", "-c", execute, runner, "env", python, *LAUNCHED])
    install("wrapped", [wrapper, *LAUNCHED])
    install("shell", ["/bin/sh", "-c", inner])
    install("beside", ["{resource_dir}/start", python, *LAUNCHED])
    program(tmp_path / "kernels" / "beside" / "start", '#!/bin/sh\nSTARTED=here exec "$@"\n')
    for kernel, env in {
        "prefixed": {"MODE": "job", "A": "b"},
        "conda": {"CONDA_PREFIX": "/envs/trainer"},
        "runner": {"RUN": "env"},
        "wrapped": {"WRAPPED": "yes"},
        "shell": {"ACTIVATED": "yes"},
        "beside": {"STARTED": "here"},
    }.items():
        found = choose(kernel)
        assert (found.path, found.findings) == (python, []), kernel
        assert found.env == env, kernel


@pytest.mark.parametrize(
    ("argv", "more", "code", "words"),
    [
        (["/nowhere/python3", *LAUNCHED], {}, "no_interpreter", "/nowhere/python3"),
        (["no-such-program-here", *LAUNCHED], {}, "no_interpreter", "cannot be started"),
        (["/bin/false", *LAUNCHED], {}, "no_interpreter", "started no Python here: exit code 1"),
        (["/bin/sh", "-c", "echo no env >&2; exit 3; python -m ipykernel"], {}, "no_interpreter", "here: no env"),
        (["/opt/tool/run-kernel", "{connection_file}"], {}, "no_interpreter", "not known to be IPython's kernel"),
        ([sys.executable, "-m", "sparkmagic.kernels.pysparkkernel"], {}, "no_interpreter", "not known to be IPython's"),
        ([], {}, "no_interpreter", "not known"),
        (["/usr/bin/R", "--slave"], {"language": "R"}, "not_python", "runs R"),
        (["python", *LAUNCHED], started_by("process_proxy", class_name="k8s.Proxy"), "kernel_elsewhere", "k8s.Proxy"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_told_the_job_is_refused_with_the_way_out(
    install: Install, argv: list[str], more: dict[str, Any], code: str, words: str
) -> None:
    install("odd", argv, **more)
    (finding,) = choose("odd").findings
    assert (finding.level, finding.code, finding.field) == (Level.ERROR, code, "kernel")
    assert words in finding.text and finding.hint


def test_a_kernel_that_is_not_installed_is_refused_with_those_that_are(install: Install) -> None:
    install("trainer", [sys.executable, *LAUNCHED])
    (finding,) = choose("absent").findings
    assert finding.level is Level.ERROR and "'absent' is not installed here" in finding.text
    assert "trainer" in str(finding.hint) and "--kernel NAME" in str(finding.hint)
    named = asyncio.run(interpreter(asked(kernel="trainer"), bundle_of("absent"), kernelspecs.configured))
    assert named == Interpreter(sys.executable)


class Specs:
    """A manager of somebody else's."""

    def __init__(self, python: str, **spec: Any) -> None:
        self._python, self._spec = python, spec

    async def get_kernel_spec(self, name: str) -> Any:
        from jupyter_client.kernelspec import KernelSpec, NoSuchKernel

        if name != "conda-env-trainer-py":
            raise NoSuchKernel(name)
        return KernelSpec(argv=[self._python, *LAUNCHED], language="python", display_name="Trainer", **self._spec)

    async def find_kernel_specs(self) -> dict[str, str]:
        return {"conda-env-trainer-py": "/nowhere"}


def test_kernels_are_asked_of_the_manager_that_the_server_has(python: str) -> None:
    assert choose("conda-env-trainer-py", specs=Specs(python)).path == python
    (finding,) = choose("python2", specs=Specs(python)).findings
    assert "Installed here: conda-env-trainer-py." in str(finding.hint)
    assert choose("python3", specs=Specs(python)) == Interpreter(sys.executable)
    remote = Specs(python, **started_by("kernel_provisioner", provisioner_name="yarn"))
    (finding,) = choose("conda-env-trainer-py", specs=remote).findings
    assert (finding.level, finding.code) == (Level.ERROR, "kernel_elsewhere") and "yarn" in finding.text


def test_without_a_server_the_configuration_of_jupyter_names_the_manager(
    install: Install, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_kernels.py").write_text(
        "from jupyter_client.kernelspec import KernelSpec, KernelSpecManager\n"
        "class Manager(KernelSpecManager):\n"
        "    def get_kernel_spec(self, name):\n"
        f"        return KernelSpec(argv=[{python!r}, '-m', 'ipykernel_launcher'], language='python')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "config").mkdir()
    config = tmp_path / "config" / "jupyter_server_config.json"
    config.write_text('{"ServerApp": {"kernel_spec_manager_class": "other_kernels.Manager"}}')
    assert choose("anything").path == python
    config.write_text('{"ServerApp": {"kernel_spec_manager_class": "absent_kernels.Manager"}}')
    (finding,) = choose("anything").findings
    assert finding.level is Level.ERROR and "absent_kernels" in finding.text


@pytest.mark.parametrize("name", ["env", "env/bin/python"])
def test_a_python_can_be_named(python: str, tmp_path: Path, name: str) -> None:
    assert choose("absent", directory=tmp_path, python=name) == Interpreter(python)
    assert choose("absent", python=str(tmp_path / name)) == Interpreter(python)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, "no_interpreter", "cannot be started (No such file"),
        ("#!/bin/sh\nexit 1\n", "no_interpreter", "started no Python here"),
        ("#!/bin/sh\necho '[\"/old\", [3, 8], {}]'\n", "old_python", "is Python 3.8; a job needs 3.9"),
    ],
)
def test_what_is_named_and_is_no_python_is_refused(tmp_path: Path, text: str | None, code: str, words: str) -> None:
    if text is not None:
        program(tmp_path / "tool", text)
    (finding,) = choose(directory=tmp_path, python="./tool").findings
    assert (finding.level, finding.code, finding.field) == (Level.ERROR, code, "python") and words in finding.text


def test_a_script_runs_in_the_environment_of_its_folder_and_says_so(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").touch()  # above the project: another's
    (finding,) = choose("python3", script=True, directory=project / "src").findings
    assert finding.level is Level.NOTE and f"runs with {sys.executable}" in finding.text
    there = project / ".venv" / "bin" / "python"
    there.parent.mkdir(parents=True)
    (project / ".venv" / "pyvenv.cfg").touch()
    (refused,) = choose("python3", script=True, directory=project / "src").findings
    assert refused.level is Level.ERROR and "cannot be run" in refused.text
    there.symlink_to(sys.executable)
    found = choose("python3", script=True, directory=project / "src")
    assert found.path == str(there) and "the environment of its folder" in found.findings[0].text


def test_a_job_runs_in_that_python_with_its_variables(jobs: Jobs, install: Install, python: str) -> None:
    install("prefixed", ["/usr/bin/env", "MODE=job", python, "-Xutf8", *LAUNCHED], env={"CACHE": "${HOME}/cache"})
    code = "import os, sys\nprint(sys.executable, os.environ['MODE'], os.environ['CACHE'], sys.flags.utf8_mode)"
    job = jobs.submit(code, kernel="prefixed")
    jobs.until_over(job)
    text = jobs.folder(job).log(0).read_text()
    assert f"{python} job {os.environ['HOME']}/cache 1" in text


@pytest.mark.parametrize("python", ["~nobody-of-that-name/bin/python", "a" * 300, "x/" + "a" * 300])
def test_a_python_that_cannot_be_a_path_is_refused_in_words(python: str) -> None:
    [finding] = choose(python=python).findings
    assert (finding.code, finding.field) == ("no_interpreter", "python")
