"""Files for outputs that are too large for the notebook."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "application/pdf": ".pdf",
    "image/svg+xml": ".svg",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
}
_BINARY = ("image/png", "image/jpeg", "application/pdf")


class Overflow:
    """Writes outputs into a folder, one file each, named by cell and number."""

    def __init__(self, folder: Optional[str]) -> None:
        self._folder = folder
        self._number = 0

    def save(self, cell: int, data: Dict[str, Any]) -> Optional[str]:
        """The path of the file that now holds the largest form of the output; None where it could not be written."""
        if not self._folder or not data:
            return None
        mime = max(data, key=lambda key: len(_text(data[key])))
        self._number += 1
        path = os.path.join(self._folder, f"cell-{cell}-output-{self._number}{_ENDINGS.get(mime, '.json')}")
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(path, "wb") as file:
                file.write(_bytes(mime, data[mime]))
        except (OSError, ValueError):
            return None
        return path


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    import json

    return json.dumps(value)


def _bytes(mime: str, value: Any) -> bytes:
    if mime in _BINARY:
        import base64

        return base64.b64decode(_text(value))
    return _text(value).encode("utf-8", "replace")
