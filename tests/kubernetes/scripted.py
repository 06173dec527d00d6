"""A connection that answers from a script and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlk_jupyter.backends.kubernetes.api.api_errors import error_of
from mlk_jupyter.backends.kubernetes.api.connection import Answer, Listing

Body = dict[str, Any]


class Scripted:
    """Documents by path; what is not there is answered with 404. An exception in a document's place is raised."""

    def __init__(
        self, documents: dict[str, Any] | None = None, created: Callable[[str, Body], Any] | None = None
    ) -> None:
        self.documents = documents or {}
        self._created = created
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Body] = []

    async def get(self, path: str, **params: str) -> Body:
        self.calls.append(("get", path))
        return self._found(path)

    async def text(self, path: str, **params: str) -> str:
        self.calls.append(("text", path))
        return str(self._found(path))

    async def list(self, path: str, *, fields: str | None = None, keep: Any = None, **rest: Any) -> Listing:
        self.calls.append(("list", path))
        items = self._found(path)
        return Listing([keep(item) if keep else item for item in items], "1")

    async def create(self, path: str, body: Body, *, dry_run: bool = False) -> Answer:
        self.calls.append(("dry-run" if dry_run else "create", path))
        self.bodies.append(body)
        answer = self._created(path, body) if self._created else body
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(answer, [])

    def _found(self, path: str) -> Any:
        found = self.documents.get(path)
        if found is None:
            raise error_of(404, {"message": "the server could not find the requested resource", "reason": "NotFound"})
        if isinstance(found, Exception):
            raise found
        return found
