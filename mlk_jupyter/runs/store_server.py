"""MLflow's server for the store of this machine, as one process that cannot outlive whoever asked for it.

`local_server.py` starts this file as a script: `python store_server.py URI ARTIFACTS`, a secret in the first line of
stdin. It imports the standard library and what MLflow brings. Once it answers it writes `{"port": N}` to stdout. It
ends when stdin does: the other end of that pipe closes with its owner, SIGKILL included.

`mlflow server` would do the same with a second process that only waits: 210 MB more, 6 s instead of 3 until it answers.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

# How `mlflow server` tells its workers what to serve, by the constants of `mlflow.server` that hold the names. They are
# MLflow's own business, so that a version may rename them: it would serve a store that is not ours, without a word.
SERVER_VARIABLES = {
    "BACKEND_STORE_URI_ENV_VAR": "_MLFLOW_SERVER_FILE_STORE",
    "REGISTRY_STORE_URI_ENV_VAR": "_MLFLOW_SERVER_REGISTRY_STORE",
    "ARTIFACT_ROOT_ENV_VAR": "_MLFLOW_SERVER_ARTIFACT_ROOT",
    "SERVE_ARTIFACTS_ENV_VAR": "_MLFLOW_SERVER_SERVE_ARTIFACTS",
    "ARTIFACTS_DESTINATION_ENV_VAR": "_MLFLOW_SERVER_ARTIFACT_DESTINATION",
}

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Guarded:
    """An ASGI application behind a secret: every user of this machine can reach its port.

    The secret comes as a bearer token, or once as `?token=` in a browser's address, which a cookie then replaces.
    """

    def __init__(self, app: App, secret: str, port: int) -> None:
        self._app = app
        self._secret = secret.encode()
        self._cookie = f"mlk-mlflow-{port}"  # cookies know no ports

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif self._is_ours(dict(scope["headers"])):
            await self._app(scope, receive, send)
        elif scope["method"] == "GET" and self._token_of(scope):
            await self._welcome(scope, send)
        else:
            await _answer(send, 401, [], b"This server belongs to somebody's Jupyter. Open it from there.\n")

    def _is_ours(self, headers: dict[bytes, bytes]) -> bool:
        if hmac.compare_digest(headers.get(b"authorization", b""), b"Bearer " + self._secret):
            return True
        try:
            cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._secret)

    def _token_of(self, scope: dict[str, Any]) -> bool:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        return hmac.compare_digest(query.get("token", "").encode(), self._secret)

    async def _welcome(self, scope: dict[str, Any], send: Any) -> None:
        rest = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
        # Relative, and the cookie for where the browser sees us: it may come through a proxy, under a path that we do
        # not know. What stands behind the # stays with the browser.
        name = re.split(r"[/\\]", scope["path"])[-1]
        path = f"./{name}" + ("?" + urlencode(rest) if rest else "")
        cookie = f"{self._cookie}={self._secret.decode()}; HttpOnly; SameSite=Strict"
        place = path.encode("ascii", "replace").replace(b"\r", b"").replace(b"\n", b"")
        await _answer(send, 303, [(b"location", place), (b"set-cookie", cookie.encode())], b"")


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    about = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *about]})
    await send({"type": "http.response.body", "body": body})


def main(tracking_uri: str, artifacts: str) -> None:
    """Serves until stdin ends."""
    secret = sys.stdin.readline().strip()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what MLflow prints must not mix with the answer
    threading.Thread(target=_end_with_stdin, name="lifeline", daemon=True).start()
    served = {
        "BACKEND_STORE_URI_ENV_VAR": tracking_uri,
        "REGISTRY_STORE_URI_ENV_VAR": tracking_uri,
        "ARTIFACT_ROOT_ENV_VAR": artifacts,
        "SERVE_ARTIFACTS_ENV_VAR": "true",
        "ARTIFACTS_DESTINATION_ENV_VAR": artifacts,
    }
    os.environ.update(
        {SERVER_VARIABLES[constant]: value for constant, value in served.items()},
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",  # nine more processes, 1.3 GB
        MLFLOW_DISABLE_TELEMETRY="true",
        GIT_PYTHON_REFRESH="quiet",
    )
    _check_variables()
    import uvicorn
    from mlflow.server.fastapi_app import app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            json.dump({"port": port}, answers)
            answers.close()

    config = uvicorn.Config(Guarded(app, secret, port), access_log=False, log_level="warning", lifespan="on")
    Server(config).run(sockets=[listener])


def _check_variables() -> None:
    """Ends the process where this MLflow would not serve the store that it was told to."""
    from mlflow import __version__, server

    unknown = [name for constant, name in SERVER_VARIABLES.items() if getattr(server, constant, None) != name]
    if unknown:
        sys.exit(
            f"MLflow {__version__} is not told which store to serve by {', '.join(unknown)}: "
            "install a newer mlk-jupyter, or an older MLflow."
        )


def _end_with_stdin() -> None:
    # Read, not readline: the secret's line is gone, and nothing else ever comes.
    while os.read(0, 4096):
        pass
    os._exit(0)  # SQLite needs no farewell: what is committed stays, what is not is rolled back


if __name__ == "__main__":
    # Started by its path, this folder is first on the search path; its file names would hide other modules.
    sys.path.pop(0)
    main(*sys.argv[1:])
