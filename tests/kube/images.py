"""The images that nodes have or can pull, and what pulling others says."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

TOOLS = ("cat", "cp", "date", "echo", "env", "false", "ls", "mkdir", "mv", "printf", "rm", "sleep", "tee", "true")
"""Of every image that has a shell."""


@dataclass(frozen=True)
class Image:
    """What one image holds."""

    python: str | None = sys.executable
    """The interpreter that `python3` and `python` start; None: it has none."""
    shell: bool = True
    python_paths: tuple[str, ...] = ("/opt/venv/bin/python", "/usr/bin/python3", "/usr/local/bin/python3")
    """Where the interpreter lies in the image."""
    present: bool = True
    """On the nodes already; else it is pulled first."""
    user: int = 0
    """Whom its processes run as unless the pod says otherwise; here they are all the same user as the tests."""
    refuses: str | None = None
    """Pulling it fails with these words (after `failed to resolve reference "…": `)."""


DEFAULT: dict[str, Image] = {
    "local/*": Image(),
    "docker.io/local/*": Image(),
    "*@sha256:*": Image(present=False),
}


def lookup(images: Mapping[str, Image], name: str) -> Image | None:
    """The image of that name: exactly, then by wildcard; None when there is none."""
    if name in images:
        return images[name]
    return next((image for pattern, image in images.items() if "*" in pattern and fnmatchcase(name, pattern)), None)


def reference(name: str) -> str:
    """With registry and tag, as the container runtime prints it: `torch` → `docker.io/library/torch:latest`."""
    first, _, rest = name.partition("/")
    if not rest:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    tagged = "@" in name or ":" in name.rpartition("/")[2]
    return name if tagged else f"{name}:latest"


def is_valid(name: str) -> bool:
    """Whether it can name an image at all."""
    return (
        bool(re.fullmatch(r"[a-z0-9]+[a-zA-Z0-9._:/@-]*", name))
        and name.rpartition(":")[0].lower() == (name.rpartition(":")[0])
    )


def pull_error(name: str, image: Image | None) -> str:
    """What the runtime says when an image cannot be pulled."""
    full = reference(name)
    host, _, path = full.partition("/")
    repository, _, tag = path.rpartition(":")
    start = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
    if image is not None and image.refuses:
        return start + image.refuses
    if host.endswith(".invalid"):
        url = f"https://{host}/v2/{repository}/manifests/{tag}"
        return f'{start}failed to do request: Head "{url}": dial tcp: lookup {host} on 10.0.0.53:53: no such host'
    return f"{start}{full}: not found"


def search_path(image: Image, folder: Path) -> str:
    """The PATH of an image. One that lacks Python or a shell has nothing else of this machine either."""
    programs = str(_programs(image, folder))
    return f"{programs}:/usr/local/bin:/usr/bin:/bin" if image.python and image.shell else programs


def _programs(image: Image, folder: Path) -> Path:
    """A folder with the image's own programs. Made once."""
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    if image.python:
        for name in ("python3", "python"):
            # A script, not a link: through a link an interpreter does not find its own environment.
            (folder / name).write_text(f'#!/bin/sh\nexec "{image.python}" "$@"\n', encoding="utf-8")
            (folder / name).chmod(0o755)
    if image.shell:
        for name in ("sh", *TOOLS):
            found = shutil.which(name, path="/usr/bin:/bin")
            if found:
                (folder / name).symlink_to(found)
    return folder
