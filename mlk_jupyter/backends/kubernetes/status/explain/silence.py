"""A node that does not answer: which one, and since when as far as it is known. Pure."""

from __future__ import annotations

from .....figures import duration
from .....model import Reason


class SilentNode(Reason):
    """Of a node it is not known since when it is silent, but that it is at least as long as is said."""

    node: str
    who: str
    """The worker on it, in words."""

    def since(self, heartbeat: float | None, now: float) -> Reason:
        """The same with the time since the node's last heartbeat, where that is known. Both in seconds since the
        epoch."""
        if heartbeat is None or heartbeat > now:
            return self
        return Reason(code=self.code, text=_text(self.node, self.who, f" for {duration(now - heartbeat)}"), hint=_HINT)


_HINT = "The cluster gives it up after some minutes. If it stays so, delete the job."


def explain_silence(node: str, who: str, known_s: float | None) -> SilentNode:
    """Words for it. `known_s`: how long ago the cluster took note, which is some time after the last sign of life."""
    ago = f" for at least {duration(known_s)}" if known_s is not None else ""
    return SilentNode(code="node_silent", text=_text(node, who, ago), hint=_HINT, node=node, who=who)


def _text(node: str, who: str, ago: str) -> str:
    return f"The node {node} of {who} has not answered{ago}; nothing is known of it."
