"""The executed notebook of a job folder: the finished file, or what the frames so far add up to."""

from __future__ import annotations

import json
import zipfile
import zlib
from typing import Any

from ..errors import MlkError
from .files import opened, read_regular
from .folder import JobFolder
from .replay import MOST_RANKS, Replay

NOTEBOOK_BYTES = 512 * 1024 * 1024  # of a notebook in a record, unpacked: more than any browser opens
# What a damaged zip makes its readers raise; a RuntimeError where it claims to be encrypted.
_BROKEN = (OSError, KeyError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class NoNotebook(MlkError):
    """The job's record holds no notebook (any more)."""

    code, title, status = "no_notebook", "No notebook in the record", 404

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"The record of {job_id} has no readable bundle, so its notebook cannot be shown.",
            hint="The log is still there.",
        )


def as_file(notebook: dict[str, Any]) -> bytes:
    """The bytes of an .ipynb file, laid out as Jupyter writes them."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": "))
    return (text + "\n").encode("utf-8", "replace")


def submitted(folder: JobFolder) -> dict[str, Any] | None:
    """The notebook that was submitted, from the bundle; None when the bundle is missing or broken."""
    try:
        with opened(folder.bundle) as file, zipfile.ZipFile(file) as bundle:
            about = bundle.getinfo("job/notebook.ipynb")
            if about.file_size > NOTEBOOK_BYTES:
                return None
            notebook = json.loads(bundle.read(about))
    except _BROKEN:
        return None
    return notebook if isinstance(notebook, dict) else None


def replay_of(folder: JobFolder) -> Replay | None:
    """A replay to which no frame was applied yet, with the job's own metadata; None when there is no notebook."""
    notebook = submitted(folder)
    if notebook is None:
        return None
    spec = folder.read_spec()
    return Replay(
        notebook,
        job_id=folder.id,
        name=spec.name if spec else None,
        parameters=spec.parameters if spec else None,
        world_size=spec.world_size if spec else MOST_RANKS,
        outputs_limit=spec.output_limits[1] if spec else 0,
    )


def executed(folder: JobFolder) -> dict[str, Any] | None:
    """The executed notebook: the finished file, else the frames so far; None when there is no notebook at all."""
    try:
        notebook = json.loads(read_regular(folder.executed, NOTEBOOK_BYTES))
        if isinstance(notebook, dict):
            return notebook
    except (OSError, ValueError, RecursionError):
        pass  # not finished, or its last write failed: the frames know
    replay = replay_of(folder)
    if replay is None:
        return None
    for frame in folder.each_frame():
        replay.apply(frame)
    return replay.notebook()
