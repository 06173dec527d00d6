"""The files that a bundle carries, put where the notebook finds them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import zipimport
    from typing import Any


def unpack(bundle: zipimport.zipimporter, files: Any) -> str:
    """Writes the bundle's files into a folder; other ranks may be doing the same into the same one.

    Gives the folder: MLK_FILES, else a fresh one that this process removes when it ends; "" where there are no files.
    """
    names = [str(name) for name in files]
    folder = os.environ.pop("MLK_FILES", "")
    if not names:
        return ""
    if not folder:
        import atexit
        import shutil
        import tempfile

        folder = tempfile.mkdtemp(prefix="mlk-")
        owner = os.getpid()
        atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    root = os.path.abspath(folder)
    for name in names:
        path = os.path.normpath(os.path.join(root, name))
        if not path.startswith(root + os.sep):
            raise ValueError(f"The bundle names a file outside of its folder: {name}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        put(path, bundle.get_data("job/files/" + name), root)
    return root


def put(path: str, data: bytes, folder: str = "") -> None:
    """Writes a file whole; others may be writing the same. `folder`: for its part until then, if not its own."""
    # A name of its own, not made of the file's, which may be as long as it can.
    part = os.path.join(folder or os.path.dirname(path), f".mlk-{os.uname().nodename}-{os.getpid()}")
    with open(part, "wb") as file:
        file.write(data)
    os.replace(part, path)
