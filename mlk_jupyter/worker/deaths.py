"""How a process ended, in words."""

from __future__ import annotations

import signal
from enum import Enum
from typing import NamedTuple, Optional


class Signalled(NamedTuple):
    """What a signal that ended a process means."""

    code: str
    """Of the reason, in snake_case."""
    how: str
    """What happened to the process, as the predicate of a sentence."""
    hint: str


class Death(str, Enum):
    """How a process ended that raised no exception to say why. The values travel in frames and last words."""

    EXITED = "exited"
    """It left by itself, as by `os._exit`."""
    SIGNAL = "signal"
    """A signal ended it."""
    MEMORY = "memory"
    """The kernel killed it because memory ran out."""


_WHO_SENT = "Nothing says who sent that: the job's own code, or somebody on its machine."
SIGNALS = {
    "SIGSEGV": Signalled(
        "segmentation_fault",
        "crashed in native code (segmentation fault, SIGSEGV)",
        "A native library touched memory that is not its own; where that was is in the log's last lines.",
    ),
    "SIGBUS": Signalled(
        "shared_memory_full",
        "could not reach memory that it had mapped (SIGBUS): /dev/shm is probably full",
        "Give the job more shared memory, or use fewer data loader workers.",
    ),
    "SIGABRT": Signalled(
        "aborted", "was aborted by native code (SIGABRT)", "A library's check failed; its message is in the log."
    ),
    "SIGFPE": Signalled("aborted", "divided by zero in native code (SIGFPE)", "See the log's last lines."),
    "SIGILL": Signalled(
        "wrong_processor",
        "met an instruction that this processor does not have (SIGILL)",
        "A package was built for another processor: choose other machines or another image.",
    ),
    "SIGKILL": Signalled(
        "killed",
        "was killed (SIGKILL)",
        "Often the machine ran out of memory: use smaller batches or fewer workers.",
    ),
    "SIGTERM": Signalled("terminated", "was asked to end (SIGTERM)", _WHO_SENT),
    "SIGINT": Signalled("terminated", "was interrupted (SIGINT)", _WHO_SENT),
    "SIGXCPU": Signalled("killed", "passed its limit of processor time (SIGXCPU)", "Raise that limit (`ulimit -t`)."),
    "SIGXFSZ": Signalled("killed", "wrote a file larger than allowed (SIGXFSZ)", "Raise that limit (`ulimit -f`)."),
    "SIGPIPE": Signalled("killed", "wrote to a pipe that nobody reads (SIGPIPE)", "See the log's last lines."),
}


def signalled(name: str) -> Signalled:
    """What it means that this signal ended a process."""
    return SIGNALS.get(name) or Signalled("killed", f"was ended by {name}", "See the log's last lines.")


def name_of(number: int) -> str:
    """`SIGKILL` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def signal_in(exit_code: Optional[int]) -> Optional[str]:
    """The signal that an exit code stands for, as shells and containers say it: 128 and its number."""
    if exit_code is None or not 128 < exit_code < 128 + 65:
        return None
    name = name_of(exit_code - 128)
    return name if name.startswith("SIG") else None


def explain(number: int, killed_for_memory: Optional[bool], peak_bytes: Optional[int], stopping: bool) -> str:
    """Why a signal ended the process, in a sentence. `killed_for_memory` None: not known."""
    name = name_of(number)
    if stopping and name in ("SIGTERM", "SIGINT"):
        return f"The process ended as it was asked to ({name})."
    peak = "" if not peak_bytes else f" Its peak was {peak_bytes / 2**30:.2f} GiB."
    if name != "SIGKILL":
        what = signalled(name)
        return f"The process {what.how}. {what.hint}"
    if killed_for_memory:
        return f"The process was killed because memory ran out (SIGKILL).{peak} Ask for more memory or use less."
    if stopping:
        return "The process did not end when it was asked to, and was killed (SIGKILL)."
    if killed_for_memory is None:
        return f"The process was killed from outside (SIGKILL), probably because memory ran out.{peak}"
    return (
        f"The process was killed from outside (SIGKILL): memory of the whole machine may have run out, or somebody "
        f"killed it.{peak}"
    )


def oom_kills() -> Optional[int]:
    """How many processes of our control group the kernel has killed for memory so far; None where it does not say."""
    try:
        with open("/proc/self/cgroup") as file:
            paths = {controllers: path.strip() for _, controllers, path in (line.split(":", 2) for line in file)}
    except (OSError, ValueError):
        return None
    places = []
    if "memory" in paths:
        places += [f"/sys/fs/cgroup/memory{paths['memory']}/memory.oom_control"]
        places += ["/sys/fs/cgroup/memory/memory.oom_control"]
    if "" in paths:
        places += [f"/sys/fs/cgroup{paths[''].rstrip('/')}/memory.events"]
        places += ["/sys/fs/cgroup/memory.events"]
    for place in places:
        try:
            with open(place) as file:
                for line in file:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return None


def oom_killed(before: Optional[int]) -> Optional[bool]:
    """Whether the kernel has killed for memory in our control group since `before` was read; None where unknown."""
    now = oom_kills()
    return None if before is None or now is None else now > before
