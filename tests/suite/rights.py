"""What this process may do, made less: permissions mean something also where tests run as root."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator

import pytest

# From linux/capability.h: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_BEYOND_PERMISSIONS = 1 << 1 | 1 << 2
_VERSION_3 = 0x20080522
_FEW = 16  # files


@pytest.fixture
def ordinary() -> Iterator[None]:
    """Permissions of files hold for this thread, and those that it starts, as for anybody but root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, the low halves first
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    before = sets[0]
    sets[0] = before & ~_BEYOND_PERMISSIONS
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may hardly open another file."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The numbers that are free may lie between others: those that the next ones get are the limit.
    next_ones = [os.open(os.devnull, os.O_RDONLY) for _ in range(_FEW)]
    for each in next_ones:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(next_ones) + 1, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
