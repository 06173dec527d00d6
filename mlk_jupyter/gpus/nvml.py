"""NVML through the `pynvml` module, or what a test puts in its place. Blocking, and a broken driver may hang."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def begin(nvml: Any | None = None) -> Any:
    """The library, in a session that `nvmlShutdown` ends.

    Args:   nvml: stands in for the `pynvml` module; None imports it.
    Raises: ImportError; whatever the library raises where there is no driver (see `sentence`).
    """
    library = importlib.import_module("pynvml") if nvml is None else nvml
    library.nvmlInit()
    return library


def attempt(read: Callable[[], T]) -> T | None:
    """One figure, or None: drivers refuse single figures (MIG, old boards, vGPU) and answer the others."""
    try:
        return read()
    except Exception:  # pynvml's classes are made at import and share no base with a stub's
        return None


def text(value: str | bytes) -> str:
    """A text of NVML's."""
    return value.decode() if isinstance(value, bytes) else value  # bytes until nvidia-ml-py 11.5


def sentence(error: Exception) -> str:
    """What went wrong with NVML, for a person."""
    kind = type(error).__name__
    if isinstance(error, ImportError):
        return "NVIDIA's management library cannot be read because nvidia-ml-py is not installed."
    if "LibraryNotFound" in kind:
        return "This machine has no NVIDIA driver."
    if "DriverNotLoaded" in kind:
        return "NVIDIA's driver is installed but not loaded."
    return f"NVIDIA's driver does not answer: {error}."
