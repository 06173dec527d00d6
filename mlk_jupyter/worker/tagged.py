"""Plain values as JSON that keeps their types, with the bytes of arrays and texts of bytes behind it.

The data is one JSON text in ASCII; where the value holds bytes, a NUL and all of them follow. None, True, False,
numbers, text, lists and dicts whose keys are text stand for themselves. Everything else is an object with the key
"!", its tag, and "v"; a dict that has a key "!" itself is tagged as one. `{"b": [at, size]}` are bytes behind the NUL.

    bytes bytearray        v: where they are                tuple set frozenset deque   v: items (deque: most, items)
    dict odict             v: [[key, value], …]             complex          v: [real, imaginary]
    float                  v: 8 bytes as hex (NaN, ±inf)    int              v: hex (beyond 4,000 digits)
    text                   v: where its UTF-8 is (it has half characters)
    decimal path v: text   fraction v: [n, d]   uuid v: hex   range slice v: [start, stop, step]   ellipsis
    date time datetime     v: ISO text, fold, zone          timedelta        v: [days, seconds, microseconds]
    zone                   v: null (UTC), [timedelta, name] or the name of a zone of the IANA database
    scalar array frame series tensor                        see worker/arrays.py and worker/tables.py

Types of other packages are written and read by the `Package`s that are handed in; this module knows none of them.
"""

from __future__ import annotations

import datetime
import json
import math
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Protocol, Tuple

    class Package(Protocol):
        """A module that knows a package's types. Such a type may have an encoding of its own, for a value that is all.

        Attributes: ENCODING: the name of its own encoding. TAGS: those of the forms that `read` takes.
        """

        ENCODING: str
        TAGS: Tuple[str, ...]

        def whole(self, writer: Writer, value: Any) -> Optional[bytes]:
            """A value in its own encoding; None for one that has none. Raises: NoForm, TooLarge."""

        def read_whole(self, data: bytes) -> Any:
            """The value of such bytes. Raises whatever broken data leads to."""

        def plain(self, writer: Writer, value: Any, way: Tuple[Any, ...]) -> Optional[Dict[str, Any]]:
            """What stands for the value in JSON; None where it is none of the package's. Raises: NoForm, TooLarge."""

        def read(self, reader: Reader, form: Dict[str, Any]) -> Any:
            """The value that `plain` stood for. Raises whatever broken data leads to."""


_DEEPEST = 100  # levels of nesting: Python's JSON reader gives up at about a thousand, and a level may take three
_LONG_INT = 1 << 13_000  # Python refuses to write out numbers of more than 4,300 digits
_FEW = 16  # bytes that a small value counts for, when the size of what is being encoded is estimated


class TooLarge(Exception):
    """The value has more bytes than may travel."""


class NoForm(Exception):
    """A value that has no exact plain form.

    Attributes: where: the variable and the way into it. value: what stands there. why, hint: words for a person.
    """

    def __init__(self, where: str, value: Any, why: str, hint: str = "") -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.value, self.why, self.hint = where, value, why, hint


def encode(value: Any, name: str, limit_bytes: int, packages: Tuple[Package, ...]) -> Tuple[str, bytes]:
    """The encoding ("json", or a package's own) and the data. Raises: NoForm, TooLarge."""
    writer = Writer(name, limit_bytes, packages)
    whole = writer.whole(value)
    if whole is not None:
        return whole
    try:
        plain = writer.plain(value, ())
        text = json.dumps(plain, separators=(",", ":"), allow_nan=False).encode("ascii")
    except RecursionError as error:
        raise NoForm(name, value, "It is nested too deep.") from error
    return "json", b"\0".join([text, b"".join(writer.blobs)]) if writer.blobs else text


def decode(encoding: str, data: bytes, packages: Tuple[Package, ...]) -> Any:
    """The value. Raises whatever broken data leads to; runs no code that it names."""
    if encoding == "json":
        text, _, blobs = data.partition(b"\0")
        return Reader(memoryview(blobs), packages).value(json.loads(text))
    for package in packages:
        if encoding == package.ENCODING:
            return package.read_whole(data)
    raise ValueError(f"no such encoding: {encoding}")


class Writer:
    """Makes JSON of one value, and collects the bytes that follow it."""

    def __init__(self, name: str, limit_bytes: int, packages: Tuple[Package, ...]) -> None:
        self.blobs: List[bytes] = []
        self.packages = packages
        self._at = 0
        self._name, self._limit, self._size = name, limit_bytes, 0
        self._open: Dict[int, Any] = {}  # the containers around what is being written

    def whole(self, value: Any) -> Optional[Tuple[str, bytes]]:
        """A value that has an encoding of its own, at the top; None for any other."""
        for package in self.packages:
            data = package.whole(self, value)
            if data is not None:
                return package.ENCODING, data
        return None

    def count(self, size: int) -> None:
        """Notes bytes that are about to be written. Raises: TooLarge."""
        self._size += size
        if self._size > self._limit:
            raise TooLarge()

    def where(self, way: Tuple[Any, ...]) -> str:
        """The variable and the way into it, as Python would write it."""
        return self._name + "".join(f"[{step!r}]" if not isinstance(step, _Part) else f"{step}" for step in way)[:200]

    def blob(self, data: bytes) -> Dict[str, List[int]]:
        """Takes bytes; gives where they are."""
        self.count(len(data))
        self.blobs.append(data)
        at, self._at = self._at, self._at + len(data)
        return {"b": [at, len(data)]}

    def no_form(self, value: Any, way: Tuple[Any, ...], why: str, hint: str = "") -> NoForm:
        return NoForm(self.where(way), value, why, hint)

    def plain(self, value: Any, way: Tuple[Any, ...]) -> Any:
        """What stands for the value in JSON. Raises: NoForm, TooLarge."""
        kind = type(value)
        self.count(_FEW)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -_LONG_INT < value < _LONG_INT else {"!": "int", "v": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"!": "float", "v": struct.pack(">d", value).hex()}
        if kind is str:
            self.count(len(value))
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:  # JSON would make one character of two halves
                return {"!": "text", "v": self.blob(value.encode("utf-8", "surrogatepass"))}
            return value
        if kind in _CONTAINERS or kind.__name__ in ("OrderedDict", "deque"):
            return self._container(value, kind, way)
        write = _LEAVES.get(f"{kind.__module__}.{kind.__qualname__}")
        if write is not None:
            return write(self, value)
        return self._foreign(value, way)

    def _container(self, value: Any, kind: type, way: Tuple[Any, ...]) -> Any:
        if id(value) in self._open:
            raise self.no_form(value, way, "It holds itself.")
        if len(self._open) >= _DEEPEST:
            raise self.no_form(value, way, f"It is nested more than {_DEEPEST} deep.")
        self._open[id(value)] = value
        try:
            return self._filled(value, kind, way)
        finally:
            del self._open[id(value)]

    def _filled(self, value: Any, kind: type, way: Tuple[Any, ...]) -> Any:
        from collections import OrderedDict, deque

        if kind is dict and "!" not in value and all(type(key) is str and key.isascii() for key in value):
            self.count(sum(map(len, value)))
            return {key: self.plain(item, (*way, key)) for key, item in value.items()}
        if kind is dict or kind is OrderedDict:
            pairs = [
                [self.plain(key, (*way, _Part(".keys()"))), self.plain(item, (*way, key))]
                for key, item in value.items()
            ]
            return {"!": "dict" if kind is dict else "odict", "v": pairs}
        if kind is set or kind is frozenset:
            items = [self.plain(item, (*way, _Part("{}"))) for item in value]
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))  # a set's own order differs between processes
            return {"!": kind.__name__, "v": items}
        if kind is list or kind is tuple:
            items = [self.plain(item, (*way, at)) for at, item in enumerate(value)]
            return items if kind is list else {"!": "tuple", "v": items}
        if kind is deque:
            items = [self.plain(item, (*way, at)) for at, item in enumerate(value)]
            return {"!": "deque", "v": [value.maxlen, items]}
        return self._foreign(value, way)

    def _foreign(self, value: Any, way: Tuple[Any, ...]) -> Any:
        for package in self.packages:
            form = package.plain(self, value, way)
            if form is not None:
                return form
        kind = type(value)
        article = "an" if kind.__name__[:1].lower() in "aeiou" else "a"
        raise self.no_form(value, way, f"It is {article} {kind.__name__} ({kind.__module__}), which has no plain form.")


class _Part(str):
    """A step into a value that is no index."""


class Reader:
    """Makes a value of JSON and the bytes behind it."""

    def __init__(self, blobs: memoryview, packages: Tuple[Package, ...]) -> None:
        self._blobs = blobs
        self._left = len(blobs)  # each byte stands for one place: many that share it would make much out of little
        self._packages = {tag: package for package in packages for tag in package.TAGS}

    def blob(self, place: Any) -> bytes:
        at, size = place["b"]
        if not 0 <= at <= at + size <= len(self._blobs):
            raise ValueError("bytes are missing")
        self._left -= size
        if self._left < 0:
            raise ValueError("its places share bytes")
        return bytes(self._blobs[at : at + size])

    def value(self, form: Any) -> Any:
        if isinstance(form, list):
            return [self.value(item) for item in form]
        if not isinstance(form, dict):
            return form
        tag = form.get("!")
        if tag is None:
            return {key: self.value(item) for key, item in form.items()}
        package = self._packages.get(tag)
        return _READERS[tag](self, form) if package is None else package.read(self, form)

    def items(self, form: Any) -> List[Any]:
        return [self.value(item) for item in form["v"]]

    def _dict(self, form: Any) -> Dict[Any, Any]:
        return {self.value(key): self.value(item) for key, item in form["v"]}

    def _odict(self, form: Any) -> Any:
        from collections import OrderedDict

        return OrderedDict((self.value(key), self.value(item)) for key, item in form["v"])

    def _deque(self, form: Any) -> Any:
        from collections import deque

        most, items = form["v"]
        return deque([self.value(item) for item in items], most)

    def _moment(self, form: Any) -> Any:
        text, fold, zone = form["v"]
        kind = datetime.datetime if form["!"] == "datetime" else datetime.time
        return kind.fromisoformat(text).replace(fold=fold, tzinfo=None if zone is None else self.value(zone))

    def _zone(self, form: Any) -> datetime.tzinfo:
        given = form["v"]
        if given is None:
            return datetime.timezone.utc
        if isinstance(given, str):
            from zoneinfo import ZoneInfo

            return ZoneInfo(given)
        offset, name = given
        offset = self.value(offset)
        return datetime.timezone(offset) if name is None else datetime.timezone(offset, name)

    def _known(self, form: Any) -> Any:
        """The rare ones of the standard library."""
        tag, given = form["!"], form.get("v")
        if tag == "decimal":
            from decimal import Decimal

            return Decimal(given)
        if tag == "fraction":
            from fractions import Fraction

            return Fraction(*map(self.value, given))
        if tag == "uuid":
            from uuid import UUID

            return UUID(given)
        if tag == "path":
            from pathlib import PosixPath

            return PosixPath(self.value(given))
        return {"range": range, "slice": slice}[tag](*map(self.value, given))


def _moment(writer: Writer, value: Any) -> Dict[str, Any]:
    tag = "datetime" if isinstance(value, datetime.datetime) else "time"
    zone = None if value.tzinfo is None else writer.plain(value.tzinfo, (_Part(".tzinfo"),))
    return {"!": tag, "v": [value.replace(tzinfo=None).isoformat(), value.fold, zone]}


def _fixed_zone(writer: Writer, value: datetime.timezone) -> Dict[str, Any]:
    if value is datetime.timezone.utc:
        return {"!": "zone", "v": None}
    offset = value.utcoffset(None)
    name = value.tzname(None)
    own = None if name == datetime.timezone(offset).tzname(None) else name
    return {"!": "zone", "v": [writer.plain(offset, ()), own]}


def _named_zone(writer: Writer, value: Any) -> Dict[str, Any]:
    if not value.key:
        raise writer.no_form(value, (), "It is a time zone without a name.")
    return {"!": "zone", "v": value.key}


_CONTAINERS = frozenset({list, dict, tuple, set, frozenset})
_LEAVES: Dict[str, Callable[[Writer, Any], Dict[str, Any]]] = {
    "builtins.bytes": lambda writer, value: {"!": "bytes", "v": writer.blob(value)},
    "builtins.bytearray": lambda writer, value: {"!": "bytearray", "v": writer.blob(bytes(value))},
    "builtins.complex": lambda writer, value: {
        "!": "complex",
        "v": [writer.plain(value.real, ()), writer.plain(value.imag, ())],
    },
    "builtins.ellipsis": lambda writer, value: {"!": "ellipsis"},
    "builtins.range": lambda writer, value: {
        "!": "range",
        "v": [writer.plain(part, ()) for part in (value.start, value.stop, value.step)],
    },
    "builtins.slice": lambda writer, value: {
        "!": "slice",
        "v": [writer.plain(part, ()) for part in (value.start, value.stop, value.step)],
    },
    "datetime.date": lambda writer, value: {"!": "date", "v": value.isoformat()},
    "datetime.time": _moment,
    "datetime.datetime": _moment,
    "datetime.timedelta": lambda writer, value: {
        "!": "timedelta",
        "v": [value.days, value.seconds, value.microseconds],
    },
    "datetime.timezone": _fixed_zone,
    "zoneinfo.ZoneInfo": _named_zone,
    "decimal.Decimal": lambda writer, value: {"!": "decimal", "v": str(value)},
    "fractions.Fraction": lambda writer, value: {
        "!": "fraction",
        "v": [writer.plain(value.numerator, ()), writer.plain(value.denominator, ())],
    },
    "uuid.UUID": lambda writer, value: {"!": "uuid", "v": value.hex},
    **dict.fromkeys(
        ("pathlib.PosixPath", "pathlib._local.PosixPath"),
        lambda writer, value: {"!": "path", "v": writer.plain(str(value), ())},
    ),
}
_READERS: Dict[str, Callable[[Reader, Any], Any]] = {
    "bytes": lambda reader, form: reader.blob(form["v"]),
    "bytearray": lambda reader, form: bytearray(reader.blob(form["v"])),
    "text": lambda reader, form: reader.blob(form["v"]).decode("utf-8", "surrogatepass"),
    "tuple": lambda reader, form: tuple(reader.items(form)),
    "set": lambda reader, form: set(reader.items(form)),
    "frozenset": lambda reader, form: frozenset(reader.items(form)),
    "deque": Reader._deque,
    "dict": Reader._dict,
    "odict": Reader._odict,
    "int": lambda reader, form: int(form["v"], 16),
    "float": lambda reader, form: struct.unpack(">d", bytes.fromhex(form["v"]))[0],
    "complex": lambda reader, form: complex(*reader.items(form)),
    "ellipsis": lambda reader, form: ...,
    "date": lambda reader, form: datetime.date.fromisoformat(form["v"]),
    "time": Reader._moment,
    "datetime": Reader._moment,
    "timedelta": lambda reader, form: datetime.timedelta(*form["v"]),
    "zone": Reader._zone,
    **dict.fromkeys(("decimal", "fraction", "uuid", "path", "range", "slice"), Reader._known),
}
