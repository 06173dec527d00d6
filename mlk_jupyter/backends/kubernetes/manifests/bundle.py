"""The ConfigMap that carries a job's code. Pure."""

from __future__ import annotations

import base64

from .. import labels
from ..resources import CONFIG_MAPS, Manifest
from .render_context import RenderContext, manifest


def bundle(context: RenderContext) -> Manifest:
    """The ConfigMap, which nobody can change."""
    found = manifest(CONFIG_MAPS, labels.bundle_name(context.owner), context)
    found["immutable"] = True
    found["binaryData"] = {"bundle.pyz": base64.b64encode(context.bundle).decode("ascii")}
    return found


def code_in(config_map: Manifest) -> bytes | None:
    """The job's code as such a ConfigMap holds it; None where it holds none."""
    try:
        return base64.b64decode(config_map["binaryData"]["bundle.pyz"], validate=True)
    except (KeyError, TypeError, ValueError):
        return None
