"""Importing the package costs next to nothing, and its names are what they promise."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import mlk_jupyter
from mlk_jupyter.bundle import build
from mlk_jupyter.model import JobSpec

HEAVY = {"pydantic", "aiohttp", "mlflow", "asyncio", "httpx", "nbformat", "tornado", "jupyter_server", "IPython"}


def fresh(code: str, *path: str) -> Any:
    """What a fresh interpreter prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {list(path)!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_importing_it_loads_nothing_heavy() -> None:
    code = "before = set(sys.modules)\nimport mlk_jupyter, json\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    loaded = set(fresh(code))
    assert "mlk_jupyter" in loaded
    ours = {name for name in loaded if name.startswith("mlk_jupyter.")}
    assert not ours and not loaded & HEAVY


def test_what_a_notebook_uses_loads_the_standard_library_only() -> None:
    code = (
        "import mlk_jupyter, json\nmlk_jupyter.rank(), mlk_jupyter.world_size(), mlk_jupyter.progress\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert not set(fresh(code)) & HEAVY


@pytest.mark.parametrize("name", mlk_jupyter.__all__)
def test_every_promised_name_is_there(name: str) -> None:
    assert getattr(mlk_jupyter, name) is not None and name in dir(mlk_jupyter)


def test_a_name_that_was_never_promised_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="no attribute 'progres'"):
        _ = mlk_jupyter.progres  # type: ignore[attr-defined]


def test_the_same_names_are_there_inside_a_bundle_where_nothing_else_is(make_notebook: Any, tmp_path: Path) -> None:
    bundle = build(make_notebook("x"), JobSpec(name="x", notebook="x.ipynb"), None)
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as archive:
        archive.extractall(tmp_path)
    code = (
        "import mlk_jupyter, json\n"
        "names = [name for name in mlk_jupyter.__all__ if hasattr(mlk_jupyter, name)]\n"
        "print(json.dumps([mlk_jupyter.__file__, names]))"
    )
    file, names = fresh(code, str(tmp_path))
    of_submitters = {"Job", "job", "jobs", "train"}  # `remote` and `keep` are there, and do nothing
    assert file == str(tmp_path / "mlk_jupyter" / "__init__.py")
    assert names == [name for name in mlk_jupyter.__all__ if name not in of_submitters]


@pytest.mark.parametrize("name", ["Job", "job", "jobs", "train"])
@pytest.mark.parametrize("way", ["mlk_jupyter.{}", "from mlk_jupyter import {}"])
def test_what_submits_jobs_is_absent_inside_of_a_job_and_says_so(name: str, way: str, tmp_path: Path) -> None:
    package = Path(mlk_jupyter.__file__)
    (tmp_path / "mlk_jupyter").mkdir()
    (tmp_path / "mlk_jupyter" / "__init__.py").write_bytes(package.read_bytes())
    code = (
        f"import json, mlk_jupyter\ntry:\n    {way.format(name)}\nexcept (AttributeError, ImportError) as error:\n"
        "    print(json.dumps(str(error)))"
    )
    assert f"mlk_jupyter.{name} is not there inside of a job" in fresh(code, str(tmp_path))


def test_keeping_a_kernel_loads_nothing_heavy() -> None:
    code = (
        "import mlk_jupyter, json\nwith mlk_jupyter.keep('training'):\n    pass\nprint(json.dumps(sorted(sys.modules)))"
    )
    assert not set(fresh(code)) & HEAVY


def test_jupyter_finds_the_server_extension_and_the_front_end() -> None:
    (point,) = mlk_jupyter._jupyter_server_extension_points()
    assert point["module"] == "mlk_jupyter" and point["app"].name == "mlk_jupyter"
    (path,) = mlk_jupyter._jupyter_labextension_paths()
    assert path == {"src": "labextension", "dest": "mlk-jupyter"}
