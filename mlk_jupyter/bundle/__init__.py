"""Notebook or script -> bundle: the one file that carries code into a job. Floor 1."""

from .archive import Bundle, BundleTooLarge, build

__all__ = ["Bundle", "BundleTooLarge", "build"]
