"""What a cell needs of its kernel: found, or named before anything is submitted."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from mlk_jupyter.shipping import Needed, needed, versions
from mlk_jupyter.shipping.names import names_of


class Kernel:
    """Cells run as in a kernel, by a shell of its own."""

    def __init__(self) -> None:
        self.shell = InteractiveShell(user_ns={})

    def run(self, *cells: str) -> Kernel:
        for source in cells:
            result = self.shell.run_cell(source, store_history=True)
            assert result.success, result
        return self

    def needs(self, code: str, *pushed: str, directory: Path | None = None) -> Needed:
        space = self.shell.user_ns
        return needed(code, space, space["In"], pushed=pushed, directory=directory)


@pytest.fixture
def kernel() -> Any:
    main = sys.modules["__main__"]
    kernel = Kernel()
    sys.modules["__main__"] = kernel.shell.user_module
    yield kernel
    sys.modules["__main__"] = main


def lacking(found: Needed) -> dict[str, str]:
    return {missing.name: missing.kind for missing in found.missing}


def runs(found: Needed, code: str, **given: Any) -> dict[str, Any]:
    """The names after the definitions and the code ran in a fresh place."""

    class Shipped:
        load = staticmethod(found.values.__getitem__)

    space: dict[str, Any] = {"_shipped": Shipped, "__name__": "fresh", **given}
    for source in (*found.imports, *(definition.source for definition in found.definitions), code):
        exec(compile(source, "<cell>", "exec", dont_inherit=True), space)
    return space


def test_imports_are_found_as_they_were_written(kernel: Kernel) -> None:
    kernel.run(
        "import json, os.path, xml.dom.minidom\nimport collections.abc as cabc\nfrom math import pi as PI, sin",
        "try:\n    from functools import reduce\nexcept ImportError:\n    reduce = None",
    )
    code = "out = json.dumps([os.path.sep, sin(PI), xml.dom.minidom.__name__, reduce(max, [1]), cabc.Mapping.__name__])"
    found = kernel.needs(code)
    assert found.missing == [] and found.definitions == []
    assert {"import json", "import os", "from math import pi as PI", "from functools import reduce"} <= {*found.imports}
    runs(found, code)


def test_functions_and_classes_of_earlier_cells_come_with_what_they_use(kernel: Kernel) -> None:
    kernel.run(
        "from functools import wraps\nimport math",
        "def logged(function):\n    @wraps(function)\n    def inner(*args):\n"
        "        return note(function(*args))\n    return inner",
        "def note(x):\n    return ('noted', x)",
        "class Base:\n    def go(self): return 1",
        "class Net(Base):\n    def go(self): return super().go() + half(4)",
        "@logged\ndef area(r):\n    return math.floor(r) * Net().go()\n\ndef half(x): return x // 2",
    )
    found = kernel.needs("out = area(2.5)")
    assert found.missing == []
    assert {*found.functions} == {"logged", "note", "area", "half"} and {*found.classes} == {"Base", "Net"}
    assert runs(found, "out = area(2.5)")["out"] == ("noted", 6)


def test_a_value_that_is_not_pushed_is_named_with_the_hint(kernel: Kernel) -> None:
    kernel.run("x = [1]\ny = 2\ndef f(): return y")
    found = kernel.needs("print(x, f())")
    assert lacking(found) == {"x": "value", "y": "value"}
    assert str(found.missing[0]) == (
        "x: It is a list of the notebook, which does not go along unasked. Send it: `--push x`."
    )
    assert kernel.needs("print(x, f())", "x", "y").missing == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a", {"a"}),
        ("a = 1; a", set()),
        ("a += 1", {"a"}),
        ("for i in range(3):\n    t = a if i else i", {"a"}),
        ("for i in [1]:\n    a = i\n    print(a)", set()),
        ("[a for a in b]", {"b"}),
        ("[b for a in [1] if a]", {"b"}),
        ("{a: b for a, b in [(1, 2)]}", set()),
        ("list(a for _ in [1])", {"a"}),
        ("def f(a): return a + b", {"b"}),
        ("def f(): return later\nlater = 1", set()),
        ("def f(x=a): pass", {"a"}),
        ("def f():\n    global a\n    a = 1\nf()\nprint(a)", set()),
        ("def f():\n    global a\n    a += 1", set()),
        ("lambda a: (a, b)", {"b"}),
        ("class C:\n    a = 1\n    c = a\n    def m(self): return a", {"a"}),
        ("class C(a): pass", {"a"}),
        ("@a\ndef f(): pass", {"a"}),
        ("del a", {"a"}),
        ("a = 1\ndel a", set()),
        ("if (n := 1): print(n, a)", {"a"}),
        ("try:\n    1\nexcept a as e:\n    print(e)", {"a"}),
        ("with a as b: print(b)", {"a"}),
        ("import a", set()),
        ("import os.path\nos", set()),
        ("from math import *\nsin(1)", set()),
        ("f'{a!r:>{b}}'", {"a", "b"}),
        ("match a:\n    case [b, *c]: print(b, c)\n    case {'k': d, **e}: print(d, e)", {"a"}),
        ("async def f(): return await a\nawait f()", {"a"}),
        ("a: int = 1\nprint(a)", set()),
        ("x: a = 1", {"a"}),
        ("def outer():\n    a = 1\n    def inner(): return a\n    return inner", set()),
        ("%time print(a)", {"a"}),
        ("%timeit -n 3 f(b)", {"b"}),
        ("%%time\nprint(a)", {"a"}),
        ("%%capture c\nprint(1)", set()),
        ("!ls {a} $b $HOME", {"a", "b"}),
        ("c = !echo {a}\nprint(c)", {"a"}),
        ("%%bash\necho $a", set()),
        ("get_ipython(), display(1), In, __name__", set()),
        ("print(len([]), __debug__)", set()),
    ],
)
def test_scopes_are_pythons_own(code: str, expected: set[str]) -> None:
    space = {name: 1 for name in "abcde"}
    names = {missing.name for missing in needed(code, space).missing}
    assert names - {"f"} == expected  # `f` in a magic is no name of the kernel


def test_what_the_kernel_does_not_have_is_named(kernel: Kernel) -> None:
    assert lacking(kernel.needs("nowhere + _77")) == {"nowhere": "undefined", "_77": "undefined"}
    assert lacking(kernel.needs("from os import *\nperhaps_of_os")) == {}


def test_what_can_never_go_along_is_named_with_why(kernel: Kernel) -> None:
    kernel.run(
        "f = open('/dev/null')\ng = (x for x in [])\nimport __main__ as me\nimport threading; lock = threading.Lock()",
        "exec('def typed(): pass')\ndef make():\n    class Inner: pass\n    return Inner\nInner = make()\nns = {}",
    )
    found = kernel.needs("f, g, me, lock")
    assert lacking(found) == dict.fromkeys(["f", "g", "me", "lock"], "unshippable")
    assert "an open file" in str(found.missing[0]) and "Pass its path" in str(found.missing[0])
    assert lacking(kernel.needs("typed(), Inner")) == {"typed": "unshippable", "Inner": "unshippable"}


def test_closures_bring_their_values(kernel: Kernel) -> None:
    kernel.run(
        "def scale(by, then):\n    text = '''a\n  b'''\n    def inner(x):\n        '''x\ny'''\n"
        "        return then(x * by), text, inner.__doc__\n    return inner",
        "def plus(x): return x + 1\ntwice = scale(2, plus)\nfirst, second = [lambda x: x, lambda x: (x, plus(x))]",
    )
    found = kernel.needs("out = twice(3), second(1)")
    assert found.missing == [] and found.values == {"twice.by": 2, "twice.text": "a\n  b"}
    assert runs(found, "out = twice(3), second(1)")["out"] == ((7, "a\n  b", "x\ny"), (1, 2))
    kernel.run("held = scale(open('/dev/null'), plus)")
    assert lacking(kernel.needs("held(1)")) == {"held.by": "unshippable"}


def test_names_made_by_statements_come_as_statements(kernel: Kernel) -> None:
    kernel.run(
        "from collections import namedtuple\nfrom functools import partial, lru_cache",
        "from typing import TypeVar, List",
        "Point = namedtuple('Point', 'x y')",
        "T = TypeVar('T')\nVector = List[int]\nsquare = lambda x: x * x\nalias = square",
        "@lru_cache\ndef slow(x): return square(x)\nten = partial(slow, 10)",
    )
    code = "out = Point(ten(), alias(2)); kept: Vector = [T]"
    found = kernel.needs(code)
    assert found.missing == []
    out = runs(found, code)["out"]
    assert (out.x, out.y) == (100, 4)


def test_the_latest_definition_counts(kernel: Kernel) -> None:
    kernel.run(
        "def f(): return 1",
        "class C:\n    x = 1",
        "def f(): return 2",
        "class C:\n    x = 2",
        "g = f\ndef f(): return 3",
    )
    assert runs(kernel.needs("f(), C.x, g()"), "out = f(), C.x, g()")["out"] == (3, 2, 2)


def test_classes_and_functions_that_need_each_other_come_in_an_order_that_runs(kernel: Kernel) -> None:
    kernel.run(
        "class A:\n    def make(self): return B()\nclass B(A):\n    pass",
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)",
    )
    for code in ("A, B, odd(3)", "B, A, even(2)", "B().make()"):
        runs(kernel.needs(code), code)


def test_future_statements_hold_for_what_goes_along(kernel: Kernel) -> None:
    kernel.run("from __future__ import annotations", "def f(x: NotThere) -> Nowhere: return x")
    found = kernel.needs("f(1)")
    assert found.missing == [] and found.imports[0] == "from __future__ import annotations"


def test_a_module_elsewhere_is_noticed_and_one_beside_is_not(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helpersmod.py").write_text("LIMIT = 3\ndef f(): return LIMIT\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    kernel.run("import helpersmod\nfrom helpersmod import f, LIMIT")
    found = kernel.needs("helpersmod.f() + f() + LIMIT", directory=tmp_path)
    assert found.notices == [] and found.missing == [] and found.definitions == []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = kernel.needs("helpersmod", directory=elsewhere)
    assert "helpersmod is neither installed nor beside" in found.notices[0]
    found = kernel.needs("f()", directory=elsewhere)  # its source can go along instead
    assert found.functions == ["f"] and lacking(found) == {"LIMIT": "value"}


def test_broken_code_is_refused_with_its_place() -> None:
    with pytest.raises(SyntaxError) as caught:
        needed("x = 1\ny = = 2", {})
    assert caught.value.lineno == 2


def test_broken_and_strange_cells_in_the_history_are_no_obstacle(kernel: Kernel) -> None:
    kernel.run("%matplotlib --list\ndef f():\n    return 1")
    space = kernel.shell.user_ns
    found = needed("f()", space, ["def f(:", "%%bash\nls", "\0", *space["In"], "!ls", "f = = 1"])
    assert runs(found, "out = f()")["out"] == 1


def test_versions_name_installed_packages_only() -> None:
    found = versions(["json", "numpy.linalg", "yaml", "not_there", "mlk_jupyter.worker"])
    assert set(found) == {"python", "numpy", "PyYAML"}


SOURCES = [path for path in sorted(Path(ast.__file__).parent.glob("*.py")) if path.stat().st_size < 120_000][::6]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_names_found_are_those_of_pythons_symbol_tables(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    names = names_of(ast.parse(text))

    def of(table: symtable.SymbolTable) -> set[str]:
        is_module = table.get_type() == "module"
        read = {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or (is_module and symbol.is_local()))
        }
        return read.union(*map(of, table.get_children()))

    top = symtable.symtable(text, str(path), "exec")
    expected = {name for name in of(top) if name not in names.bound and not name.startswith("__")}
    ours = {name for name in {*names.now, *names.later} if not name.startswith("__")}
    # The compiler leaves out what can never run (`if 0:`), annotations of locals and `assert`s of constants.
    assert ours <= expected
    unseen = {name for name in expected - ours if not hasattr(builtins, name)}
    assert len(unseen) <= 2, unseen
