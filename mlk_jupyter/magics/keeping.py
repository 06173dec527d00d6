"""`%k8s_keep`: keeps the kernel that it is typed in from being stopped as idle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..figures import duration
from ..idle import asking, inside
from ..idle.folders import Folders, Wish
from ..idle.servers import Server, server_of
from . import parsing

_MODES = {
    "off": "Kernels are not watched here (MLK_IDLE_MODE=off): nothing would stop it.",
    "shadow": "Nothing is stopped here (MLK_IDLE_MODE=shadow): it would only be written down.",
    "enforce": "",
}
_ALONE = "No server with mlk-jupyter watches this kernel, so that nothing would stop it."


def k8s_keep(shell: Any, line: str) -> None:
    """`%k8s_keep TIME [REASON]`, `%k8s_keep`, `%k8s_keep off`."""
    asked = parsing.keep().read_words(line.split())  # not as a shell would: a reason may hold an apostrophe
    kernel = inside.kernel_id()
    if kernel is None:
        print("This is no kernel of a Jupyter server: nothing would stop it.")
        return
    with asking.told():
        _said(*_done(kernel, asked.time, " ".join(asked.reason).strip("\"'")))


def _done(kernel: str, typed: str | None, reason: str) -> tuple[str, ...]:
    """Does what was typed. Gives the sentences that say what became of it. Raises: BadInput, OSError."""
    server = server_of(kernel)
    more = _ALONE if server is None else _MODES[server.kernels.policy.mode]
    if typed is None:
        return (*_state(kernel, server), more)
    if typed == "off":
        there = inside.release(kernel)
        block = next(iter(_wishes(kernel)), None)
        said = "This kernel is not kept any more." if there else "This kernel was not kept."
        return (said if block is None else f"A block still keeps this kernel{_for(block.reason)}.",)
    asked_s = asking.length(typed, "%k8s_keep off")
    granted = None if server is None else asking.possible(server.granted(kernel, asked_s), "This kernel")
    seconds = asked_s if granted is None else granted.seconds
    inside.wish(kernel, "magic", seconds, reason)
    why = f": {granted.why}" if granted is not None and granted.why else ""
    return (f"This kernel is kept for {duration(seconds)}{why}.", more)


def _state(kernel: str, server: Server | None) -> tuple[str, ...]:
    """Whether it is kept, by what was written here, and what its server says of it."""
    now = time.time()
    wishes = [wish for wish in _wishes(kernel) if wish.until is None or wish.until > now]
    if wishes:
        longest = max(wishes, key=lambda wish: float("inf") if wish.until is None else wish.until)
        until = "while a block runs" if longest.until is None else f"for {duration(longest.until - now)}"
        return (f"This kernel is kept {until}{_for(longest.reason)}.",)
    state = None if server is None else server.kernel(kernel)
    if state is None or state.stops_at is None or state.would_stop:
        return ("This kernel is not kept.",)
    return (f"This kernel is not kept, and stops in {duration(state.stops_at - now)} if it does nothing.",)


def _wishes(kernel: str) -> Sequence[Wish]:
    """What was asked for it, by whom that still lives. Raises: OSError."""
    left = Folders(inside.folder_of(kernel).parent).read([kernel]).get(kernel)
    return () if left is None else left.wishes


def _for(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _said(*sentences: str) -> None:
    print("\n".join(sentence for sentence in sentences if sentence))
