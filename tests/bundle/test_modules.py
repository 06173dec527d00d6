"""Local modules are found from the imports of a notebook, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.bundle import build
from mlk_jupyter.bundle.code import experiments, nodes, spawns_processes, tree, uses
from mlk_jupyter.bundle.modules import LARGEST_DATA, MOST_DATA, Modules, find_modules
from mlk_jupyter.model import JobSpec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A notebook's folder with modules, a package, a namespace package and things that are not to be found."""
    files = {
        "helper.py": "import deeper\n",
        "deeper.py": "def f():\n    from pkg.sub import leaf\n",
        "lonely.py": "",
        "json.py": "raise SystemExit\n",
        "pkg/__init__.py": "from . import a\n",
        "pkg/a.py": "from .sub.leaf import x\nfrom .. import nowhere\n",
        "pkg/labels.txt": "one\n",
        "pkg/.hidden": "",
        "pkg/sub/__init__.py": "",
        "pkg/sub/leaf.py": "import helper\nx = 1\n",
        "pkg/__pycache__/a.pyc": "",
        "space/one.py": "from . import two\n",
        "space/two.py": "",
        "space/three.py": "",
        "data/big.csv": "1\n",
        "broken.py": "import lonely\nx = (\n",
    }
    root = tmp_path / "notebooks"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "outside.py").write_text("")
    return root


def found(folder: Path, source: str) -> Modules:
    return find_modules([tree(source)], folder)


PACKAGE = ["pkg/__init__.py", "pkg/a.py", "pkg/labels.txt", "pkg/sub/__init__.py", "pkg/sub/leaf.py"]


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import lonely", ["lonely.py"]),
        ("import helper", ["deeper.py", "helper.py", *PACKAGE]),
        ("import pkg.sub.leaf as leaf", ["deeper.py", "helper.py", *PACKAGE]),
        ("from space import one", ["space/one.py", "space/two.py"]),
        ("import space.three", ["space/three.py"]),
        ("import space, data", []),
        ("from space import *", []),
        ("import json, os.path, numpy, nowhere", []),
        ("from . import lonely", ["lonely.py"]),
        ("from .. import outside", []),
        ("def f():\n    try:\n        import lonely\n    except ImportError: pass", ["lonely.py"]),
        ("%matplotlib inline\n!ls\nimport lonely\nfiles = !ls", ["lonely.py"]),
        ("%%time\nimport lonely", ["lonely.py"]),
        ("%%bash\nimport lonely", []),
        ("import lonely\nx = (", ["lonely.py"]),
        ("import broken", ["broken.py", "lonely.py"]),
        ("from lonely import *", ["lonely.py"]),
        ("await thing()\nimport lonely", ["lonely.py"]),
    ],
)
def test_the_files_an_import_needs(folder: Path, source: str, files: list[str]) -> None:
    assert found(folder, source).files == sorted(files)


def test_a_link_that_leads_out_of_the_folder_is_left_out_with_a_notice(folder: Path) -> None:
    (folder / "sly.py").symlink_to(folder.parent / "outside.py")
    modules = found(folder, "import sly")
    assert modules.files == [] and "sly.py was left out" in modules.notices[0]


def test_a_linked_package_outside_is_not_entered(folder: Path) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "__init__.py").write_text("")
    (folder / "linked").symlink_to(outside)
    assert found(folder, "import linked").files == []


def test_secrets_and_large_data_of_a_package_stay_behind_with_a_notice(folder: Path) -> None:
    (folder / "pkg" / "server.pem").write_text("secret")
    (folder / "pkg" / ".env").write_text("secret")
    (folder / "pkg" / "weights.bin").write_bytes(b"x" * (LARGEST_DATA + 1))
    modules = found(folder, "import pkg")
    assert not {"pkg/server.pem", "pkg/.env", "pkg/weights.bin"} & set(modules.files)
    text = " ".join(modules.notices)
    assert "pkg/server.pem" in text and "pkg/.env" in text and "pkg/weights.bin" in text


def test_what_is_no_regular_file_in_a_package_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pkg" / "pipe.py")
    modules = found(folder, "import pkg")
    assert "pkg/pipe.py" not in modules.files and "no regular file" in modules.notices[0]


def test_many_data_files_of_a_package_do_not_crowd_out_its_code(folder: Path) -> None:
    for number in range(MOST_DATA + 20):
        (folder / "pkg" / f"image-{number}.png").write_bytes(b"")
    (folder / "pkg" / "zeta.py").write_text("")
    modules = found(folder, "import pkg")
    assert "pkg/zeta.py" in modules.files and len(modules.files) < MOST_DATA + 20
    assert "stay behind" in modules.notices[0] and "more" in modules.notices[0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import mlflow", True),
        ("from mlflow.tracking import MlflowClient", True),
        ("import mlflow.sklearn as s", True),
        ("import mlflow_extra", False),
        ("mlflow = 1", False),
    ],
)
def test_whether_mlflow_is_used(source: str, expected: bool) -> None:
    assert uses(nodes([tree(source)]), "mlflow") is expected


def test_the_experiments_that_a_notebook_sets() -> None:
    source = "mlflow.set_experiment('a')\nset_experiment(experiment_name='b')\nmlflow.set_experiment(name)"
    assert experiments(nodes([tree(source)])) == ["a", "b", None]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("mp.set_start_method('spawn', force=True)", True),
        ("ctx = multiprocessing.get_context('spawn')", True),
        ("DataLoader(data, multiprocessing_context='spawn')", True),
        ("torch.multiprocessing.spawn(train, nprocs=2)", True),
        ("ctx = mp.get_context(method='forkserver')", True),
        ("mp.set_start_method('fork')", False),
        ("DataLoader(data, num_workers=2)", False),
        ("pexpect.spawn('ls')", False),
    ],
)
def test_whether_processes_are_spawned(source: str, expected: bool) -> None:
    assert spawns_processes(nodes([tree(source)])) is expected


def test_the_data_that_a_module_names_beside_it_goes_along(tmp_path: Path) -> None:
    reader = "HERE = Path(__file__).parent\nHERE / 'conf' / 'base.json'\nopen('data/rows.csv')\nx['notes.txt']\n"
    large = "x" * (400 * 1024)
    for name, text in {
        "reader.py": reader,
        "conf/base.json": "{}",
        "conf/deep/more.json": "{}",
        "conf/__pycache__/x": "",
        "data/a.bin": large,
        "data/b.bin": large,
        "other.csv": "not named",
        "notes.txt": "named",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = find_modules([tree("import reader")], tmp_path)
    assert found.files == ["conf/base.json", "conf/deep/more.json", "data/a.bin", "notes.txt", "reader.py"]
    (notice,) = found.notices
    assert "beside the modules stay behind: data/b.bin" in notice


def test_a_file_that_the_notebook_names_and_that_stays_behind_is_told(
    tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    (tmp_path / "rows.csv").write_text("1")
    (tmp_path / "more.csv").write_text("1")
    notebook = make_notebook("open('rows.csv'), open('./more.csv'), open('absent.csv'), open('/etc/hostname')")
    spec = JobSpec(name="n", notebook="n.ipynb", files=["more.csv"])
    (notice,) = build(notebook, spec, tmp_path).notices
    assert notice.startswith("The notebook names rows.csv in its folder, which does not go along.")
    without = build(notebook, spec, tmp_path, carries=False)
    assert (without.notices, without.files) == ([], [])
