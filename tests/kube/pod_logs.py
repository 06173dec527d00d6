"""What containers wrote, as a kubelet keeps and serves it.

The provider of `pods/log`. For a request the server asks, in this order:

- `problem(pod, container, previous=…)` → the text of a 400, or None;
- `container_of(pod, asked)` → the container's name (the only one, where none is asked for);
- `read(pod, container, …)` or `follow(pod, container, …)` → the bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .store import Object

LINE = 16 * 1024
"""The container runtime writes longer lines in pieces of so many bytes."""


@dataclass
class ContainerLog:
    """One run of one container: pieces of lines, each with its time in nanoseconds since the epoch."""

    limit: Callable[[], int | None]
    """Gives the size at which the newest file is put away; None without rotation."""
    pieces: list[tuple[int, bytes, bool]] = field(default_factory=list)
    """Time, text and whether the line ends here."""
    first: int = 0
    """Number of the first piece that is still kept."""
    size_bytes: int = 0
    """Of what the newest file holds."""
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[str, bytes] = field(default_factory=dict)
    _latest: int = 0

    def write(self, stream: str, data: bytes) -> None:
        """Take what a container wrote to stdout or stderr."""
        data = self._open.pop(stream, b"") + data
        *lines, rest = data.split(b"\n")
        for line in lines:
            while len(line) > LINE:
                self._add(line[:LINE], False)
                line = line[LINE:]
            self._add(line, True)
        while len(rest) > LINE:
            self._add(rest[:LINE], False)
            rest = rest[LINE:]
        if rest:
            self._open[stream] = rest
        self._tell()

    def end(self) -> None:
        """The container ended: what is left of its last lines is written, and followers are let go."""
        for rest in self._open.values():
            self._add(rest, False)
        self._open.clear()
        self.ended = True
        self._tell()

    def _add(self, text: bytes, whole: bool) -> None:
        self._latest = max(time.time_ns(), self._latest)
        max_bytes = self.limit()
        if max_bytes is not None and self.size_bytes + len(text) > max_bytes and self.pieces:
            self.first += len(self.pieces)
            self.pieces.clear()
            self.size_bytes = 0
        self.pieces.append((self._latest, text, whole))
        self.size_bytes += len(text) + 45

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class PodLogs:
    """The logs of all pods on all nodes, kept while their pods exist."""

    def __init__(self) -> None:
        self.max_bytes: int | None = None
        """Set it to let logs rotate: when the newest file would grow over it, what was written before is lost."""
        self.unreachable: set[str] = set()
        """Nodes whose kubelet does not answer."""
        self._logs: dict[tuple[str, str], list[ContainerLog]] = {}

    def open(self, pod_uid: str, container: str) -> ContainerLog:
        """The log of a container's next run."""
        log = ContainerLog(lambda: self.max_bytes)
        self._logs.setdefault((pod_uid, container), []).append(log)
        return log

    def kept(self) -> bytes:
        """The text of all logs, as far as it has not rotated away."""
        return b"".join(text for runs in self._logs.values() for log in runs for _, text, _ in log.pieces)

    def forget(self, pod_uid: str) -> None:
        """The pod is gone, and its logs with it."""
        for key in [key for key in self._logs if key[0] == pod_uid]:
            for log in self._logs.pop(key):
                log.ended = True
                log._tell()

    def container_of(self, pod: Object, asked: str | None) -> str:
        """The container to read."""
        return asked or str(pod["spec"]["containers"][0]["name"])

    def problem(self, pod: Object, asked: str | None, *, previous: bool = False) -> str | None:
        """Why the log cannot be read, in the API server's or the kubelet's words."""
        name, spec = pod["metadata"]["name"], pod["spec"]
        containers = [each["name"] for each in spec["containers"]]
        inits = [each["name"] for each in spec.get("initContainers") or []]
        if not asked and len(containers) > 1:
            also = f" or one of the init containers: [{' '.join(inits)}]" if inits else ""
            return f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]{also}"
        container = self.container_of(pod, asked)
        if container not in (*containers, *inits):
            return f"container {container} is not valid for pod {name}"
        if not spec.get("nodeName"):
            return f"pod {name} does not have a host assigned"
        runs = self._logs.get((pod["metadata"]["uid"], container), [])
        if previous and len(runs) < 2:
            return f'previous terminated container "{container}" in pod "{name}" not found'
        if runs:
            return None
        status = pod.get("status", {})
        statuses = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
        state: Object = next((each["state"] for each in statuses if each["name"] == container), {})
        reason = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
        text = f'container "{container}" in pod "{name}" is waiting to start: '
        if reason == "ErrImagePull":
            return text + "image can't be pulled"
        return text + ("trying and failing to pull image" if reason == "ImagePullBackOff" else reason)

    async def read(
        self,
        pod: Object,
        container: str,
        *,
        since: datetime | None = None,
        tail_lines: int | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
        previous: bool = False,
    ) -> bytes:
        """What is kept. `since`: the second it lies in counts as a whole, as the API carries no more."""
        chunks = self._serve(pod, container, since, tail_lines, timestamps, previous, follow=False)
        return b"".join([chunk async for chunk in limited(chunks, limit_bytes)])

    async def follow(
        self,
        pod: Object,
        container: str,
        *,
        since: datetime | None = None,
        tail_lines: int | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """As `read`, and what is written from then on, until the container ends or its pod is gone."""
        chunks = self._serve(pod, container, since, tail_lines, timestamps, previous, follow=True)
        async for chunk in limited(chunks, limit_bytes):
            yield chunk

    async def _serve(
        self,
        pod: Object,
        container: str,
        since: datetime | None,
        tail_lines: int | None,
        timestamps: bool,
        previous: bool,
        *,
        follow: bool,
    ) -> AsyncIterator[bytes]:
        runs = self._logs.get((pod["metadata"]["uid"], container), [])
        if not runs:
            return
        log = runs[-2] if previous else runs[-1]
        at = log.first
        if tail_lines is not None:
            ends = [number for number, piece in enumerate(log.pieces) if piece[2]]
            if log.pieces and not log.pieces[-1][2]:
                ends.append(len(log.pieces) - 1)
            at += len(log.pieces) if tail_lines == 0 else 0 if tail_lines >= len(ends) else ends[-tail_lines - 1] + 1
        since_ns = 0 if since is None else int(since.timestamp()) * 1_000_000_000
        line_start = True
        while True:
            changed, ended = log.changed, log.ended
            at = max(at, log.first)  # what rotated away meanwhile is lost
            out = bytearray()
            for moment, text, whole in log.pieces[at - log.first :]:
                at += 1
                if moment >= since_ns:
                    if timestamps and line_start:
                        out += stamp_ns(moment).encode() + b" "
                    out += text + (b"\n" if whole else b"")
                    line_start = whole
                if len(out) > 256 * 1024:
                    yield bytes(out)
                    out.clear()
            if out:
                yield bytes(out)
            if at < log.first + len(log.pieces):
                continue
            if ended or not follow:
                return
            await changed.wait()


def stamp_ns(moment: int) -> str:
    """RFC 3339 with nanoseconds, without trailing zeros, as the runtime prints it."""
    seconds, nanos = divmod(moment, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{nanos:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


async def limited(chunks: AsyncIterator[bytes], limit_bytes: int | None) -> AsyncIterator[bytes]:
    """The first bytes of a stream, all without a limit."""
    left = limit_bytes
    async for chunk in chunks:
        if left is not None and len(chunk) >= left:
            yield chunk[:left]
            return
        left = None if left is None else left - len(chunk)
        yield chunk
