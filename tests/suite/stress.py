"""Tests run again and again on a busy machine: `python -m tests.suite.stress --rounds 10 -- tests/kubernetes`.

A race shows when threads and processes wait for their turn. So beside the tests as many processes compute as there are
twice cores. The first failure ends it. What comes behind `--` is pytest's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# It ends by itself when the process that started it is gone, however that ended.
_BURN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"
_GRACE_S = 30.0  # in which an interrupted pytest ends what it started


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.suite.stress", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, metavar="N")
    parser.add_argument("--load", type=int, default=2 * (os.cpu_count() or 1), help="processes that compute beside")
    parser.add_argument("tests", nargs="+", help="tests and options, as for pytest")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is ended
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in its background
    begun = time.monotonic()
    with _load(asked.load) as count:
        for number in range(1, asked.rounds + 1):
            start = time.monotonic()
            code = _run(asked.tests)
            took = f"after {time.monotonic() - start:.0f} s, beside {count} busy processes"
            if code != 0:
                print(f"stress: round {number} of {asked.rounds} failed {took}", flush=True)
                return code
            print(f"stress: round {number} of {asked.rounds} passed {took}", flush=True)
    print(f"stress: all {asked.rounds} rounds passed in {time.monotonic() - begun:.0f} s", flush=True)
    return 0


@contextmanager
def _load(count: int) -> Iterator[int]:
    """So many processes that only compute, ended with the block."""
    burners = [subprocess.Popen([sys.executable, "-c", _BURN], stdin=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield count
    finally:
        for burner in burners:
            burner.kill()
        for burner in burners:
            burner.wait()


def _run(tests: list[str]) -> int:
    """One round of tests: its exit code. Interrupted, it ends what it started."""
    with subprocess.Popen([sys.executable, "-m", "pytest", "-x", *tests]) as process:
        try:
            return process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


if __name__ == "__main__":
    sys.exit(main())
