"""What is asked of a job. No I/O: whether it can be had is the preflight's question."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..quantities import parse
from .base import StrictModel
from .cluster import ClusterOptions
from .names import Quantity, is_reserved
from .texts import is_text, seconds

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Linux refuses to start a program with one variable of 128 KiB, or with some MiB of them; parameters travel in one.
_LARGEST_VALUE = 100_000
_LARGEST_ENV = 1_000_000


def _within(least: str, most: str) -> Callable[[str], str]:
    """Checks that a size lies between two others."""

    def check(size: str) -> str:
        if not parse(least) <= parse(size) <= parse(most):
            raise ValueError(f"write a size from {least} to {most}, for example {most}")
        return size

    return check


Duration = Annotated[int, Field(ge=1, le=366 * 86_400), BeforeValidator(seconds)]


class JobSpec(StrictModel):
    """What was asked: the one description of a job that every face writes and every backend reads."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    """What the job is called on screen. Need not be unique."""
    notebook: Annotated[str, Field(min_length=1, max_length=4096)]
    """Path of the notebook or script as the person knows it (in JupyterLab: the contents path)."""
    workers: Annotated[int, Field(ge=1, le=1024)] = 1
    """Process groups on this machine, pods on a cluster."""
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """Whole GPUs for each worker."""
    ranks_per_worker: Annotated[int, Field(ge=1, le=64)] | None = None
    """Processes in each worker; None means one for each GPU, and one without GPUs."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the cell tagged `parameters`. Python literals that JSON can carry."""
    arguments: list[str] = Field(default_factory=list, max_length=1000)
    """Words that a script finds in `sys.argv` behind its own name."""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables of every rank."""
    files: list[str] = Field(default_factory=list, max_length=1000)
    """More files or folders to carry along, relative to the notebook's folder."""
    time_limit_s: Annotated[Duration | None, BeforeValidator(seconds)] = None
    """Wall time in seconds after which the job is stopped; None means no limit. `"2h"` is understood."""
    grace_period_s: Annotated[int, Field(ge=1, le=3600), BeforeValidator(seconds)] = 30
    """Seconds from SIGTERM to SIGKILL when the job is stopped: what a handler that saves a checkpoint has."""
    kernel: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name of the kernelspec whose Python runs it on this machine; None means the notebook's own."""
    python: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Path of the Python that runs it on this machine, or of its environment's folder, relative to the notebook's
    folder; None means that of the kernel, and for a script that of the environment beside it."""
    output_limit: Annotated[Quantity, AfterValidator(_within("1Ki", "32Mi"))] = "16Mi"
    """Most bytes of one output that the notebook keeps; a larger one is in a file of the job folder, and in a
    cluster left out."""
    notebook_limit: Annotated[Quantity, AfterValidator(_within("1Ki", "128Mi"))] = "64Mi"
    """Most bytes of all outputs of the job together that the notebook keeps."""
    mlflow: bool = True
    """Whether the job is recorded as an MLflow run."""
    cluster: ClusterOptions = Field(default_factory=ClusterOptions)
    """What is asked of a cluster besides; a job on this machine does without it."""

    @model_validator(mode="before")
    @classmethod
    def _grace_is_the_jobs(cls, asked: Any) -> Any:
        """`grace_period_s` may stand among what is asked of a cluster, as in a file for `--cluster-options`."""
        cluster = asked.get("cluster") if isinstance(asked, Mapping) else None
        if not isinstance(cluster, Mapping) or "grace_period_s" not in cluster:
            return asked
        rest = {name: value for name, value in cluster.items() if name != "grace_period_s"}
        return {"grace_period_s": cluster["grace_period_s"], **asked, "cluster": rest}

    @field_validator("name")
    @classmethod
    def _name_is_one_line(cls, name: str) -> str:
        if _CONTROL.search(name):
            raise ValueError("a name cannot hold control characters")
        return name

    @field_validator("python")
    @classmethod
    def _python_is_of_one_place(cls, python: str | None, info: ValidationInfo) -> str | None:
        if python is not None and info.data.get("kernel") is not None:
            raise ValueError("a kernel is named as well; name one of both")
        if python is not None and _CONTROL.search(python):
            raise ValueError("a path cannot hold control characters")
        return python

    @field_validator("parameters")
    @classmethod
    def _parameters_fit(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(parameters, default=str, ensure_ascii=False)
        if not is_text(text):
            raise ValueError("a text in them holds half a character, or bytes that are not UTF-8")
        if (size := len(text.encode())) > _LARGEST_VALUE:
            raise ValueError(f"{size:,} bytes are too many; put large values into a file and pass its name")
        return parameters

    @field_validator("arguments")
    @classmethod
    def _arguments_fit(cls, arguments: list[str]) -> list[str]:
        for word in arguments:
            if "\0" in word:
                raise ValueError("a word cannot hold a NUL character")
            if not is_text(word):
                raise ValueError("a word holds half a character, or bytes that are not UTF-8")
        if (size := sum(len(word.encode()) for word in arguments)) > _LARGEST_VALUE:
            raise ValueError(f"{size:,} bytes are too many; put them into a file and pass its name")
        return arguments

    @field_validator("env")
    @classmethod
    def _env_is_settable(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not _ENV_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a name for an environment variable")
            if is_reserved(name):
                raise ValueError(f"{name} is set by the launcher and cannot be chosen")
            if "\0" in value:
                raise ValueError(f"the value of {name} contains a NUL character")
            if not is_text(value):
                raise ValueError(f"the value of {name} is not UTF-8 text")
            if len(os.fsencode(value)) > _LARGEST_VALUE:
                raise ValueError(f"the value of {name} is too large; put it into a file and pass the file's name")
        if sum(len(name) + len(os.fsencode(value)) for name, value in env.items()) > _LARGEST_ENV:
            raise ValueError("they are too many; put them into a file and pass the file's name")
        return env

    @property
    def output_limits(self) -> tuple[int, int]:
        """The two limits of outputs in bytes: of one, and of all together."""
        return int(parse(self.output_limit)), int(parse(self.notebook_limit))

    @property
    def ranks_in_worker(self) -> int:
        """Processes in each worker, defaults resolved."""
        return self.ranks_per_worker or max(1, self.gpus)

    @property
    def world_size(self) -> int:
        """Processes in the whole job."""
        return self.workers * self.ranks_in_worker
