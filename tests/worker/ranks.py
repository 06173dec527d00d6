"""Real ranks for the tests: a bundle zipped here, `python bundle.pyz`, and what it wrote."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlk_jupyter.worker.frames import Decoder

NONCE = "0123456789abcdef"
PACKAGE = Path(__file__).parents[2] / "mlk_jupyter"
MAIN = "from mlk_jupyter.worker.main import main\n\nif __name__ == '__main__':\n    main()\n"


def notebook(*sources: str | tuple[str, list[str]]) -> dict[str, Any]:
    """A notebook of code cells; a cell may come with its tags."""
    cells = []
    for number, source in enumerate(sources):
        text, tags = (source, []) if isinstance(source, str) else source
        cells.append(
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags} if tags else {},
                "source": text,
                "outputs": [],
                "execution_count": None,
            }
        )
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def bundle(
    path: Path, document: dict[str, Any], files: dict[str, str] | None = None, script: str | None = None
) -> Path:
    """A bundle with the worker of this checkout."""
    files = files or {}
    job = {"name": "test", "notebook": script or "test.ipynb", "files": list(files), "script": script is not None}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", MAIN)
        for source in [PACKAGE / "__init__.py", *sorted((PACKAGE / "worker").glob("*.py"))]:
            archive.write(source, f"mlk_jupyter/{source.relative_to(PACKAGE)}")
        archive.writestr("job/job.json", json.dumps(job))
        archive.writestr("job/notebook.ipynb", json.dumps(document))
        for name, text in files.items():
            archive.writestr(f"job/files/{name}", text)
    return path


class Rank:
    """One running rank. Ended, with all its processes, when the block is left."""

    def __init__(
        self, path: Path, env: dict[str, str] | None = None, python: str = sys.executable, cwd: Path | None = None
    ) -> None:
        self.lifeline_read, self.lifeline = os.pipe()
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLK_", "MLFLOW_", "PYTHON"))}
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MPLBACKEND", "FORCE_COLOR"):
            clean.pop(name, None)
        self.process = subprocess.Popen(
            [python, str(path)],
            cwd=cwd or path.parent,
            env={**clean, "MLK_NONCE": NONCE, "MLK_LIFELINE": str(self.lifeline_read), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[self.lifeline_read],
            start_new_session=True,
        )
        os.close(self.lifeline_read)
        self.frames: list[dict[str, Any]] = []
        self.foreign = b""
        self._decoder = Decoder(NONCE, range(8))
        self._open = {self.process.stdout.fileno(), self.process.stderr.fileno()}  # type: ignore[union-attr]

    def __enter__(self) -> Rank:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cut_lifeline()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()  # type: ignore[union-attr]

    def cut_lifeline(self) -> None:
        """What the death of the supervisor looks like to the rank."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def wait_for(self, found: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """The first frame for which `found` holds, among those seen and those to come."""
        for frame in self.frames:
            if found(frame):
                return frame
        for frame in self._read(time.monotonic() + seconds):
            if found(frame):
                return frame
        raise AssertionError(f"no such frame came; {self.describe()}")

    def wait(self, seconds: float = 100) -> Rank:
        """Until the rank has ended."""
        for _ in self._read(time.monotonic() + seconds):
            pass
        assert not self._open, f"the rank did not end in {seconds} s; {self.describe()}"
        self.process.wait(10)
        return self

    def describe(self) -> str:
        kinds = [frame["kind"] for frame in self.frames]
        return f"frames: {kinds[-30:]}; stderr: {self.foreign[-2000:]!r}"

    def _read(self, deadline: float) -> Iterator[dict[str, Any]]:
        out = self.process.stdout.fileno()  # type: ignore[union-attr]
        while self._open and time.monotonic() < deadline:
            for fd in select.select(list(self._open), [], [], max(0.0, deadline - time.monotonic()))[0]:
                data = os.read(fd, 1 << 20)
                if not data:
                    self._open.discard(fd)
                elif fd == out:
                    items = list(self._decoder.feed(data))  # whoever waits may leave at the first of them
                    self.foreign += b"".join(item for item in items if isinstance(item, bytes))
                    new = [item for item in items if isinstance(item, dict)]
                    self.frames += new
                    yield from new
                else:
                    self.foreign += data

    # -- what it said -------------------------------------------------------------------------------------------------

    @property
    def code(self) -> int:
        """The exit code that a supervisor sees."""
        return self.process.returncode

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The frames of one kind."""
        return [frame for frame in self.frames if frame["kind"] == kind]

    def text(self, name: str = "stdout", cell: int | None = None) -> str:
        """All text of one stream in the notebook, or of one cell."""
        return "".join(
            frame["text"] for frame in self.of("stream") if frame["name"] == name and cell in (None, frame["cell"])
        )

    def log(self, name: str | None = None) -> str:
        """All text of the log that is not in the notebook."""
        return "".join(frame["text"] for frame in self.of("log") if name in (None, frame["name"]))

    @property
    def result(self) -> dict[str, Any]:
        """The last frame."""
        last = self.frames[-1]
        assert last["kind"] == "rank_finished", self.describe()
        return last


def run(
    folder: Path,
    *sources: str | tuple[str, list[str]],
    env: dict[str, str] | None = None,
    python: str = sys.executable,
    **kwargs: Any,
) -> Rank:
    """A rank that has run these cells to its end."""
    with Rank(bundle(folder / "bundle.pyz", notebook(*sources), **kwargs), env, python) as rank:
        return rank.wait()


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Waits for a condition, at most so long. Gives whether it came."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def kill(pid: int) -> None:
    """Ends a process that a test left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
