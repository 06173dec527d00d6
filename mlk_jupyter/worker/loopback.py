"""What ranks of one machine tell each other stays on it.

The store at MASTER_PORT, in which ranks find each other, listens on every interface of the machine whatever
MASTER_ADDR says: anybody in the network could write into it. It takes a socket that listens already, and gets one on
127.0.0.1.
"""

from __future__ import annotations

from .imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOST = "127.0.0.1"
_WAITING = 2048  # connections that may wait to be accepted: what torch asks for


def install(master_addr: str) -> None:
    """To be called before the first cell."""
    if master_addr == _HOST:
        when_imported("torch.distributed.rendezvous", _wrap)


def _wrap(module: Any) -> None:
    store = getattr(module, "TCPStore", None)
    if store is None:
        return

    def on_loopback(*args: Any, **fields: Any) -> Any:
        if args or not fields.get("is_master") or fields.get("host_name") != _HOST:
            return store(*args, **fields)
        import socket

        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, int(fields["port"])))
            listener.listen(_WAITING)
        except OSError:  # a store of this process listens there and is used again; else torch says what is wrong
            listener.close()
            return store(**fields)
        port, handle = listener.getsockname()[1], listener.detach()
        try:
            return store(**{**fields, "port": port, "master_listen_fd": handle})
        except TypeError:  # a torch that cannot be given one
            socket.socket(fileno=handle).close()
            return store(**fields)

    module.TCPStore = on_loopback
