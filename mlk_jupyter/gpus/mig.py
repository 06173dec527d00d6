"""MIG: what a slice of a GPU can use, and what share of the GPU it is.

A name such as `1g.18gb` says neither: "18gb" of an H200 are 16 GiB that a program can use. Node labels of NVIDIA's
feature discovery are believed first; this table stands in where they are missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_GIB = 1024**3
_NAME = re.compile(r"(?P<slots>\d+)g\.(?P<gb>\d+)gb")


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to cut a GPU."""

    name: str
    usable_gib: float | None
    """Memory that a program can use; None: nobody measured it."""
    multiprocessors: int | None
    most: int
    """So many fit on one GPU."""


def _p(name: str, usable_gib: float | None, multiprocessors: int | None, most: int) -> Profile:
    return Profile(name, usable_gib, multiprocessors, most)


# Usable memory as `nvidia-smi mig -lgip` printed it: NVIDIA/mig-parted issues 120, 139 and 187, gpu-operator issues 900
# and 1303, go-nvml's mocks for A30 and A100; numbers of instances from mig-parted's default configuration. By a part of
# the product's name, the more particular first.
_PROFILES: tuple[tuple[str, tuple[Profile, ...]], ...] = (
    ("A30", (_p("1g.6gb", 5.7, 14, 4), _p("2g.12gb", 11.4, 28, 2), _p("4g.24gb", 22.8, 56, 1))),
    (
        "A100-SXM4-40GB",
        (
            _p("1g.5gb", 4.75, 14, 7),
            _p("1g.10gb", 9.62, 14, 4),
            _p("2g.10gb", 9.62, 28, 3),
            _p("3g.20gb", 19.5, 42, 2),
            _p("4g.20gb", 19.5, 56, 1),
            _p("7g.40gb", 39.25, 98, 1),
        ),
    ),
    (
        "A100",
        (
            _p("1g.10gb", 9.62, 14, 7),
            _p("1g.20gb", 19.5, 14, 4),
            _p("2g.20gb", 19.5, 28, 3),
            _p("3g.40gb", 39.25, 42, 2),
            _p("4g.40gb", 39.25, 56, 1),
            _p("7g.80gb", 78.5, 98, 1),
        ),
    ),
    (
        "GH200-144G",
        (
            _p("1g.18gb", 17.5, 16, 7),
            _p("1g.36gb", 35.25, 26, 4),
            _p("2g.36gb", 35.25, 32, 3),
            _p("3g.72gb", None, None, 2),
            _p("4g.72gb", None, None, 1),
            _p("7g.144gb", None, None, 1),
        ),
    ),
    (
        "H200",
        (
            _p("1g.18gb", 16.0, 16, 7),
            _p("1g.35gb", 32.25, 26, 4),
            _p("2g.35gb", 32.25, 32, 3),
            _p("3g.71gb", 69.5, 60, 2),
            _p("4g.71gb", 69.5, 64, 1),
            _p("7g.141gb", None, 132, 1),
        ),
    ),
    (
        "H100-NVL",
        (
            _p("1g.12gb", 10.75, 16, 7),
            _p("1g.24gb", 21.62, 26, 4),
            _p("2g.24gb", 21.62, 32, 3),
            _p("3g.47gb", None, 60, 2),
            _p("4g.47gb", None, None, 1),
            _p("7g.94gb", None, None, 1),
        ),
    ),
    (
        "H100",
        (
            _p("1g.10gb", 9.75, 16, 7),
            _p("1g.20gb", 19.62, 26, 4),
            _p("2g.20gb", 19.62, 32, 3),
            _p("3g.40gb", 39.5, 60, 2),
            _p("4g.40gb", 39.5, 64, 1),
            _p("7g.80gb", 79.25, 132, 1),
        ),
    ),
    (
        "GB200",
        (
            _p("1g.23gb", 20.0, 18, 7),
            _p("1g.47gb", 45.5, 32, 4),
            _p("2g.47gb", 45.5, 38, 3),
            _p("3g.93gb", None, None, 2),
            _p("4g.93gb", None, None, 1),
            _p("7g.186gb", None, None, 1),
        ),
    ),
    (
        "B200",
        (
            _p("1g.23gb", 20.5, 18, 7),
            _p("1g.45gb", 44.25, 30, 4),
            _p("2g.45gb", 44.25, 36, 3),
            _p("3g.90gb", None, None, 2),
            _p("4g.90gb", None, None, 1),
            _p("7g.180gb", None, 148, 1),
        ),
    ),
    ("RTX-PRO-6000", (_p("1g.24gb", 23.12, 46, 4), _p("2g.48gb", None, None, 2), _p("4g.96gb", None, None, 1))),
)
_FOUR_SLOTS = ("A30", "RTX-PRO-6000")


def profiles(product: str | None) -> tuple[Profile, ...]:
    """How a product can be cut; empty where it cannot, or that is not known.

    Args: product: as the driver or a node label names it.
    """
    name = _normal(product)
    return next((found for part, found in _PROFILES if part in name), ())


def profile_of(profile: str, product: str | None) -> Profile | None:
    """A profile as a resource or a driver names it: `1g.18gb`, `1g.10gb.me`, `1g.10gb+me`."""
    match = _NAME.search(profile)
    return next((one for one in profiles(product) if match and one.name == match[0]), None)


def usable_bytes(profile: str, product: str | None) -> int | None:
    """Memory that a program in such a slice can use; None: not known."""
    known = profile_of(profile, product)
    return None if known is None or known.usable_gib is None else int(known.usable_gib * _GIB)


def weight(profile: str, product: str | None) -> float:
    """What share of its GPU a slice is: of its computing slots or of its memory, whichever is more.

    `4g` and `3g` together are 1.07 of one GPU: who adds weights up scales what is above 1 down to it.
    """
    match = _NAME.search(profile)
    if match is None:
        return 1.0
    slots = 4 if any(part in _normal(product) for part in _FOUR_SLOTS) else 7
    known = profile_of(profile, product)
    compute = int(match["slots"]) / slots
    # Memory is cut into eighths: two or four of a profile fit where its memory, not its slots, fills the GPU.
    memory = 1 / known.most if known is not None and known.most in (2, 4) else 0.0
    return min(1.0, max(compute, memory))


def _normal(product: str | None) -> str:
    return (product or "").upper().replace(" ", "-").replace("_", "-").replace("NVIDIA-", "")
