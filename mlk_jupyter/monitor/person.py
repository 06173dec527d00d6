"""Under which names a person's own pods run."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Mapping


def names(environ: Mapping[str, str]) -> frozenset[str]:
    """As jobs are submitted (MLK_USER), as JupyterHub knows them, else as this system does."""
    told = {environ[name] for name in ("MLK_USER", "JUPYTERHUB_USER") if environ.get(name)}
    if not told:
        with contextlib.suppress(KeyError, OSError, ImportError):  # a container's user id without a name
            told.add(getpass.getuser())
    return frozenset(told)
