"""The local modules that a notebook imports, found from its import statements. Nothing is imported or run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .code import texts, tree
from .paths import inside, is_file, is_folder, is_secret, leads_to_secret, readable, unfit, walk

MOST_FILES = 2_000
LARGEST_DATA = 1024 * 1024  # bytes of a package's data file that goes along unasked
MOST_DATA = 200  # such files of one package
MOST_BESIDE = 512 * 1024  # bytes of data in all that go along because a module names them
_LARGEST_CODE = 4 * 1024 * 1024  # bytes of a module that is looked into for imports
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "build", "dist"})


@dataclass
class Modules:
    """What was found, as paths relative to the notebook's folder (with `/`)."""

    files: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def find_modules(trees: Iterable[ast.Module], directory: Path, *, data: bool = True) -> Modules:
    """The files of all local modules that these trees import, and that those import in turn.

    A module is a file; with it go the files and folders beside it that it names in a text. Of a package everything
    goes along, as a part of one would hide the rest of it. Of data, that is up to 200 files of up to 1 MiB each for a
    package, and 512 KiB for all modules. Modules of the standard library and installed ones are not
    local; nothing outside the folder is, nor what a link leads to outside. `data`: whether data is looked for.
    """
    return _Search(directory, data).run(trees)


class _Search:
    def __init__(self, directory: Path, data: bool) -> None:
        self._root = directory
        self._takes_data = data
        self._found: dict[str, None] = {}
        self._queue: list[tuple[Path, ast.Module]] = []
        self._packages: set[str] = set()
        self._notices: list[str] = []
        self._full = False
        self._data_left = MOST_BESIDE
        self._behind: list[str] = []

    def run(self, trees: Iterable[ast.Module]) -> Modules:
        notebook = self._root / "notebook.py"  # only its folder counts
        self._queue = [(notebook, parsed) for parsed in trees]
        while self._queue:
            path, parsed = self._queue.pop()
            for node in ast.walk(parsed):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        self._resolve(self._root, alias.name.split("."))
                elif isinstance(node, ast.ImportFrom):
                    self._from(path, node)
        self._say_behind("beside the modules", self._behind)
        return Modules(sorted(self._found), self._notices)

    def _from(self, path: Path, node: ast.ImportFrom) -> None:
        base = self._root
        if node.level:
            base = path.parent
            for _ in range(node.level - 1):
                base = base.parent
        parts = node.module.split(".") if node.module else []
        for alias in node.names:
            self._resolve(base, [*parts, *([] if alias.name == "*" else alias.name.split("."))])
        if not node.names:
            self._resolve(base, parts)

    def _resolve(self, base: Path, parts: list[str]) -> None:
        """Adds every module on the way of a dotted name; names that are no module end the way."""
        if base == self._root and parts and parts[0] in sys.stdlib_module_names:
            return
        at = base
        for part in parts:
            package, module = at / part / "__init__.py", at / f"{part}.py"
            if is_file(package):
                self._add_package(at / part)
            elif is_file(module):
                self._add(module)
                return
            elif not is_folder(at / part):
                return
            at = at / part

    def _add_package(self, folder: Path) -> None:
        name = folder.relative_to(self._root).as_posix() if inside(folder, self._root) else ""
        if not name or name in self._packages or any(name.startswith(f"{known}/") for known in self._packages):
            return
        self._packages.add(name)
        data, behind = 0, []
        for where, files in walk(folder, _is_entered, self._unreadable):
            for file in files:
                path = where / file
                if file.endswith((".pyc", ".pyo")) or (file.startswith(".") and not is_secret(file)):
                    continue
                if file.endswith(".py"):
                    self._add(path)
                elif data < MOST_DATA and _size(path) <= LARGEST_DATA:
                    self._add(path)
                    data += 1
                else:
                    behind.append(readable(path.relative_to(self._root).as_posix()))
            if self._full:
                break
        self._say_behind(f"of package {name}", behind)

    def _add_beside(self, folder: Path, parsed: ast.Module) -> None:
        """The data that a module names: files and folders beside it."""
        named = {part for text in texts(ast.walk(parsed)) for part in text.split("/")}
        for path in sorted(folder / name for name in named if name.strip(". ") and unfit(name) is None):
            if is_file(path):
                self._add_data(path)
            elif is_folder(path) and _is_entered(path) and not path.is_symlink() and inside(path, self._root):
                for where, files in walk(path, _is_entered, self._unreadable):
                    for file in files:
                        self._add_data(where / file)
                    if len(self._behind) > MOST_FILES:
                        return

    def _add_data(self, path: Path) -> None:
        name = path.relative_to(self._root).as_posix()
        if name in self._found or name.endswith((".py", ".pyc", ".ipynb")) or path.name.startswith("."):
            return
        size = _size(path)
        if size <= self._data_left:
            self._add(path)
            self._data_left -= size
        elif readable(name) not in self._behind:
            self._behind.append(readable(name))

    def _say_behind(self, whose: str, behind: list[str]) -> None:
        if behind:
            shown = ", ".join(behind[:3]) + (f" and {len(behind) - 3:,} more" if len(behind) > 3 else "")
            self._notices.append(f"Large or many data files {whose} stay behind: {shown}. Name them in `files`.")

    def _add(self, path: Path) -> None:
        if not path.is_relative_to(self._root):
            return
        name = path.relative_to(self._root).as_posix()
        if name in self._found or self._full:
            return
        why = unfit(name)
        if not inside(path, self._root):
            why = "it is a link that leads out of the notebook's folder"
        elif leads_to_secret(path, self._root, unnamed=True):
            why = "it looks like a secret"
        elif not is_file(path):
            why = "it is no regular file"
        if why is not None:
            self._notices.append(f"{readable(name)} was left out: {why}.")
            return
        if len(self._found) >= MOST_FILES:
            self._full = True
            self._notices.append(f"Only the first {MOST_FILES:,} files of local modules are carried along.")
            return
        self._found[name] = None
        if name.endswith(".py") and _size(path) <= _LARGEST_CODE:
            try:
                parsed = tree(path.read_text(encoding="utf-8", errors="replace"))
                self._queue.append((path, parsed))
                if self._takes_data and not any(name.startswith(f"{package}/") for package in self._packages):
                    self._add_beside(path.parent, parsed)
            except OSError as error:
                self._notices.append(f"{name} could not be read: {error.strerror}.")
                del self._found[name]

    def _unreadable(self, folder: Path, error: OSError) -> None:
        name = readable(folder.relative_to(self._root).as_posix())
        self._notices.append(f"{name} was left out: it cannot be looked into ({error.strerror}).")


def _is_entered(folder: Path) -> bool:
    return folder.name not in _SKIPPED_FOLDERS and not folder.name.startswith(".")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
