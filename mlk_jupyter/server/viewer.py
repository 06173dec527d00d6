"""Who looks, and what of a job they are shown: decided here alone, for answers and for topics of the websocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .base import may, name_of

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler
    from pydantic import BaseModel

Told = TypeVar("Told", bound="BaseModel")


@dataclass(frozen=True)
class Viewer:
    """Somebody who was let in."""

    name: str | None
    """As the identity provider calls them; None where all who come in are one person."""
    may_write: bool

    def shown(self, told: Told) -> Told:
        """What they see of something that is told.

        Values of environment variables are often secrets: only who set them, and may set them still, sees more than
        their names.
        """
        from ..model import JobStatus

        if not isinstance(told, JobStatus):
            return told
        if self.may_write and self.name in (None, told.submitted_by):
            return told
        spec = told.spec.model_copy(update={"env": dict.fromkeys(told.spec.env, "")})
        return told.model_copy(update={"spec": spec})


async def viewer_of(handler: JupyterHandler) -> Viewer:
    """Who sent a request. They are logged in."""
    return Viewer(name_of(handler), await may(handler, "write"))
