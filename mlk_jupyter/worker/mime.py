"""Objects in the forms that a notebook can show."""

from __future__ import annotations

import base64
import json
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

_FORMS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_pdf_": "application/pdf",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
}


def clean(value: Any) -> Any:
    """The same as JSON can say it: bytes in base 64, other objects as their text."""
    return json.loads(json.dumps(value, default=_say))


def _say(item: object) -> object:
    if isinstance(item, bytes):
        return base64.b64encode(item).decode("ascii")
    if isinstance(item, (set, frozenset, types.GeneratorType)):
        return list(item)
    return repr(item)


def finite(value: Any) -> Any:
    """The same without NaN and infinities, which become null."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


def forms_of(value: Any) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Data and metadata of an object, by the methods that notebooks look for. A method that fails is left out."""
    data: Dict[str, Any] = {"text/plain": repr(value)}
    metadata: Dict[str, Any] = {}
    if isinstance(value, type):
        return data, metadata
    for method, mime in [("_repr_mimebundle_", ""), *_FORMS.items()]:
        function = getattr(value, method, None)
        if not callable(function):
            continue
        try:
            form = function()
        except Exception:
            continue
        if form is None:
            continue
        extra: Any = None
        if isinstance(form, tuple) and len(form) == 2:
            form, extra = form
        if mime:
            data[mime] = form
            if extra:
                metadata[mime] = extra
        elif isinstance(form, dict):
            data.update(form)
            metadata.update(extra or {})
    return data, metadata
