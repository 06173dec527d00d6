"""Files that may be anything: never waited for, never followed elsewhere, and removed whatever they are."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mlk_jupyter.record.files import is_regular, open_regular, read_regular, remove, size_of


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ODD: dict[str, Callable[[Path], None]] = {
    "nothing": lambda path: None,
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("other"),
    "loop": lambda path: path.symlink_to(path),
    "socket": _socket,
}


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR])
@pytest.mark.parametrize("kind", ODD)
def test_only_regular_files_are_opened(tmp_path: Path, kind: str, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    (tmp_path / "other").write_text("other")
    path = tmp_path / "file"
    ODD[kind](Path("file"))
    with pytest.raises(OSError):
        open_regular(path, flags)
    assert not is_regular(path) and size_of(path) == 0
    assert remove(path) and (tmp_path / "other").read_text() == "other"


def test_a_file_in_a_folder_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "logs").symlink_to("elsewhere")
    with pytest.raises(OSError):
        open_regular(tmp_path / "logs" / "file")
    os.close(open_regular(tmp_path / "elsewhere" / "file"))


def test_a_file_that_is_larger_than_it_can_be_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    assert read_regular(path, 11) == b"x" * 11
    with pytest.raises(OSError, match="too large"):
        read_regular(path, 10)


def test_a_tree_is_removed_however_deep_it_is(tmp_path: Path, ordinary: None, few_files: None) -> None:
    """Deeper than a path may be long, and than as many folders may be open."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    top, name = tmp_path / "top", "d" * 250
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for depth in range(150):
        os.mkdir(name, dir_fd=at)
        deeper = os.open(name, os.O_RDONLY, dir_fd=at)
        if depth % 20 == 0:
            os.mkfifo("fifo", dir_fd=at)
            os.symlink(kept, "link", dir_fd=at)
            os.mkdir("empty", 0, dir_fd=at)
            os.fchmod(at, 0)  # whoever comes here has no right to look or to remove
        os.close(at)
        at = deeper
    os.close(at)
    assert remove(top) and not top.exists()
    assert (kept / "file").exists()


def test_what_cannot_be_removed_is_said_and_the_rest_is_removed(tmp_path: Path, ordinary: None) -> None:
    closed = tmp_path / "closed"
    (closed / "top").mkdir(parents=True)
    (closed / "top" / "file").touch()
    closed.chmod(0o500)
    assert not remove(closed / "top")
    assert list((closed / "top").iterdir()) == []
    closed.chmod(0o700)
    assert remove(closed / "top")
