"""How a process ended, in words."""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

ENDED_ITSELF = "The process ended itself"
"""How the words begin for a process that left without an exception, as by `os._exit`."""

_WORDS = {
    "SIGSEGV": "crashed in native code (segmentation fault). The Python stack at that moment is in the log",
    "SIGBUS": "could not reach memory that it had mapped. Shared memory (/dev/shm) is probably full: give the job more "
    "of it, or use fewer data loader workers",
    "SIGABRT": "was aborted by native code (a failed check in a library; its message is in the log)",
    "SIGFPE": "divided by zero in native code",
    "SIGILL": "met an instruction that this processor does not have: a package was built for another one",
    "SIGTERM": "was asked to end by something outside the job",
    "SIGINT": "was interrupted",
    "SIGXCPU": "passed its limit of processor time",
    "SIGXFSZ": "wrote a file larger than allowed",
    "SIGPIPE": "wrote to a pipe that nobody reads",
}


def name_of(number: int) -> str:
    """`SIGKILL` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def explain(number: int, killed_for_memory: Optional[bool], peak_bytes: Optional[int], stopping: bool) -> str:
    """Why a signal ended the process, in a sentence. `killed_for_memory` None: not known."""
    name = name_of(number)
    peak = "" if not peak_bytes else f" Its peak was {peak_bytes / 2**30:.2f} GiB."
    if name != "SIGKILL":
        return f"The process {_WORDS.get(name, 'was ended by a signal')} ({name})."
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
