"""What a person wants of all their kernels, kept beside their records. Blocking."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from ..record.files import read_regular
from ..record.folder import write_atomically

logger = logging.getLogger(__name__)


def read_settings(path: Path) -> dict[str, str]:
    """The settings, by the names that `policy.resolve` takes; empty where there are none, or none can be read."""
    try:
        found = json.loads(read_regular(path, 64 * 1024))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("The settings for idle kernels cannot be read: %s: %s", path, error)
        return {}
    texts = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in texts if isinstance(name, str) and isinstance(text, str)}


def write_settings(path: Path, settings: dict[str, str]) -> None:
    """Replaces them. Never raises: on a disk that takes nothing they hold as long as the server lives."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, json.dumps(settings).encode())
    except OSError as error:
        logger.warning("The settings for idle kernels cannot be kept: %s: %s", path, error)
