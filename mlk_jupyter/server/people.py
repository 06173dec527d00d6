"""Signs that a person uses a server, rather than a page that was left open.

An open page asks for lists, and saves its layout, every few seconds for ever; so do extensions. What tells of a person:
a page that is loaded, something saved, a change through this extension, a key in a terminal. Of an application behind
jupyter-server-proxy it cannot be told, so whatever it is asked counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CONTENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
_PROXY = "jupyter_server_proxy."
_READS = ("GET", "HEAD", "OPTIONS")


class People:
    """When a person was last seen at one server."""

    def __init__(self, serverapp: Any, clock: Callable[[], float]) -> None:
        """Args: clock: monotonic seconds."""
        self._clock = clock
        self._seen: float | None = None
        self._settings = settings = serverapp.web_app.settings
        base = settings["base_url"]
        self._changes = (f"{base}mlk/", f"{base}api/contents/")
        self._log = settings["log_function"]  # called at the end of each request
        settings["log_function"] = self._listen
        # Pages that edit together save without a request; not every contents manager tells of what it saves.
        self._events = serverapp.event_logger
        self._events.add_listener(schema_id=_CONTENTS, listener=self._contents)

    def close(self) -> None:
        """Hears of nothing from now on."""
        self._events.remove_listener(schema_id=_CONTENTS, listener=self._contents)
        if self._settings["log_function"] == self._listen:  # else somebody has put theirs around it
            self._settings["log_function"] = self._log

    def note(self) -> None:
        """A person was there just now."""
        self._seen = self._clock()

    def seen_s(self) -> float | None:
        """Seconds since then; None: nobody was, yet."""
        return None if self._seen is None else self._clock() - self._seen

    def _listen(self, handler: Any) -> None:
        self._look_at(handler)
        self._log(handler)

    def _look_at(self, handler: Any) -> None:
        request = handler.request
        if handler.get_status() >= 400:
            return
        is_page = request.headers.get("Sec-Fetch-Dest") == "document"
        is_application = type(handler).__module__.startswith(_PROXY)
        is_change = request.method not in _READS and request.path.startswith(self._changes)
        if is_page or is_application or is_change:
            self.note()

    async def _contents(self, logger: object, schema_id: str, data: dict[str, Any]) -> None:
        # A page lists folders for ever. It saves what a person, or a cell of theirs, has changed.
        if data.get("action") != "get":
            self.note()
