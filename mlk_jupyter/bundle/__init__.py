"""Notebook or script -> bundle: the one file that carries code into a job."""

from .archive import LIMIT, Bundle, BundleTooLarge, build
from .form import form_of
from .notebook import NotebookDict, parse_script, read_notebook, valid_notebook
from .parameters import UnknownParameter, parameters_of

__all__ = [
    "LIMIT",
    "Bundle",
    "BundleTooLarge",
    "NotebookDict",
    "UnknownParameter",
    "build",
    "form_of",
    "parameters_of",
    "parse_script",
    "read_notebook",
    "valid_notebook",
]
