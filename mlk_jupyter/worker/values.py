"""Values on their way into a job and back: the same types come out as went in, or the value is refused by name.

Without pickle nothing that is read here can run code. Encodings:

    json     plain Python values, and arrays, frames and tensors inside of them (worker/tagged.py says how)
    npy      one numpy array, as `numpy.save` writes it
    arrow    one pandas DataFrame, as an Arrow stream
    pickle   an HMAC-SHA256 of the value's name and bytes (32 bytes), then what cloudpickle or pickle wrote; only where
             the person asked for it, and only with the job's key, which is checked before anything is unpickled

A value that appears twice in a structure comes out as two equal ones; pickle keeps them one.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

PUSH_LIMIT = 64 * 1024 * 1024  # bytes of all values that go into a job; the backend's bundle may carry fewer
PULL_LIMIT = 4 * 1024 * 1024  # bytes of all values that come back: they travel as text among what the job prints
KEY_BYTES = 32
RETURNED = "return"
"""The name under which a function's value comes back; no variable can bear it."""

_SIGNATURE_BYTES = 32
_PROTOCOL = 5  # of pickle: the newest that Python 3.9 knows
_WAY_OUT = "Ask for pickle (`--pickle`, `pickle=True`), or make it of plain values, arrays, frames or tensors."
# What no encoding can carry, and what to do instead; by the type's module and name, so that nothing is imported.
_BOUND_HERE: Tuple[Tuple[Callable[[Any], bool], str, str], ...] = (
    (lambda value: isinstance(value, io.IOBase), "an open file", "Pass its path, and open it in the job."),
    (lambda value: isinstance(value, types.GeneratorType), "a generator", "Pass a list of what it gives."),
    (lambda value: isinstance(value, types.AsyncGeneratorType), "an async generator", "Make it in the job."),
    (lambda value: isinstance(value, types.CoroutineType), "a coroutine", "Await it here, or call it in the job."),
    (lambda value: isinstance(value, types.ModuleType), "a module", "Import it in the job."),
    (lambda value: isinstance(value, (types.FrameType, types.TracebackType)), "a traceback", "Pass its text."),
    (lambda value: type(value).__module__ in ("_thread", "threading", "_threading_local"), "a thread or lock",
     "Make it in the job."),
    (lambda value: type(value).__module__ in ("socket", "_socket", "ssl", "_ssl"), "an open connection",
     "Open it in the job."),
    (lambda value: type(value).__module__ in ("sqlite3", "_sqlite3"), "an open database", "Open it in the job."),
)  # fmt: skip


class ValueProblem(Exception):
    """A value that cannot travel, or one that arrived broken.

    Attributes: name: the variable. why: what is wrong with it, as a sentence without its name. hint: the way out.
    """

    def __init__(self, name: str, why: str, hint: str = _WAY_OUT) -> None:
        super().__init__(f"{name}: {why} {hint}".rstrip())
        self.name, self.why, self.hint = name, why, hint

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.name, self.why, self.hint)


class Encoded:
    """A value as bytes. `encoding` is "json", "npy", "arrow" or "pickle"."""

    __slots__ = ("data", "encoding")

    def __init__(self, encoding: str, data: bytes) -> None:
        self.encoding, self.data = encoding, data

    def __repr__(self) -> str:
        return f"Encoded({self.encoding!r}, {len(self.data):,} bytes)"


def encode(
    value: Any,
    *,
    pickle: bool = False,
    key: Optional[bytes] = None,
    name: str = "value",
    limit_bytes: int = PUSH_LIMIT,
) -> Encoded:
    """A value as bytes, the same bytes for the same plain value.

    Args:
        pickle:      whether what has no plain form may be pickled; what has one never is.
        key:         the job's, of at least 16 bytes; needed to pickle.
        name:        the variable's, for errors; a pickled value can only be decoded under the same one.
        limit_bytes: most bytes; a larger value is given up as soon as that shows.

    Raises: ValueProblem when the value has no exact form, or is too large.
    """
    from . import arrays, tables, tagged

    try:
        encoding, data = tagged.encode(value, name, limit_bytes, (arrays, tables))
    except tagged.TooLarge as error:
        raise _too_large(name, limit_bytes) from error
    except tagged.NoForm as problem:
        bound = bound_here(problem.value)
        if bound is not None:
            raise ValueProblem(problem.where, *bound) from problem
        if not pickle:
            raise ValueProblem(problem.where, problem.why, problem.hint or _WAY_OUT) from problem
        encoding, data = "pickle", _pickled(value, name, key, limit_bytes)
    if len(data) > limit_bytes:
        raise _too_large(name, limit_bytes, len(data))
    return Encoded(encoding, data)


def decode(encoding: str, data: bytes, *, key: Optional[bytes] = None, name: str = "value") -> Any:
    """The value that `encode` was given. Runs no code of others unless the data bears the key's signature.

    Raises: ValueProblem when the data is broken or forged, or needs a package that is not here.
    """
    if encoding == "pickle":
        return _unpickled(data, name, key)
    from . import arrays, tables, tagged

    try:
        return tagged.decode(encoding, data, (arrays, tables))
    except ImportError as error:
        raise _lacking(name, error) from error
    except Exception as error:  # the data may be anything
        why = f"Its data is broken ({type(error).__name__}: {str(error)[:200]})."
        raise ValueProblem(name, why, "Send it again.") from error


def frame_of(name: str, encoded: Encoded) -> Dict[str, Any]:
    """The fields of a `value` frame (worker/frames.py)."""
    import base64

    return {
        "name": name,
        "encoding": encoded.encoding,
        "data": base64.b64encode(encoded.data).decode("ascii"),
        "why": None,
    }


def from_frame(frame: Dict[str, Any], *, key: Optional[bytes] = None, limit_bytes: int = PULL_LIMIT) -> Any:
    """The value of a `value` frame.

    Raises: ValueProblem when it could not be sent, is broken or forged, or has more bytes than it may.
    """
    import base64

    name = str(frame.get("name"))
    if frame.get("why") is not None:
        raise ValueProblem(name, str(frame["why"]), "")
    if size_in(frame) > limit_bytes:
        raise _too_large(name, limit_bytes, size_in(frame))
    try:
        data = base64.b64decode(str(frame.get("data")), validate=True)
    except ValueError as error:
        raise ValueProblem(name, "Its data is broken.", "Send it again.") from error
    return decode(str(frame.get("encoding")), data, key=key, name=name)


def size_in(frame: Dict[str, Any]) -> int:
    """Bytes of the value in a `value` frame."""
    text = str(frame.get("data"))
    return len(text) * 3 // 4 - text[-2:].count("=")


def bound_here(value: Any) -> Optional[Tuple[str, str]]:
    """Why no encoding can carry a value out of its process, and what to do instead; None where one may."""
    for is_it, what, hint in _BOUND_HERE:
        if is_it(value):
            return f"It is {what}, which cannot leave its process.", hint
    return None


def _lacking(name: str, error: ImportError) -> ValueProblem:
    package = (error.name or str(error)).partition(".")[0]
    return ValueProblem(name, f"It needs {package}, which this Python lacks.", f"Install {package} where it is read.")


def _too_large(name: str, limit_bytes: int, size: Optional[int] = None) -> ValueProblem:
    is_ = f"It has more than {limit_bytes:,} bytes" if size is None else f"It has {size:,} bytes"
    left = f"{limit_bytes:,} may still go" if size is not None else "which is what may still go"
    why = f"{is_}, {left}: a job takes values of {PUSH_LIMIT:,} bytes in all and gives back {PULL_LIMIT:,}."
    return ValueProblem(name, why, "Save it to a file (in a job: in `checkpoint_dir()`), and read it from there.")


class _Limited(io.RawIOBase):
    """Collects what a pickler writes, up to a limit."""

    def __init__(self, limit: int) -> None:
        self.parts: List[bytes] = []
        self._left = limit

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        from .tagged import TooLarge

        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise TooLarge()
        self.parts.append(bytes(data))
        return size


def _pickled(value: Any, name: str, key: Optional[bytes], limit_bytes: int) -> bytes:
    from .tagged import TooLarge

    _check_key(name, key)
    by_value, pickler = _pickler()
    file = _Limited(limit_bytes)
    try:
        pickler(file, _PROTOCOL).dump(value)
    except TooLarge as error:
        raise _too_large(name, limit_bytes) from error
    except Exception as error:  # a class may do anything when it is pickled
        said = str(error).strip().split("\n", 1)[0][:200]
        raise ValueProblem(
            name, f"It cannot be pickled ({type(error).__name__}: {said}).", "Pass its parts."
        ) from error
    body = b"".join(file.parts)
    if not by_value and _names_main(body):
        why = f"It holds a {type(value).__name__} defined in the notebook, which only cloudpickle can carry."
        raise ValueProblem(name, why, "Install cloudpickle here, or define the class in a module beside the notebook.")
    return _signature(name, body, key) + body


def _unpickled(data: bytes, name: str, key: Optional[bytes]) -> Any:
    if not key:
        why = "It is pickled, and its job did not ask for that."
        raise ValueProblem(name, why, "Nothing was unpickled. Submit with `--pickle` (`pickle=True`).")
    signature, body = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(name, body, key)):
        why = "Its signature is not the job's: somebody or something changed it on its way."
        raise ValueProblem(name, why, "Nothing was unpickled. Run the job again.")
    import pickle

    try:
        return pickle.loads(body)
    except ImportError as error:
        raise _lacking(name, error) from error
    except Exception as error:  # versions differ
        why = f"It cannot be unpickled here ({type(error).__name__}: {str(error)[:200]})."
        raise ValueProblem(
            name, why, "Use the same versions of Python and packages, or send it without pickle."
        ) from error


def _pickler() -> Tuple[bool, Callable[..., Any]]:
    """Whether it carries classes of the notebook along, and the pickler."""
    try:
        from importlib import import_module

        return True, import_module("cloudpickle").Pickler
    except ImportError:
        import pickle

        return False, pickle.Pickler


def _names_main(body: bytes) -> bool:
    """Whether a pickle refers to something in `__main__`."""
    if b"__main__" not in body:
        return False
    import pickletools

    texts = (arg for _, arg, _ in pickletools.genops(body) if isinstance(arg, str))
    return any(text == "__main__" or text.startswith("__main__ ") for text in texts)


def _check_key(name: str, key: Optional[bytes]) -> None:
    if not key or len(key) < 16:
        raise ValueProblem(name, "It must be pickled, which needs the job's key, and there is none.")


def _signature(name: str, body: bytes, key: Optional[bytes]) -> bytes:
    mac = hmac.new(key or b"", b"mlk value\0" + name.encode("utf-8", "surrogatepass") + b"\0", hashlib.sha256)
    mac.update(body)
    return mac.digest()
