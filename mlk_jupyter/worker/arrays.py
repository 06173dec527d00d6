"""numpy arrays and scalars and torch tensors as bytes. Neither package is imported unless such a value is there.

Implements `tagged.Package`.

    array   v: where the bytes are that `numpy.save` writes          scalar  t: type, v: where its own bytes are
    tensor  dtype, shape, grad: whether it wants a gradient, v: where its bytes are. It comes out on the CPU

An array comes out in one piece (C or Fortran order), whatever the strides of the one that went in.
"""

from __future__ import annotations

import io
import sys
import warnings
from importlib import import_module

from .tagged import NoForm, Reader, Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

ENCODING = "npy"
TAGS: Tuple[str, ...] = ("scalar", "array", "tensor")

_PICKLE = "Ask for pickle (`--pickle`, `pickle=True`), or give it a type of numbers or of text of fixed width."


def whole(writer: Writer, value: Any) -> Optional[bytes]:
    """An array as `numpy.save` writes it; None for anything else. Raises: NoForm, TooLarge."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or type(value) is not getattr(numpy, "ndarray", None):
        return None
    writer.count(value.nbytes)
    return _npy(value, writer.where(()))


def read_whole(data: bytes) -> Any:
    """The array of such bytes; never unpickles. Raises: ImportError, ValueError and others for broken data."""
    npy_format: Any = import_module("numpy.lib.format")  # `numpy.load` would take compressed archives as well
    return npy_format.read_array(io.BytesIO(data), allow_pickle=False)


def plain(writer: Writer, value: Any, way: Tuple[Any, ...]) -> Optional[Dict[str, Any]]:
    """What stands for an array, a scalar or a tensor in JSON; None for anything else. Raises: NoForm, TooLarge."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "ndarray"):
        if type(value) is numpy.ndarray:
            writer.count(value.nbytes)
            return {"!": "array", "v": writer.blob(_npy(value, writer.where(way)))}
        if isinstance(value, numpy.ndarray):
            kind = type(value).__name__
            raise writer.no_form(value, way, f"It is a numpy {kind}.", "Make it an array: `numpy.asarray(…)`.")
        if isinstance(value, numpy.generic) and type(value) is value.dtype.type:
            return _scalar(writer, value, way)
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "Tensor") and isinstance(value, torch.Tensor):
        return _tensor(torch, writer, value, way)
    return None


def _npy(value: Any, where: str) -> bytes:
    """An array as `numpy.save` writes it, without pickle. Raises: NoForm when its type does not survive that."""
    if value.dtype.hasobject:
        raise NoForm(where, value, f"It is an array of Python objects ({value.dtype}).", _PICKLE)
    npy_format: Any = import_module("numpy.lib.format")
    file = io.BytesIO()
    try:
        descr = npy_format.descr_to_dtype(npy_format.dtype_to_descr(value.dtype))
        same = descr == value.dtype and not value.dtype.metadata
        if same:
            with warnings.catch_warnings():  # names that are not Latin need the newest format, which we can read
                warnings.simplefilter("ignore")
                npy_format.write_array(file, value, allow_pickle=False)
    except (ValueError, TypeError):
        same = False
    if not same:
        raise NoForm(where, value, f"Its type, {value.dtype}, cannot be written to a file of numpy's.", _PICKLE)
    return file.getvalue()


def read(reader: Reader, form: Dict[str, Any]) -> Any:
    """The value that `plain` stood for."""
    data = reader.blob(form["v"])
    if form["!"] == "array":
        return read_whole(data)
    if form["!"] == "scalar":
        return _read_scalar(form["t"], data)
    torch: Any = import_module("torch")
    dtype = getattr(torch, form["dtype"])
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{form['dtype']} is no type of a tensor")
    shape = [int(size) for size in form["shape"]]
    if not data and 0 not in shape:
        raise ValueError("the tensor's bytes are missing")
    tensor = torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)
    return tensor.requires_grad_() if form["grad"] else tensor


def _scalar(writer: Writer, value: Any, way: Tuple[Any, ...]) -> Dict[str, Any]:
    kind = value.dtype.kind
    if kind in "biufcmM":
        return {"!": "scalar", "t": value.dtype.str, "v": writer.blob(value.tobytes())}
    if kind == "U":  # numpy cuts zeros off the end of text
        return {"!": "scalar", "t": "U", "v": writer.blob(str.encode(value, "utf-8", "surrogatepass"))}
    if kind == "S":
        return {"!": "scalar", "t": "S", "v": writer.blob(b"".join([value]))}
    numpy: Any = sys.modules["numpy"]
    array = numpy.empty((), value.dtype)
    array[()] = value
    return {"!": "scalar", "t": "npy", "v": writer.blob(_npy(array, writer.where(way)))}


def _read_scalar(kind: str, data: bytes) -> Any:
    numpy: Any = import_module("numpy")
    if kind == "U":
        return numpy.str_(data.decode("utf-8", "surrogatepass"))
    if kind == "S":
        return numpy.bytes_(data)
    if kind == "npy":
        return read_whole(data)[()]
    dtype = numpy.dtype(kind)
    if dtype.kind not in "biufcmM" or dtype.itemsize != len(data):
        raise ValueError(f"{kind} is no type of a number")
    return numpy.frombuffer(data, dtype)[0]


def _tensor(torch: Any, writer: Writer, value: Any, way: Tuple[Any, ...]) -> Dict[str, Any]:
    if type(value) is not torch.Tensor:
        kind = type(value).__name__
        raise writer.no_form(value, way, f"It is a torch {kind}.", "Pass its `.data`, or a model's `state_dict()`.")
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        raise writer.no_form(
            value, way, "It is a sparse, quantized or meta tensor.", "Pass a dense one: `.to_dense()`."
        )
    writer.count(value.numel() * value.element_size())
    bare = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
    raw = bare.reshape(-1).view(torch.uint8)
    try:
        data = raw.numpy().tobytes()
    except RuntimeError:  # torch without numpy
        data = bytes(raw.tolist())
    return {
        "!": "tensor",
        "dtype": str(value.dtype).partition(".")[2],
        "shape": list(value.shape),
        "grad": bool(value.requires_grad),
        "v": writer.blob(data),
    }
