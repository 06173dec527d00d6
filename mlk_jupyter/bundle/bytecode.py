"""Byte code for the modules in a bundle. Another version of Python ignores it and compiles the source beside it."""

from __future__ import annotations

import functools
import importlib.util
import marshal

# The last format without references: those depend on what else the process holds, so the bytes would change.
_FORMAT = 2
_UNCHECKED_HASH = 0b01  # trusted as it lies there: the bundle's own hash covers source and byte code


@functools.lru_cache(maxsize=256)
def byte_code(name: str, source: bytes) -> bytes | None:
    """The content of a .pyc file for a module, the same bytes for the same input; None where it cannot be written."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    try:
        body = marshal.dumps(code, _FORMAT)
    except ValueError:  # a constant that came later than the format, e.g. a slice in Python 3.14
        return None
    flags = _UNCHECKED_HASH.to_bytes(4, "little")
    return b"".join([importlib.util.MAGIC_NUMBER, flags, importlib.util.source_hash(source), body])
