"""What every handler shares: who may do what, reading a body, answering, and one shape for every error."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import secrets
import sys
from collections.abc import Awaitable, Callable
from http.client import responses
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web
from tornado.concurrent import future_set_result_unless_cancelled
from tornado.iostream import StreamClosedError

from ..errors import MlkError
from .limits import TooManyRequests

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..backends.many import Backends
    from .features import Action
    from .services import Services

logger = logging.getLogger(__name__)

RESOURCE = "mlk"
"""What an authorizer is asked about, for every endpoint of ours."""

JOB_ID = r"(?P<job_id>[a-z][a-z0-9-]{0,62})"
"""A job id in a URL pattern."""

BODY_LIMIT = 1 << 20
"""Most bytes of a request body; the server's own limit is 512 MiB."""
READ_LIMIT = 64 << 20
"""Most bytes of a body that is refused and read to its end all the same, so that its connection stays of use."""

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_UNIMPLEMENTED = web.RequestHandler._unimplemented_method


class NotLoggedIn(MlkError):
    """Nobody is logged in."""

    code, title, status = "not_logged_in", "This needs a login", 403


class NoXsrfToken(MlkError):
    """The cookie alone does not show that the request comes from a page of this server."""

    code, title, status = "xsrf", "This did not come from a page of this server", 403


class NotAllowed(MlkError):
    """The server's authorizer said no."""

    code, title, status = "not_allowed", "You may not do this", 403


class BadRequest(MlkError):
    """The request cannot be read. A face sent something wrong, not a person."""

    code, title, status = "bad_request", "The request cannot be read", 400


class LoginUnavailable(MlkError):
    """Whoever this server asks who somebody is does not answer: JupyterHub is away, or being started again."""

    code, title, status = "login_unavailable", "Logins cannot be checked", 503

    def __init__(self) -> None:
        super().__init__(
            "This server asks JupyterHub, or another service, who sent a request, and gets no answer.",
            hint="Jobs go on running. Wait a minute; if it stays so, tell whoever runs the Hub.",
        )


class BodyTooLarge(MlkError):
    """More bytes than any request of ours needs."""

    code, title, status = "body_too_large", "The request is too large", 413

    def __init__(self) -> None:
        super().__init__(f"A request may have {BODY_LIMIT:,} bytes.", hint="Put large values into a file of the job.")


Handled = TypeVar("Handled", bound="Callable[..., Awaitable[None]]")


def allowed(action: Action, *, is_activity: bool = False) -> Callable[[Handled], Handled]:
    """Lets only those in whom the authorizer lets do `action`. Goes below `@web.authenticated`, on every method anew.

    jupyter_server's `@authorized` (2.21) keeps the action and resource of the first request that it sees, also for
    other classes that share the method; this one keeps nothing.

    Args:   is_activity: whether a success counts as the person being there, for those who stop idle servers.
    Raises: TooManyRequests when the user has too many requests under way: each may hold a thread and a whole notebook.
    """

    def decorate(method: Handled) -> Handled:
        @functools.wraps(method)
        async def checked(self: Handler, *args: Any, **kwargs: Any) -> None:
            await authorize(self, action)
            self.check_body()
            self._track_activity = is_activity
            with self.services.under_way(), self.services.requests.held(self.user):
                await method(self, *args, **kwargs)

        checked.__mlk_action__ = action  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


async def authorize(handler: JupyterHandler, action: Action, resource: str = RESOURCE) -> None:
    """Returns when the user may do it.

    Raises: NotLoggedIn, NotAllowed.
    """
    if handler.current_user is None:
        raise _unrecognised(handler)
    if not await may(handler, action, resource):
        what = "jobs" if resource == RESOURCE else resource
        raise NotAllowed(
            f"This server does not let you {action} {what}.", hint="Ask the owner of the server for access."
        )


def _unrecognised(handler: JupyterHandler) -> MlkError:
    """Why somebody is not let in at all."""
    known = getattr(handler, "_cached_hub_user", None)  # set by JupyterHub's provider, also for those it lets not in
    if not isinstance(known, dict):
        return NotLoggedIn("The request bears no valid token or cookie.", hint="Reload the page and log in again.")
    return NotAllowed(
        f"JupyterHub knows who this is ({str(known.get('name'))[:100]}), and that they have no access to this server.",
        hint="Ask the owner of the server to share it, or take a token with the scope access:servers.",
    )


async def may(handler: JupyterHandler, action: Action, resource: str = RESOURCE) -> bool:
    """Whether the authorizer lets the user, who is logged in, do it."""
    user = handler.current_user
    return bool(await ensure_async(handler.authorizer.is_authorized(handler, user, action, resource)))


def name_of(handler: JupyterHandler) -> str | None:
    """What the identity provider calls who sent a request; None where the server knows one person only: with one token
    or password for all, names are made up for each browser."""
    if type(handler.identity_provider) in (IdentityProvider, PasswordIdentityProvider):
        return None
    return str(handler.current_user.username)


def user_key(handler: JupyterHandler) -> str:
    """Who a limit counts for. Without a cookie a name is made up for each request, so all its users are one."""
    name = name_of(handler)
    if name is None and handler.token_authenticated:
        return "token"
    return name or str(handler.current_user.username)


class OwnErrors(JupyterHandler):
    """Headers and errors of every endpoint of ours, REST or websocket."""

    _foreseen: str | None = None
    """Code of the error that the answer tells."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    async def prepare(self) -> None:  # type: ignore[override]
        """Who comes here.

        Raises: LoginUnavailable when whoever knows that does not answer; else as jupyter_server's.
        """
        try:
            await super().prepare()
        except web.HTTPError as error:
            if error.status_code < 500:
                raise
            raise LoginUnavailable() from error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every failure as an `ErrorBody`. What we did not foresee shows only a reference into the log."""
        error = explain(status_code, kwargs.get("exc_info", (None, None, None))[1], self)
        self.set_status(error.status)
        if error.status == 405:
            implemented = (verb for verb in VERBS if getattr(type(self), verb.lower()) is not _UNIMPLEMENTED)
            self.set_header("Allow", ", ".join(implemented))
        if isinstance(error, TooManyRequests):
            self.set_header("Retry-After", str(error.retry_after_s))
        self.finish(error.as_dict())

    def _log(self) -> None:
        """The access log. jupyter_server adds all headers to an answer of 500 and more; one that we foresaw (another
        server is away or being started) is no mishap of this server and needs one line."""
        if self._foreseen and self.get_status() >= 500:
            logger.info("%d %s %s: %s", self.get_status(), self.request.method, self.request.path, self._foreseen)
        else:
            super()._log()

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, MlkError):
            self._foreseen = value.code
            logger.debug("%s %s: %s", self.request.method, self.request.path, value.code)
        elif isinstance(value, web.HTTPError):
            super().log_exception(typ, value, tb)
        else:
            self._reference = secrets.token_hex(4)
            logger.error(
                "Bug, reference %s, in %s %s", self._reference, self.request.method, self.request.path, exc_info=value
            )


@web.stream_request_body
class Handler(OwnErrors, ExtensionHandlerMixin, APIHandler):
    """Base of all REST handlers. Polls are no activity; a body is kept only of those who may send one.

    A refusal waits for the end of the body. Answered earlier, tornado would close the connection, and a proxy that
    keeps it for other people's requests finds that out by sending the next of them.
    """

    _track_activity = False

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self._body = bytearray()
        self._received_bytes = 0
        self._keeps_body = True

    async def prepare(self) -> None:  # type: ignore[override]
        # Tornado's own limit closes the connection without an answer; `data_received` counts instead.
        self.request.connection.set_max_body_size(sys.maxsize)  # type: ignore[union-attr]
        try:
            await super().prepare()
        except Exception:
            self._keeps_body = False
            await self._end_of_body()
            raise

    async def _end_of_body(self) -> None:
        """Takes the rest of the body, as tornado does between `prepare` and the method."""
        future_set_result_unless_cancelled(self._prepared_future, None)  # type: ignore[arg-type]
        with contextlib.suppress(StreamClosedError):  # then nobody waits for the answer
            await self.request._body_future

    def data_received(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)
        if self._received_bytes > BODY_LIMIT:
            self._body.clear()
        elif self._keeps_body:
            self._body += chunk
        if self._received_bytes > READ_LIMIT and not self._finished:
            refused = BodyTooLarge()
            self.send_error(refused.status, exc_info=(BodyTooLarge, refused, None))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if not self.request._body_future.done():
            self.set_header("Connection", "close")  # which tornado does, and does not say
        super().write_error(status_code, **kwargs)

    @property
    def services(self) -> Services:
        return self.extensionapp.services  # type: ignore[attr-defined, no-any-return]

    @property
    def backend(self) -> Backends:
        return self.services.backend

    @property
    def user(self) -> str:
        return user_key(self)

    def check_body(self) -> None:
        """Raises: BodyTooLarge."""
        if self._received_bytes > BODY_LIMIT:
            raise BodyTooLarge

    def json_body(self, model: type[ModelT]) -> ModelT:
        """The body as a model.

        Raises: BadRequest for what is no JSON object; BadInput naming the fields for one that does not fit.
        """
        return parse(bytes(self._body), model)

    def integer(self, name: str, default: int, *, least: int | None, most: int) -> int:
        """A number behind the question mark.

        Raises: BadRequest when it is none, or out of bounds.
        """
        text = self.get_query_argument(name, None)
        if text is None:
            return default
        number = None
        if text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 16:
            number = int(text)
        if number is None or number > most or (least is not None and number < least):
            bounds = f"at most {most}" if least is None else f"between {least} and {most}"
            raise BadRequest(f"`{name}` must be a whole number, {bounds}.", hint="Correct the address.")
        return number

    def answer(self, model: BaseModel, status: int = 200) -> None:
        """Finishes with a model as JSON."""
        self.set_status(status)
        self.finish(model.model_dump_json())

    def offer_file(self, name: str, media_type: str) -> None:
        """Makes the answer a download that no browser runs or shows as a page of this server.

        Raises: HTTPError 403 without an XSRF token, as for `/files`: another site must not be able to start it.
        """
        self.check_xsrf_cookie()
        self.set_attachment_header(name)
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Content-Type", media_type)


def explain(status: int, cause: BaseException | None, handler: JupyterHandler) -> MlkError:
    """Any failure of a request as one of ours, without a word of what the cause says unless it is ours."""
    if isinstance(cause, MlkError):
        return cause
    if status == 403 and handler.current_user is None:
        return _unrecognised(handler)
    if isinstance(cause, web.HTTPError) and status < 500:
        words = responses.get(status, "Refused")
        refused = BadRequest(f"{words} (HTTP {status}).", hint="Reload the page; if it stays, report it.")
        if status == 403:
            return NoXsrfToken("The request bears no valid XSRF token.", hint="Reload the page.")
        refused.status = status
        return refused
    reference = getattr(handler, "_reference", None)
    where = f" under reference {reference}" if reference else ""
    return MlkError(
        f"This is a bug in mlk-jupyter. The server's log has the details{where}.",
        hint="Report it with that part of the log.",
    )


ModelT = TypeVar("ModelT", bound="BaseModel")


def parse(data: bytes | str, model: type[ModelT]) -> ModelT:
    """JSON as a model: UTF-8, an object, no NaN, no nesting that later steps could not write.

    Raises: BadRequest, BadInput.
    """
    from pydantic import ValidationError
    from pydantic_core import from_json

    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"The body is no JSON: {str(error)[:200]}.", hint="Send a JSON object in UTF-8.") from error
    if _has_infinity(value):
        raise BadRequest("The body holds a number that is too large.", hint="Send numbers that a double can hold.")
    if not isinstance(value, dict):
        raise BadRequest("The body is no JSON object.", hint="Send a JSON object in UTF-8.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        from ..model.problems import explained

        raise explained(error, model) from error


def _has_infinity(value: object) -> bool:
    """`1e999` is good JSON and becomes infinity. The parser has bounded the depth."""
    if isinstance(value, dict):
        return any(map(_has_infinity, value.values()))
    if isinstance(value, list):
        return any(map(_has_infinity, value))
    return isinstance(value, float) and math.isinf(value)
