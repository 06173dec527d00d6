"""Where records are kept. Imports next to nothing: a server asks at its start."""

from __future__ import annotations

import os
from pathlib import Path


def data_dir() -> Path:
    """Where everything of ours is kept: `MLK_DATA_DIR`, else `mlk-jupyter` in the Jupyter data directory."""
    chosen = os.environ.get("MLK_DATA_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "mlk-jupyter"
