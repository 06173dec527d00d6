"""What the supervisor must know beside the spec: fixed when the job is submitted, kept in the job folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from ...model.base import TolerantModel
from ...record.files import read_regular
from ...record.folder import JobFolder, write_atomically


class Launch(TolerantModel):
    """How the ranks of one job are started on this machine."""

    python: str
    """The interpreter that runs the ranks."""
    directory: str
    """Where they run: the notebook's own folder."""
    nonce: str
    """What marks the frames of this job."""
    env: dict[str, str] = Field(default_factory=dict)
    """What the notebook's kernelspec and its launcher set."""
    options: list[str] = Field(default_factory=list)
    """Python's own, as the kernelspec has them."""
    uses_mlflow: bool = True
    """Whether the notebook imports MLflow, so that its store must be there before the ranks are."""


def read(folder: JobFolder) -> Launch | None:
    """How the job is to be started, or None when the file is missing or torn."""
    try:
        return Launch.model_validate_json(read_regular(_path(folder)))
    except (OSError, ValidationError):
        return None


def write(folder: JobFolder, launch: Launch) -> None:
    write_atomically(_path(folder), launch.model_dump_json(indent=1).encode(), lasting=False)


def _path(folder: JobFolder) -> Path:
    return folder.path / "launch.json"
