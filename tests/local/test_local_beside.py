"""A job on this machine runs in the notebook's own folder: what lies there is found as in Jupyter."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from machine_jobs import Jobs

from mlk_jupyter import library

READER = (
    "from pathlib import Path\n\ndef load():\n    return (Path(__file__).parent / 'conf' / 'base.json').read_text()\n"
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder of the notebook, with modules, a package and data."""
    folder = tmp_path / "work"
    for path, text in {
        "reader.py": READER,
        "conf/base.json": '{"lr": 0.1}',
        "words.py": "WORD = 'first'\n",
        "kit/__init__.py": "import pkgutil\nTEXT = pkgutil.get_data(__name__, 'a.txt').decode()\n",
        "kit/a.txt": "of the package",
        "rows.csv": "1,2\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def log_of(jobs: Jobs, path: Path, **spec: Any) -> str:
    """Runs a notebook or script as a person does. Gives what it wrote."""

    async def submitted() -> str:
        source = await library.read_source(path)
        asked = library.spec_from({"name": "beside", "notebook": source.path, "mlflow": False, **spec})
        bundle = await library.prepare(source, asked, jobs.backend.carriage)
        return (await jobs.backend.submit(asked, bundle, request_id=uuid.uuid4().hex)).id

    job = asyncio.run(submitted())
    status = jobs.until_over(job)
    assert status.error is None, status.error
    assert status.notices == []
    return jobs.folder(job).log(0).read_text()


def test_modules_packages_and_data_are_those_of_the_folder(
    jobs: Jobs, work: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    cells = [
        "import reader, kit, words\nprint(reader.load(), kit.TEXT, words.WORD, reader.__file__)",
        "%load_ext autoreload\n%autoreload 2",
        "open('words.py', 'w').write('WORD = \"the second\"\\n')",
        "print(words.WORD)",
        "%%writefile fresh.py\nVALUE = 7",
        "import fresh\nprint(fresh.VALUE, open('rows.csv').read())",
        "import sys\nprint(repr(sys.path[0]), any('jobs' in entry and 'files' in entry for entry in sys.path))",
    ]
    (work / "n.ipynb").write_text(json.dumps(make_notebook(*cells)))
    text = log_of(jobs, work / "n.ipynb", files=["rows.csv"])
    assert f'{{"lr": 0.1}} of the package first {work / "reader.py"}' in text
    assert "the second\n" in text and "7 1,2\n" in text and "'' False" in text
    assert (work / "fresh.py").exists()


def test_a_script_is_where_it_says_it_is(jobs: Jobs, work: Path) -> None:
    (work / "train.py").write_text(
        "import sys\nfrom pathlib import Path\nimport reader\n"
        "print(Path(__file__).parent.joinpath('rows.csv').read_text(), reader.load(), sys.path[0], sys.argv)\n"
    )
    text = log_of(jobs, work / "train.py")
    assert f"""1,2\n {{"lr": 0.1}} {work} ['train.py']""" in text


def test_a_job_that_waits_sees_the_folder_as_it_is_when_it_runs_and_its_notebook_as_it_was(
    jobs: Jobs, work: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    path = work / "n.ipynb"
    path.write_text(json.dumps(make_notebook("import words\nprint(words.WORD)")))

    async def submitted() -> str:
        source = await library.read_source(path)
        asked = library.spec_from({"name": "beside", "notebook": source.path, "mlflow": False})
        bundle = await library.prepare(source, asked, jobs.backend.carriage)
        path.write_text(json.dumps(make_notebook("raise SystemExit(3)")))
        (work / "words.py").write_text("WORD = 'changed since'\n")
        return (await jobs.backend.submit(asked, bundle, request_id=uuid.uuid4().hex)).id

    job = asyncio.run(submitted())
    jobs.until_over(job)
    assert jobs.folder(job).log(0).read_text() == "changed since\n"


def test_a_file_that_is_not_there_is_refused_here_too(jobs: Jobs, work: Path) -> None:
    (work / "a.py").write_text("print(1)\n")
    source = asyncio.run(library.read_source(work / "a.py"))
    asked = library.spec_from({"name": "x", "notebook": source.path, "files": ["nowhere.csv"]})
    with pytest.raises(library.BadInput, match=r"nowhere\.csv"):
        asyncio.run(library.prepare(source, asked, jobs.backend.carriage))
