"""The features of the server: a new one is a module of its own and a name here."""

from __future__ import annotations

from tornado.web import RequestHandler

from . import (
    activity,
    channel,
    gpus,
    idle,
    jobs,
    log,
    notebook,
    nothing,
    outputs,
    places,
    runs,
    server_end,
    submission,
)
from .features import Feature, Route

_MODULES = (
    places,
    jobs,
    submission,
    log,
    notebook,
    outputs,
    runs,
    idle,
    server_end,
    gpus,
    channel,
    activity,
)
FEATURES: tuple[Feature, ...] = tuple(module.FEATURE for module in _MODULES)


def handlers() -> list[tuple[str, type[RequestHandler]]]:
    """Everything below `/mlk`; the last takes what no other does."""
    return [handler for feature in FEATURES for handler in feature.handlers] + nothing.HANDLERS


def routes() -> list[Route]:
    """What the handlers serve. Loads the models."""
    return [route for feature in FEATURES for route in feature.routes()]
