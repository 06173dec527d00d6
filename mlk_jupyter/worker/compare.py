"""Says how the job's Python and packages differ from those of the kernel that sent it: what was seen there may not
hold here, and values may not fit."""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .wire import Sender


def compare(recorded: bytes, sender: Sender) -> None:
    """One notice where a recorded version is not the one here; none where all agree. Never raises."""
    try:
        there: Dict[str, Any] = json.loads(recorded)
        lines = differences({str(name): str(version) for name, version in there.items()})
    except Exception:  # a comparison is no reason to fail
        return
    if lines:
        sender.send("notice", text=f"This job has other versions than the notebook: {'; '.join(lines)}.")


def differences(there: Dict[str, str]) -> List[str]:
    """A few words for each package whose version differs. Builds (`+cpu`) and Python's last number do not count."""
    lines: List[str] = []
    for name, version in there.items():
        here = _version(name)
        if here is None:
            lines.append(f"{name} {version} there, missing here")
        elif _kept(name, version) != _kept(name, here):
            lines.append(f"{name} {version} there, {here} here")
    return lines


def _version(name: str) -> Optional[str]:
    if name == "python":
        return sys.version.split()[0]
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _kept(name: str, version: str) -> str:
    version = version.partition("+")[0]
    return ".".join(version.split(".")[:2]) if name == "python" else version
