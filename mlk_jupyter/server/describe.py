"""What `/mlk/info` tells."""

from __future__ import annotations

from importlib.util import find_spec

from ..backends.many import Backends
from ..model.api import ServerInfo
from ..record.folder import data_dir
from ..runs.store import is_http, tracking_uri, without_credentials


async def describe(backends: Backends) -> ServerInfo:
    """Version, backends, and where runs are recorded, if anywhere."""
    from .._version import __version__

    infos = await backends.infos()
    uri = tracking_uri(data_dir())
    records = is_http(uri) or _has_mlflow()
    return ServerInfo(
        version=__version__,
        backend=infos[0],
        backends=infos,
        mlflow_uri=without_credentials(uri) if records else None,
    )


def _has_mlflow() -> bool:
    """Whether MLflow is installed beside us, without importing it. A mere folder of that name has no origin."""
    spec = find_spec("mlflow")
    return spec is not None and spec.origin is not None
