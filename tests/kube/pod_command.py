"""What a container's command becomes on this machine. Touches only the pod's own folders."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .images import Image
from .pod_env import expand
from .pod_files import Rewriting
from .store import Object


class BadCommand(Exception):
    """The runtime's words about a command that it cannot start."""


@dataclass(frozen=True)
class Command:
    """A container's command, environment and working directory."""

    pod: Object
    container: Object
    image: Image
    search_path: str
    """The image's PATH."""
    port: int
    """Stands for MASTER_PORT."""

    def here(
        self, env: dict[str, str], mounts: dict[str, str], root: Path, cluster_folder: Path
    ) -> tuple[list[str], dict[str, str], str]:
        """What to start, with which environment, where. Raises `BadCommand`.

        Args: env: as the pod declares it. root: stands for the container's own file system; made here.
        """
        spec = self.pod["spec"]
        rewrite = Rewriting(mounts, spec.get("subdomain"), self.port)
        root.mkdir(parents=True, exist_ok=True)
        words = [*(self.container.get("command") or ["python3"]), *(self.container.get("args") or [])]
        argv = [expand(each, env) for each in words]
        found = {
            "PATH": self.search_path,
            "HOSTNAME": str(spec.get("hostname") or self.pod["metadata"]["name"]),
            "HOME": str(root),
            "LANG": "C.UTF-8",
            **({"TMPDIR": mounts["/tmp"]} if "/tmp" in mounts else {}),
            **{name: str(self.port) if name.endswith("MASTER_PORT") else rewrite(value) for name, value in env.items()},
        }
        asked = self.container.get("workingDir") or "/"
        folder = root if asked == "/" else Path(rewrite(asked))
        if not folder.is_dir():
            if not folder.is_relative_to(cluster_folder):
                folder = root / asked.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
        program = _program(argv[0], rewrite(argv[0]), self.image, found["PATH"])
        return [program, *map(rewrite, argv[1:])], found, str(folder)


def must_not_be_root(pod: Object, container: Object, image: Image) -> str | None:
    """The kubelet's refusal of an image that would run as root where the pod forbids it; None when it may run."""
    contexts = [container.get("securityContext") or {}, pod["spec"].get("securityContext") or {}]
    strict = next((each["runAsNonRoot"] for each in contexts if "runAsNonRoot" in each), False)
    user = next((each["runAsUser"] for each in contexts if "runAsUser" in each), image.user)
    if not strict or user:
        return None
    meta = pod["metadata"]
    about = f'(pod: "{meta["name"]}_{meta["namespace"]}({meta["uid"]})", container: {container["name"]})'
    return f"container has runAsNonRoot and image will run as root {about}"


def _program(asked: str, real: str, image: Image, path: str) -> str:
    """The file to execute for a command's first word. Raises `BadCommand`."""
    if "/" not in asked:
        if asked in ("python3", "python") and image.python:
            return image.python
        found = shutil.which(asked, path=path)
        if found is None:
            raise BadCommand(f'"{asked}": executable file not found in $PATH')
        return found
    if asked in image.python_paths:
        if image.python:
            return image.python
        raise BadCommand(f'"{asked}": stat {asked}: no such file or directory')
    if not Path(real).exists():
        raise BadCommand(f'"{asked}": stat {asked}: no such file or directory')
    if not os.access(real, os.X_OK) or Path(real).is_dir():
        raise BadCommand(f'"{asked}": permission denied')
    return real
