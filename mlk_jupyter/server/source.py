"""The notebook of a spec, read the way the Jupyter server reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.fileio import FileManagerMixin
from tornado import web

from ..bundle.paths import is_file
from ..errors import MlkError

if TYPE_CHECKING:
    from jupyter_server.services.contents.manager import ContentsManager

    from ..library import Source


class NotebookUnreadable(MlkError):
    """The contents manager does not give the notebook."""

    code, title, status = "notebook_unreadable", "The notebook cannot be read", 404


def check_path(path: str) -> str:
    """A contents path as the contents manager wants it.

    Raises: NotebookUnreadable for what could lead elsewhere: `..`, control characters, backslashes, `~`.
    """
    parts = path.strip("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in path or parts[0].startswith("~"):
        raise NotebookUnreadable(f"{path[:200]!r} is no path below the server's folder.", hint=_HINT)
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise NotebookUnreadable(f"{path[:200]!r} holds control characters.", hint=_HINT)
    return "/".join(parts)


_HINT = "Choose a notebook in the file browser."


async def read(manager: ContentsManager, path: str) -> Source:
    """A notebook or script, read by the contents manager, with its folder on this machine if it has one there.

    Raises: NotebookUnreadable; BadInput when it is nothing that can be run.
    """
    from ..library import source_of

    content = await content_of(manager, path)
    return await source_of(content, path, directory_of(manager, path))


async def content_of(manager: ContentsManager, path: str) -> Any:
    """What a notebook (a dict) or a text file (a str) holds; works with every contents manager.

    Raises: NotebookUnreadable.
    """
    checked = check_path(path)
    try:
        model = await ensure_async(manager.get(checked, content=True))  # type: ignore[no-untyped-call]
    except web.HTTPError as error:
        raise NotebookUnreadable(f"The server has no readable file {checked[:200]!r}.", hint=_HINT) from error
    except OSError as error:
        raise NotebookUnreadable(f"{checked[:200]!r}: {error.strerror}.", hint=_HINT) from error
    if model["type"] not in ("notebook", "file") or model.get("format") == "base64":
        raise NotebookUnreadable(f"{checked[:200]!r} is no notebook and no script.", hint=_HINT)
    return model["content"]


def directory_of(manager: ContentsManager, path: str) -> Path | None:
    """The folder of a notebook on this machine, or None when it has none that lies below the server's root.

    Links are followed first, so one that leads out of the root gives None: nothing behind it is ever read from disk.
    """
    if not isinstance(manager, FileManagerMixin):
        return None
    root = Path(manager.root_dir).resolve()
    file = Path(root, *check_path(path).split("/"))
    inside = file.resolve().is_relative_to(root) and file.parent.resolve().is_relative_to(root)
    return file.parent if inside and is_file(file) else None
