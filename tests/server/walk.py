"""Finds every endpoint of ours in a running server, as tornado routes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tornado.routing import PathMatches, Rule
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Endpoint:
    handler: type[RequestHandler]
    verb: str
    path: str
    """With base URL, groups filled in."""

    @property
    def is_websocket(self) -> bool:
        return issubclass(self.handler, WebSocketHandler)

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def endpoints(web_app: Any, job_id: str = "x") -> list[Endpoint]:
    """Every implemented verb of every handler that is defined in our package."""
    return [
        Endpoint(rule.target, verb, _filled(rule.matcher, job_id))
        for rule in _rules(web_app.default_router.rules)
        if isinstance(rule.matcher, PathMatches)
        and isinstance(rule.target, type)
        and rule.target.__module__.startswith("mlk_jupyter.")
        for verb in VERBS
        if getattr(rule.target, verb.lower()) is not RequestHandler._unimplemented_method
        and getattr(rule.target, verb.lower()) is not getattr(RequestHandler, verb.lower())
    ]


def _rules(rules: list[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        yield from _rules(getattr(rule.target, "rules", []))


def _filled(matcher: PathMatches, job_id: str) -> str:
    return re.sub(r"\(\?P<job_id>[^)]*\)", job_id, matcher.regex.pattern).rstrip("$").replace("\\", "")
