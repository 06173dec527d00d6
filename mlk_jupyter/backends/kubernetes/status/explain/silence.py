"""A node that does not answer: which one, and since when as far as it is known. Pure."""

from __future__ import annotations

import re

from .....figures import duration
from .....model import Reason

_SAID = re.compile(r"^(The node (\S+) of .*? has not answered)(?: for at least [^;]+)?;")


def explain_silence(node: str, who: str, known_s: float | None) -> Reason:
    """Words for it. `known_s`: how long ago the cluster took note, which is some time after the last sign of life."""
    ago = f" for at least {duration(known_s)}" if known_s is not None else ""
    return Reason(
        code="node_silent",
        text=f"The node {node} of {who} has not answered{ago}; nothing is known of it.",
        hint="The cluster gives it up after some minutes. If it stays so, delete the job.",
    )


def silent_node(reason: Reason) -> str | None:
    """The node that a reason of `explain_silence` is about, where it is not said since when; None for any other."""
    said = _SAID.match(reason.text) if reason.code == "node_silent" else None
    return said[2] if said is not None else None


def since_heartbeat(reason: Reason, heartbeat: float | None, now: float) -> Reason:
    """The same with the time since the node's last heartbeat, where that is known. Both in seconds since the epoch."""
    if heartbeat is None or heartbeat > now:
        return reason
    text = _SAID.sub(lambda said: f"{said[1]} for {duration(now - heartbeat)};", reason.text)
    return reason.model_copy(update={"text": text})
