"""Which kernel is meant by what was typed, among those of all servers of this person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import text
from ..errors import MlkError
from ..idle.servers import Server, path_of
from ..model.kernels import KernelState
from .which import which

Found = tuple[Server, KernelState]
_MOST_NAMED = 20


class NotWatched(MlkError):
    """No server of this person watches the kernel that was named."""

    code, title, status = "kernel_not_watched", "No such kernel", 404

    def __init__(self, wanted: str, known: int) -> None:
        there = f"{text.counted(known, 'kernel is', 'kernels are')} watched" if known else "No kernel is watched"
        super().__init__(
            f"Nothing is known of a kernel {wanted!r}. {there} by servers of yours on this machine.",
            hint="`mlk idle` lists them. A kernel appears there some seconds after it was started.",
        )


class SeveralKernels(MlkError):
    """What was typed fits several kernels, and is not guessed."""

    code, title, status = "several_kernels", "Several kernels are meant", 409

    def __init__(self, wanted: str, kernels: Sequence[Found]) -> None:
        more = f"\n  and {len(kernels) - _MOST_NAMED} more" if len(kernels) > _MOST_NAMED else ""
        rows = [(kernel.id, kernel.path or "", kernel.words, server.url) for server, kernel in kernels[:_MOST_NAMED]]
        lines = "\n".join(f"  {line}" for line in text.table(rows))
        super().__init__(
            f"{len(kernels)} kernels fit {wanted!r}:\n{lines}{more}",
            hint="Name one by its id, or as much of the id as no other begins with.",
        )
        self.named = tuple(kernels[:_MOST_NAMED])


def kernel_of(wanted: str, servers: Sequence[Server]) -> Found:
    """The one that is meant: by its id, the beginning of it, its notebook's path or name.

    Raises: NotWatched; SeveralKernels where nobody can be asked which, or nobody chooses.
    """
    every = [(server, kernel) for server in servers for kernel in server.kernels.kernels]
    for fits in (_has_id, _is_at_path, _begins_with, _is_called):
        found = [(server, kernel) for server, kernel in every if fits(wanted, server, kernel)]
        if len(found) > 1:
            several = SeveralKernels(wanted, found)
            return which(several, several.named)
        if found:
            return found[0]
    raise NotWatched(wanted, len(every))


def _has_id(wanted: str, server: Server, kernel: KernelState) -> bool:
    return kernel.id == wanted


def _is_at_path(wanted: str, server: Server, kernel: KernelState) -> bool:
    file = path_of(server, kernel)
    return file is not None and (kernel.path == wanted or Path(wanted).absolute() == file)


def _begins_with(wanted: str, server: Server, kernel: KernelState) -> bool:
    return kernel.id.startswith(wanted)


def _is_called(wanted: str, server: Server, kernel: KernelState) -> bool:
    return kernel.path is not None and wanted in (Path(kernel.path).name, Path(kernel.path).stem)
