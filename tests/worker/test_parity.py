"""One rank shows what `jupyter nbconvert --execute` shows, cell by cell, for every notebook in tests/notebooks.

Before they are compared, outputs are normalised, on both sides alike and only so far:

- streams of one name that follow each other are one (the kernel and the keeper cut text at other places), and streams
  of the two names that follow each other without another output between them are put in the order stdout, stderr (the
  kernel's two pipes for C code and children have no order either);
- process ids, memory addresses, temporary paths and measured times become a word;
- the ids of widgets, which are random, become a word.

Tracebacks are compared with their colours.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.record.overwriting import settled
from mlk_jupyter.record.replay import Replay

from .ranks import Rank, bundle

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
_WORDS = [
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"(/tmp/ipykernel_\d+/)?\b\d{6,}\.py"), "CELL"),
    (re.compile(r"\(CELL, line"), "(line"),  # ours leaves out a file's name that nobody has seen
    (re.compile(r"\d+(\.\d+)?(e[+-]\d+)? (ns|[µμu]s|ms|s|min)\b( ± \d+(\.\d+)? (ns|[µμu]s|ms|s)\b)?"), "TIME"),
    (re.compile(r"\d\d:\d\d(<|&lt;)\d\d:\d\d,\s*[\d.?]+it/s"), "PACE"),
    (re.compile(r"(CPU times: )?(user TIME, sys: TIME, )?total: TIME"), "CPU"),
    (re.compile(r"/tmp/[\w/.-]+"), "PATH"),
]


def normal(text: str) -> str:
    for pattern, word in _WORDS:
        text = pattern.sub(word, text)
    return text


def normalised(value: Any) -> Any:
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, list):
        return [normalised(item) for item in value]
    if isinstance(value, dict):
        return {key: normalised(item) for key, item in value.items()}
    return value


def widgets_of(notebook: dict[str, Any]) -> list[Any]:
    """The notebook's widgets in an order of their own: in a file they are sorted by their ids."""
    held = notebook["metadata"].get("widgets", {})
    found = []
    for kind, models in held.items():
        rest = {name: value for name, value in models.items() if name != "state"}
        for model in models["state"].values():
            said = json.dumps(model, sort_keys=True)
            for model_id, other in models["state"].items():
                said = said.replace(model_id, other["model_name"])
            found.append([kind, rest, normalised(json.loads(said))])
    return sorted(found, key=str)


def outputs_of(cell: dict[str, Any]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    streams: dict[str, str] = {}

    def end_streams() -> None:
        result.extend(
            {"output_type": "stream", "name": name, "text": settled(streams.pop(name))}
            for name in ("stdout", "stderr")
            if name in streams
        )

    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + joined(output["text"])
            continue  # settled below: nbclient leaves that to JupyterLab
        end_streams()
        output = dict(output)
        if "data" in output:
            output["data"] = {mime: joined(form) for mime, form in output["data"].items()}
        result.append(output)
    end_streams()
    return [normalised(output) for output in result]


def joined(text: Any) -> Any:
    is_lines = isinstance(text, list) and text and all(isinstance(line, str) for line in text)
    return "".join(text) if is_lines else text


@pytest.fixture(scope="module")
def executed_by_a_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All notebooks as nbconvert executes them, in one go.

    Now and then nbclient misses a kernel's answer and would wait for ever: the kernel is idle then. What is compared is
    what it shows when it works, so it gets a second try.
    """
    folder = tmp_path_factory.mktemp("nbconvert")
    env = {**os.environ, "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1"}
    env.pop("MPLBACKEND", None)
    env.pop("PYTEST_CURRENT_TEST", None)  # a kernel that finds it does not listen to what C code and children write
    names = [path.name for path in NOTEBOOKS]
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", *names]
    command += ["--ExecutePreprocessor.timeout=60"]
    for _ in range(2):
        for path in NOTEBOOKS:
            (folder / path.name).write_bytes(path.read_bytes())
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)
        if "CellTimeoutError" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_rank_shows_what_a_kernel_shows(path: Path, executed_by_a_kernel: Path, tmp_path: Path) -> None:
    source = json.loads(path.read_text("utf-8"))
    (tmp_path / "work").mkdir()
    with Rank(bundle(tmp_path / "bundle.pyz", source), cwd=tmp_path / "work") as rank:
        rank.wait()
    assert rank.code == 0, rank.of("error") or rank.describe()
    replay = Replay(source)
    for frame in rank.frames:
        replay.apply(frame)
    mine_whole = replay.notebook()
    kernels_whole = json.loads((executed_by_a_kernel / path.name).read_text("utf-8"))
    ours, theirs = mine_whole["cells"], kernels_whole["cells"]
    assert len(ours) == len(theirs)
    for mine, kernels in zip(ours, theirs, strict=True):
        if mine["cell_type"] != "code":
            continue
        where = f"{path.stem}, cell {mine['id']}: {joined(mine['source'])!r:.200}"
        assert outputs_of(mine) == outputs_of(kernels), where
        assert mine["execution_count"] == kernels["execution_count"], where
    assert widgets_of(mine_whole) == widgets_of(kernels_whole)
