"""Notebook or script -> bundle: the one file that carries code into a job."""

from .archive import LIMIT, Bundle, BundleTooLarge, build
from .form import form_of
from .notebook import NotebookDict, kernel_of, parse_notebook, parse_script, valid_notebook
from .parameters import UnknownParameter, check, parameters_of

__all__ = [
    "LIMIT",
    "Bundle",
    "BundleTooLarge",
    "NotebookDict",
    "UnknownParameter",
    "build",
    "check",
    "form_of",
    "kernel_of",
    "parameters_of",
    "parse_notebook",
    "parse_script",
    "valid_notebook",
]
