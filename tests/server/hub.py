"""What JupyterHub 6.1 puts into a single-user server, without a Hub: its identity provider as far as we depend on it.

It knows people by their token, keeps what it found out on the handler and, for five minutes, in `hub_auth.cache`, gives
nobody for those without access whom it knows, and an error of 500 when the Hub does not answer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jupyter_server.auth import IdentityProvider, User
from tornado import web


class Hub(IdentityProvider):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = {"ada", "bob", "eve"}
        self.allowed = {"ada", "bob"}
        self.away = False
        self.hub_auth = SimpleNamespace(cache={})

    async def get_user(self, handler: Any) -> User | None:  # type: ignore[override]
        if not hasattr(handler, "_cached_hub_user"):
            name = handler.request.headers.get("Authorization", "").removeprefix("token ")
            if name not in self.hub_auth.cache:
                if self.away:
                    raise web.HTTPError(500, "Failed to connect to Hub API")
                self.hub_auth.cache[name] = (name in self.known, name in self.allowed)
            known, allowed = self.hub_auth.cache[name]
            handler._cached_hub_user = {"name": name} if known else None
            handler._token_authenticated = known
            handler._allowed = allowed
        return User(handler._cached_hub_user["name"]) if handler._cached_hub_user and handler._allowed else None


def token(name: str) -> dict[str, str]:
    return {"Authorization": f"token {name}"}
