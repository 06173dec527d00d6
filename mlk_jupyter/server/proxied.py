"""The way to a server on this machine for browsers elsewhere: jupyter-server-proxy, where a person has installed it.

There is no route of ours for it: a page behind one would share Jupyter's origin without anybody having asked for that.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from jupyter_server.base.handlers import JupyterHandler

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def has_proxy(handler: JupyterHandler) -> bool:
    """Whether jupyter-server-proxy runs in this server."""
    app = handler.serverapp
    package = app.extension_manager.extensions.get("jupyter_server_proxy") if app is not None else None
    return package is not None and bool(package.enabled)


def through_proxy(url: str | None, base_url: str) -> str | None:
    """The path under which jupyter-server-proxy has an address of this machine; None for addresses that it has not.

    Args: base_url: of this server, with a slash at both ends.
    """
    parts = urlsplit(url or "")
    if parts.scheme != "http" or parts.hostname not in LOOPBACK or parts.port is None:
        return None
    there = parts._replace(scheme="", netloc="", path=f"{base_url}proxy/{parts.port}{parts.path or '/'}")
    return there.geturl()
