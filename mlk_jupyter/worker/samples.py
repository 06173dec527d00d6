"""What a rank uses: processor, memory, GPUs. Unknown is None, never 0."""

from __future__ import annotations

import os
import time

from .tree import descendants_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple


class Sampler:
    """Measures the processes below one, itself included; processor time since the sample before."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._since = time.monotonic()
        self._seconds: Dict[int, float] = {}
        self._gpus: Any = None

    def sample(self) -> Dict[str, Any]:
        """The fields of a `sample` frame. cpu_cores: cores kept busy; memory_bytes: what would be free without us."""
        now = time.monotonic()
        seconds: Dict[int, float] = {}
        used: List[Tuple[int, int]] = []
        for pid in [self._root, *descendants_of(self._root)]:
            measured = _measure(pid)
            if measured is not None:
                seconds[pid] = measured[0]
                used.append(measured[1:])
        cores: Optional[float] = None
        if seconds and now > self._since:
            busy = sum(max(0.0, spent - self._seconds.get(pid, 0.0)) for pid, spent in seconds.items())
            cores = round(busy / (now - self._since), 3)
        self._seconds, self._since = seconds, now
        # Pages that processes share are counted once: the largest share stands for all.
        memory = sum(own for own, _ in used) + max(shared for _, shared in used) if used else None
        return {"cpu_cores": cores, "memory_bytes": memory, "gpus": self._gpu_samples()}

    def _gpu_samples(self) -> List[Dict[str, Any]]:
        if self._gpus is None:
            from .nvml import Nvml

            self._gpus = Nvml(os.environ.get("CUDA_VISIBLE_DEVICES"))
        samples: List[Dict[str, Any]] = self._gpus.sample()
        return samples


def _measure(pid: int) -> Optional[Tuple[float, int, int]]:
    """Processor seconds, bytes of its own, bytes it may share; None where the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/statm") as file:
            pages = file.read().split()
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        page = os.sysconf("SC_PAGE_SIZE")
        return seconds, (int(pages[1]) - int(pages[2])) * page, int(pages[2]) * page
    except (OSError, ValueError, IndexError):
        return None
