"""What Jupyter reads past in a notebook, though nbformat's schema forbids it: mended, and said. Pure.

Jupyter's own readers only warn of such notebooks, so other tools write them and nobody notices. What is mended is what
the schema asks of metadata and texts; a mended notebook runs as the one on disk would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SHOWN = 3  # mends that are told one by one

# What nbformat's schema asks of metadata that it knows. What does not fit is left out.
_FITS_NOTEBOOK: dict[str, Callable[[Any], bool]] = {
    "title": lambda value: isinstance(value, str),
    "authors": lambda value: isinstance(value, list),
    "orig_nbformat": lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
}
_FITS_LANGUAGE: dict[str, Callable[[Any], bool]] = {
    "codemirror_mode": lambda value: isinstance(value, (str, dict)),
    **dict.fromkeys(("file_extension", "mimetype", "pygments_lexer"), lambda value: isinstance(value, str)),
}
_FITS_CELL: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str) and bool(value.strip("\n")),
    "jupyter": lambda value: isinstance(value, dict),
    "format": lambda value: isinstance(value, str),
    "collapsed": lambda value: isinstance(value, bool),
    "scrolled": lambda value: isinstance(value, bool) or value == "auto",
    "execution": lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values()),
}


def mend(notebook: dict[str, Any]) -> list[str]:
    """Makes a notebook of format 4 fit the schema, in place.

    Returns: what was mended, in half sentences.
    Raises:  ValueError with a sentence about what can be no cell.
    """
    said: list[str] = []
    if not isinstance(notebook.get("metadata"), dict):
        said += ["it has no metadata"] if notebook.get("metadata") is not None else []
        notebook["metadata"] = {}
    _mend_metadata(notebook["metadata"], said)
    if not isinstance(notebook.get("cells"), list):
        notebook["cells"] = []
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
            raise ValueError(f"what should be its cell {number} from the top is none")
        _mend_cell(cell, f"cell {number} from the top", said)
    return said


def in_words(mends: list[str]) -> list[str]:
    """One sentence about all of them; none where nothing was mended."""
    if not mends:
        return []
    more = f"; and {len(mends) - _SHOWN:,} more" if len(mends) > _SHOWN else ""
    return [f"The notebook was mended as it was read (its file stays as it is): {'; '.join(mends[:_SHOWN])}{more}."]


def _mend_metadata(metadata: dict[str, Any], said: list[str]) -> None:
    _drop(metadata, _FITS_NOTEBOOK, "its metadata", said)
    if "kernelspec" in metadata:
        spec = metadata["kernelspec"]
        if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not spec["name"]:
            del metadata["kernelspec"]
            said.append("its kernelspec has no name")
        elif not isinstance(spec.get("display_name"), str):
            spec["display_name"] = spec["name"]
            said.append("its kernelspec has no display name")
    if "language_info" in metadata:
        info = metadata["language_info"]
        if not isinstance(info, dict) or not isinstance(info.get("name"), str):
            del metadata["language_info"]
            said.append("its language_info has no name")
        else:
            _drop(info, _FITS_LANGUAGE, "its language_info", said)


def _mend_cell(cell: dict[str, Any], where: str, said: list[str]) -> None:
    _mend_type(cell, where, said)
    if not isinstance(cell.get("metadata"), dict):
        said += [f"{where} has no metadata"] if "metadata" in cell else []
        cell["metadata"] = {}
    _mend_tags(cell["metadata"], where, said)
    _drop(cell["metadata"], _FITS_CELL, where, said)
    source = cell.get("source")
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(line, str) for line in source)):
        cell["source"] = (
            "".join(map(str, source)) if isinstance(source, list) else "" if source is None else str(source)
        )
        said += [f"the source of {where} is no text"] if source is not None else []
    if "attachments" in cell and not _are_attachments(cell["attachments"]):
        del cell["attachments"]
        said.append(f"the attachments of {where} are none")


def _mend_type(cell: dict[str, Any], where: str, said: list[str]) -> None:
    """What nbformat 4 does not know as a cell is text: Jupyter shows it and does not run it."""
    kind = cell["cell_type"]
    if kind in ("code", "markdown", "raw"):
        return
    said.append(f"{where} is of the type {kind!r}, which is not run")
    cell["cell_type"] = "markdown" if kind in ("heading", "html") else "raw"
    for key in ("level", "outputs", "execution_count"):
        cell.pop(key, None)


def _mend_tags(metadata: dict[str, Any], where: str, said: list[str]) -> None:
    """Tags once each. A lone text is one tag."""
    if "tags" not in metadata:
        return
    tags = metadata["tags"]
    listed = [tags] if isinstance(tags, str) else tags if isinstance(tags, list) else []
    kept = list(dict.fromkeys(tag for tag in listed if isinstance(tag, str) and tag and "," not in tag))
    if kept == tags:
        return
    metadata["tags"] = kept
    repeated = isinstance(tags, list) and set(kept) == set(map(str, tags))
    said.append(f"{where} repeats a tag" if repeated else f"the tags of {where} are no list of texts without commas")


def _drop(metadata: dict[str, Any], fits: Mapping[str, Callable[[Any], bool]], where: str, said: list[str]) -> None:
    for key in [key for key in metadata if key in fits and not fits[key](metadata[key])]:
        said.append(f"`{key}` of {where} is {'null' if metadata[key] is None else 'not what it should be'}")
        del metadata[key]


def _are_attachments(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(bundle, dict)
        and all(isinstance(data, str) or key.endswith("json") or _is_lines(data) for key, data in bundle.items())
        for bundle in value.values()
    )


def _is_lines(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)
