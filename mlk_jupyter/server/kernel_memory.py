"""What is in a kernel's memory: a question in Python, and its answer. Names, types and sizes; never a value."""

from __future__ import annotations

import ast
import json
from typing import Any

from ..idle.kernels import Ended, HeldVariable
from ..record.fields import clean, clean_all

# Runs in the kernel, with whatever Python and libraries it has. Of an object only its type is asked, in a way that a
# class cannot change, and what known libraries keep beside their data: nothing of the user's own runs, nothing is
# copied or computed. The size of an object of somebody's own class is not known: what it refers to has it. Needs no
# name of the notebook, where `len` or `sorted` may be anything.
_SOURCE = """
import heapq, json, sys, time, types
def told(shell, most=50, limit_s=1.0):
    over = time.monotonic() + limit_s
    get = lambda cls, name: type.__dict__[name].__get__(cls)
    numpy, pandas, torch = (sys.modules.get(name) for name in ("numpy", "pandas", "torch"))
    arrays = (getattr(numpy, "ndarray", None),)
    frames = (getattr(pandas, "DataFrame", None), getattr(pandas, "Series", None))
    nn = getattr(torch, "nn", None)
    tensors = (getattr(torch, "Tensor", None), getattr(nn, "Parameter", None))
    module = getattr(nn, "Module", None)
    left_out = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
    def tensor(x):
        return x.element_size() * x.nelement(), tuple(x.shape), str(x.device)
    def parts(x, seen):
        held = object.__getattribute__(x, "__dict__")
        for kind in ("_parameters", "_buffers"):
            for value in list(held.get(kind, {}).values()):
                if type(value) in tensors and id(value) not in seen:
                    seen[id(value)] = tensor(value)
        for child in list(held.get("_modules", {}).values()):
            if time.monotonic() < over and child is not None and issubclass(type(child), module):
                if id(child) not in seen:
                    seen[id(child)] = None
                    parts(child, seen)
        return seen
    def measured(x):
        cls = type(x)
        if cls in arrays:
            return x.nbytes, tuple(x.shape), None
        if cls in tensors:
            return tensor(x)
        if cls in frames:
            manager = object.__getattribute__(x, "_mgr")
            return sum(block.values.nbytes for block in manager.blocks), tuple(manager.shape)[::-1], None
        if module is not None and issubclass(cls, module):
            found = [part for part in parts(x, {}).values() if part]
            devices = sorted({part[2] for part in found})
            return sum(part[0] for part in found), None, ", ".join(devices)[:80] or None
        return own_size(x, cls), None, None
    def own_size(x, cls):
        for each in get(cls, "__mro__"):
            how = get(each, "__dict__").get("__sizeof__")
            if how is not None:
                break
        made_by_class = (1 << 9) & get(cls, "__flags__")
        if type(how) is not types.MethodDescriptorType or (each is object and made_by_class):
            return None
        return how(x)
    hidden, found, more = shell.user_ns_hidden, [], 0
    for name, x in list(shell.user_ns.items()):
        if type(name) is not str or name.startswith("_") or (name in hidden and hidden[name] is x):
            continue
        cls = type(x)
        if issubclass(cls, left_out):
            continue
        if time.monotonic() > over:
            more += 1
            continue
        where, kind = get(cls, "__module__"), get(cls, "__name__")
        kind = kind if type(where) is not str or where == "builtins" else where + "." + kind
        try:
            size, shape, device = measured(x)
        except Exception:
            size = shape = device = None
        shape = None if shape is None else str(shape)[:80]
        found.append((name[:80], kind[:120], size, shape, device))
    top = heapq.nlargest(most, found, key=lambda one: -1 if one[2] is None else one[2])
    return json.dumps([top, more + len(found) - len(top)])
"""

REQUEST: dict[str, Any] = {
    "code": "",
    "silent": True,
    "store_history": False,
    "allow_stdin": False,
    "stop_on_error": False,
    "user_expressions": {
        "held": "(lambda run, names: (run(" + repr(_SOURCE) + ", names), "
        "names['told'](__import__('IPython').get_ipython()))[1])(__import__('builtins').exec, {})"
    },
}
"""Content of an `execute_request`."""


def read_memory(answer: dict[str, Any]) -> Ended:
    """What a kernel answers to `REQUEST`."""
    try:
        said = answer["user_expressions"]["held"]
        if said["status"] != "ok":
            return Ended(stopped=False, why_no_list=clean(f"{said['ename']}: {said['evalue']}"[:300]))
        top, more = clean_all(json.loads(ast.literal_eval(said["data"]["text/plain"])))
        held = tuple(HeldVariable(*one) for one in top)
    except (KeyError, TypeError, ValueError, SyntaxError):
        return Ended(stopped=False, why_no_list="The kernel's answer cannot be read.")
    return Ended(stopped=False, held=held, held_more=int(more))
