"""The bundle: an executable zip, the same bytes for the same input."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import MlkError
from ..model import JobSpec


class BundleTooLarge(MlkError):
    code, title, status = "bundle_too_large", "The notebook's files do not fit", 413


@dataclass(frozen=True)
class Bundle:
    """What a backend needs to run a job."""

    data: bytes
    """The zip: `python bundle.pyz` is one rank."""
    notebook: dict[str, Any]
    """The notebook in it (nbformat 4, outputs removed, parameters injected)."""
    directory: Path | None
    """The notebook's own folder on this machine, if it has one."""
    kernel: str | None = None
    """Name of the kernelspec the notebook asks for."""
    files: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """Sentences for a person: what was left out, and why."""

    @property
    def sha256(self) -> str:
        raise NotImplementedError


def build(notebook: dict[str, Any], spec: JobSpec, directory: Path | None) -> Bundle:
    raise NotImplementedError
