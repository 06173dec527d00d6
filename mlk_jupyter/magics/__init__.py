"""`%%mlk`, also called `%%k8s_train`, and the other magics of IPython."""

from __future__ import annotations

from .registration import register

__all__ = ["register"]
