"""A cell or a function -> the notebook of a job: what it uses is found, shipped as source or as values, or named."""

from .functions import Unshippable, notebook_of_function
from .needed import Definition, Missing, Needed, needed
from .notebooks import Parcel, notebook_of_cell
from .versions import versions

__all__ = [
    "Definition",
    "Missing",
    "Needed",
    "Parcel",
    "Unshippable",
    "needed",
    "notebook_of_cell",
    "notebook_of_function",
    "versions",
]
