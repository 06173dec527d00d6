"""What a feature of the server is: handlers, the routes they serve, and topics of the websocket, in one module.

A feature is a module with a `FEATURE` at its foot, and its name in `registry.py`; nothing else names it. The server
imports all of them when it starts, so a feature imports what is heavy (models above all) when it is first asked.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import MlkError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from tornado.web import RequestHandler

    from .limits import Slots
    from .services import Services

Action = Literal["read", "write", "execute"]
Kind = Literal["snapshot", "delta", "error"]


VARIABLES = {
    "job_id": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"},
    "kernel_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "advice_id": {"type": "string", "pattern": "^[a-z_]{1,20}-[0-9a-f]{16}$"},
    "name": {"type": "string"},
}
"""JSON schemas of what may stand for a name in braces in the path of a route."""


class BadTopic(MlkError):
    """The socket has no such topic."""

    code, title, status = "bad_topic", "No such topic", 400


@dataclass(frozen=True)
class Query:
    """One parameter behind the question mark."""

    name: str
    schema: dict[str, Any]
    text: str
    required: bool = False


@dataclass(frozen=True)
class Route:
    """One method of one endpoint: what the OpenAPI document is made from, and the handlers are checked against."""

    method: str
    path: str
    """Below the server's base URL; its variables are those of `VARIABLES`."""
    operation: str
    summary: str
    action: Action
    answer: type[BaseModel] | None = None
    """Model of the answer; None for an empty one or a file."""
    status: int = 200
    body: type[BaseModel] | None = None
    query: tuple[Query, ...] = ()
    file: str | None = None
    """Media type when the answer is a download."""
    also: dict[int, str] = field(default_factory=dict)
    """Other good answers: status and when."""


class Encoded(str):
    """Data of a message that is JSON already."""

    __slots__ = ()


class Feed(Protocol):
    """One subscription of one window."""

    due: float | None
    """When `next` should be asked again (monotonic seconds); None: only when it calls."""

    async def next(self) -> tuple[Kind, Encoded | BaseModel] | None:
        """What the window does not have yet, or None.

        Raises: MlkError when the feed is over, e.g. because the job was deleted.
        """
        ...

    async def close(self) -> None:
        """Ends what the feed holds."""
        ...


@dataclass(frozen=True)
class Subscription:
    """What a window asks for."""

    services: Services
    names: Mapping[str, str]
    """The groups of the topic's pattern."""
    offset: int | None
    """Where to go on; None: with a snapshot first."""
    call: Callable[[], None]
    """Says that the feed has something."""


@dataclass(frozen=True)
class TopicKind:
    """A kind of topic of the websocket."""

    pattern: str
    """Regular expression of its topics' names."""
    usage: str
    """Its topics' names for people, e.g. `job/ID/frames`."""
    carries: str
    """What its messages hold, in words."""
    open: Callable[[Subscription], Feed]
    """May raise MlkError where there is nothing to follow."""
    limit: Callable[[Services], Slots] | None = None
    """Of how many one user may follow at the same time."""
    load: Callable[[], None] | None = None
    """Imports what `open` needs, off the event loop: the first window brings it into the server."""
    resource: str | None = None
    """What of Jupyter's own they tell of: whoever may not read it may not follow them."""


@dataclass(frozen=True)
class Feature:
    """One part of what the server offers."""

    handlers: Sequence[tuple[str, type[RequestHandler]]] = ()
    """Patterns below the base URL."""
    routes: Callable[[], Sequence[Route]] = tuple
    """What the handlers serve."""
    topics: Sequence[TopicKind] = ()
    told: Callable[[], Sequence[type[BaseModel]]] = tuple
    """Models that its topics send and no route answers with."""
    start: Callable[[Services], Awaitable[None]] | None = None
    """Runs when the server has started. What a feature holds it ends by `Services.at_end`."""


def topic_of(features: Sequence[Feature], name: str) -> tuple[TopicKind, dict[str, str]]:
    """The kind of a topic, and the groups of its pattern.

    Raises: BadTopic.
    """
    every = [kind for feature in features for kind in feature.topics]
    for kind in every:
        match = re.fullmatch(kind.pattern, name)
        if match is not None:
            return kind, match.groupdict()
    usages = ", ".join(kind.usage for kind in every)
    raise BadTopic(f"{name!r} is no topic.", hint=f"Use one of: {usages}.")
