"""One cluster over HTTP: logins that are renewed, lists, watches and logs that break, and what is said of it."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from badserver import Scripted, listing, only_target, pod, status, streaming, until, write_kubeconfig
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlk_jupyter.backends.kubernetes.api import targets as targets_module
from mlk_jupyter.backends.kubernetes.api.api_errors import (
    ApiError,
    Conflict,
    Expired,
    LoginNeeded,
    NotFoundInCluster,
    ServerTrouble,
    Silent,
    Throttled,
    Unreachable,
)
from mlk_jupyter.backends.kubernetes.api.connection import Connection, Event
from mlk_jupyter.backends.kubernetes.api.plugin import PluginFailed
from mlk_jupyter.backends.kubernetes.timing import Limits

PODS = "/api/v1/namespaces/ml/pods"
EAGER = Limits(look_s=0.0, renew_s=0.0)
"""Files are looked at before each request, and a renewal is never too soon."""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster and no proxy of this machine's own gets in."""
    for name in ("KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "MLK_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def connected(tmp_path: Path, server: Scripted, limits: Limits | None = None, **config: Any) -> Connection:
    write_kubeconfig(tmp_path / "kubeconfig", server.url, **config)
    return Connection(only_target(), limits)


def authorizations(server: Scripted) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.requests]


async def collected(connection: Connection, version: str = "1") -> list[Event]:
    async with connection.watch(PODS, version=version) as events:
        return [event async for event in events]


# ---- calls


def test_a_list_is_put_together_from_its_pages(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["limit"] == "500" and request.query["labelSelector"] == "a=b"
        if "continue" not in request.query:
            return listing([pod("a", 3)], 9, token="second page")
        assert request.query["continue"] == "second page"
        return listing([pod("b", 4)], 9)

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list(PODS, labels="a=b")
            assert [one["metadata"]["name"] for one in found.items] == ["a", "b"] and found.version == "9"
            assert {(one["kind"], one["apiVersion"]) for one in found.items} == {("Pod", "v1")}

    run(test)


def test_a_list_whose_pages_expire_is_begun_again(tmp_path: Path) -> None:
    async def test() -> None:
        first = True

        async def answer(request: web.Request) -> web.StreamResponse:
            nonlocal first
            if "continue" not in request.query:
                return listing([pod("a", 3)], 9 if first else 12, token="t")
            if first:
                first = False
                return status(410, "The provided continue parameter is too old", "Expired")
            return listing([pod("b", 11)], 12)

        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list(PODS)
            assert [one["metadata"]["name"] for one in found.items] == ["a", "b"] and found.version == "12"

    run(test)


def test_a_custom_resource_whose_kind_stands_behind_its_items_is_read_alike(tmp_path: Path) -> None:
    body = {"apiVersion": "x/v1", "items": [{"metadata": {"name": "a"}}], "kind": "FooList", "metadata": {"a": 1}}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, dumps=lambda it: json.dumps(it, indent=1))

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list("/apis/x/v1/foos", keep=lambda one: {"was": one["kind"]})
            assert found.items == [{"was": "Foo"}]

    run(test)


def test_a_large_list_is_decoded_without_holding_up_the_loop(tmp_path: Path) -> None:
    items = [{**pod(f"p{n}", n), "status": {"text": ["x" * 20] * 300}} for n in range(1500)]
    page = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type="application/json")

    async def test() -> None:
        threads: set[int] = set()

        def keep(one: dict[str, Any]) -> dict[str, Any]:
            threads.add(threading.get_ident())
            return {"metadata": one["metadata"]}

        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list(PODS, keep=keep)
            assert len(found.items) == 1500 and len(page) > 1 << 20
            assert threads and threading.get_ident() not in threads

    run(test)


def test_creating_asks_for_strict_fields_and_gives_the_servers_warnings(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["fieldValidation"] == "Strict" and request.query.get("dryRun") in (None, "All")
        headers = [("Warning", '299 - "would violate PodSecurity \\"restricted\\""'), ("Warning", '299 - "second"')]
        return web.json_response(await request.json(), status=201, headers=headers)

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            answer_ = await connection.create("/apis/batch/v1/namespaces/ml/jobs", {"a": 1}, dry_run=True)
            assert answer_.body == {"a": 1}
            assert answer_.warnings == ['would violate PodSecurity "restricted"', "second"]

    run(test)


def test_deleting_names_the_uid_and_finds_nothing_wrong_with_what_is_gone(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert body["propagationPolicy"] == "Background"
        if request.path.endswith("gone"):
            return status(404, "not found", "NotFound")
        return status(409, f"the UID in the precondition ({body['preconditions']['uid']}) does not match", "Conflict")

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            await connection.delete(f"{PODS}/gone", uid="u")
            with pytest.raises(Conflict):
                await connection.delete(f"{PODS}/other", uid="u")

    run(test)


def test_a_patch_is_a_json_patch(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/json-patch+json"
        return web.json_response({"patched": await request.json()})

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            operations = [{"op": "test", "path": "/metadata/uid", "value": "u"}]
            assert await connection.patch(f"{PODS}/a", operations) == {"patched": operations}

    run(test)


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (lambda: web.Response(text="<html>login</html>", content_type="text/html"), Unreachable, "web page"),
        (lambda: web.Response(text="[1]", content_type="application/json"), Unreachable, "no Kubernetes"),
        (lambda: web.Response(text='{"cut', content_type="application/json"), Unreachable, "cut short"),
        (lambda: web.HTTPFound("https://login.example"), Unreachable, "elsewhere"),
        (lambda: web.Response(text="<html><body>no</body>", status=502), ServerTrouble, "web page"),
        (lambda: status(429, "busy"), Throttled, "busy"),
        (lambda: status(500, "etcd is away"), ServerTrouble, "etcd"),
    ],
    ids=["html", "list", "cut", "redirect", "proxy page", "busy", "trouble"],
)
def test_what_is_no_answer_of_an_api_server_is_said_to_be_none(
    response: Callable[[], web.Response], kind: type[ApiError], words: str, tmp_path: Path
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        made = response()
        if isinstance(made, web.HTTPException):
            raise made
        return made

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            for call in (connection.get, connection.list):
                with pytest.raises(kind) as caught:
                    await call(PODS)
                assert words in caught.value.detail and "<" not in caught.value.detail

    run(test)


def test_a_server_that_is_away_is_said_to_refuse_and_used_again_once_it_is_back(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True})

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            assert await connection.get("/version")
            await server.stop()
            with pytest.raises(Unreachable) as caught:
                await connection.get("/version")
            assert "refused" in caught.value.detail
            await server.start()
            assert await connection.get("/version")

    run(test)


def test_silence_is_an_error_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        over = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            watched = "watch" in request.query
            response = await streaming(request, ("ADDED", pod("a", 2))) if watched else web.json_response({})
            await over.wait()
            return response

        limits = Limits(answer_s=0.2, silence_s=0.2)
        async with Scripted(answer) as server, connected(tmp_path, server, limits) as connection:
            with pytest.raises(Silent):
                await connection.get("/version")
            seen = []
            with pytest.raises(Silent):
                async with connection.watch(PODS, version="1") as events:
                    async for event in events:
                        seen.append(event.type)
            over.set()
            assert seen == ["ADDED"]

    run(test)


def test_the_servers_clock_is_known_from_its_answers(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"Date": "Sun, 22 Nov 2026 08:00:00 GMT"})

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            assert abs(connection.clock() - time.time()) < 5
            await connection.get("/version")
            assert abs(connection.clock() - datetime(2026, 11, 22, 8, tzinfo=timezone.utc).timestamp()) < 5

    run(test)


def test_a_pause_that_the_server_asks_for_is_known_to_all(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "30"}, text="Too many requests")

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            assert connection.pause_s == 0
            with pytest.raises(Throttled):
                await connection.get("/version")
            assert 25 < connection.pause_s <= 30

    run(test)


# ---- watches and logs


def test_a_watch_asks_for_bookmarks_and_an_end_and_gives_lines_however_they_are_cut(tmp_path: Path) -> None:
    large = {**pod("b", 3), "status": {"text": "x" * (4 << 20)}}

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["allowWatchBookmarks"] == "true" and 240 <= int(request.query["timeoutSeconds"]) <= 300
        response = await streaming(request)
        lines = "".join(json.dumps({"type": "ADDED", "object": one}) + "\n" for one in (pod("ä", 2), large)).encode()
        for place in (0, 1):
            await response.write(lines[place * 97 : (place + 1) * 97])
        await response.write(lines[2 * 97 :])
        await response.write(json.dumps({"type": "BOOKMARK", "object": pod("", 9)}).encode() + b"\n\n")
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            events = await collected(connection)
            assert [event.type for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
            assert events[0].object["metadata"]["name"] == "ä" and len(events[1].object["status"]["text"]) == 4 << 20

    run(test)


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 5 (9)"}


@pytest.mark.parametrize("in_stream", [True, False])
def test_a_forgotten_version_is_told_apart_in_the_stream_and_before_it(in_stream: bool, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await streaming(request, ("ERROR", GONE)) if in_stream else web.json_response(GONE, status=410)

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            with pytest.raises(Expired):
                await collected(connection)

    run(test)


@pytest.mark.parametrize(
    "rest",
    [b'{"type":"ADDED","obj', b"<html>502</html>\n", b'{"no":"event"}\n', b'"text"\n'],
    ids=["cut", "page", "other", "text"],
)
def test_a_line_that_is_no_event_ends_the_watch_with_an_error(rest: bytes, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = await streaming(request, ("ADDED", pod("a", 2)))
        await response.write(rest)
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            with pytest.raises(Unreachable):
                await collected(connection)

    run(test)


def test_a_connection_that_is_reset_in_a_watch_is_unreachable_and_nothing_else(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = await streaming(request, ("ADDED", pod("a", 2)))
        assert request.transport is not None
        request.transport.abort()
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            with pytest.raises(Unreachable):
                await collected(connection)

    run(test)


def test_leaving_a_watch_early_closes_its_connection(tmp_path: Path) -> None:
    async def test() -> None:
        left = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await streaming(request)
            with suppress(ConnectionError):
                while True:
                    await response.write(json.dumps({"type": "ADDED", "object": pod("a", 2)}).encode() + b"\n")
                    await asyncio.sleep(0.01)
            left.set()
            return response

        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            async with connection.watch(PODS, version="1") as events:
                async for _ in events:
                    break
            await asyncio.wait_for(left.wait(), 20)

    run(test)


def test_a_log_comes_in_pieces_and_a_refusal_is_no_log(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "/gone/" in request.path:
            return status(404, 'pods "gone" not found', "NotFound")
        assert dict(request.query) == {
            "container": "worker", "timestamps": "true", "sinceTime": "2026-11-22T08:00:00Z", "follow": "true"
        }  # fmt: skip
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b"2026-11-22T08:00:01Z one\n2026-", b"11-22T08:00:02Z \xff\n"):
            await response.write(piece)
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            since = "2026-11-22T08:00:00Z"
            async with connection.log("ml", "p", "worker", since=since, follow=True) as pieces:
                whole = b"".join([piece async for piece in pieces])
            assert whole == b"2026-11-22T08:00:01Z one\n2026-11-22T08:00:02Z \xff\n"
            with pytest.raises(NotFoundInCluster):
                async with connection.log("ml", "gone", "worker", since=None, follow=False):
                    pass

    run(test)


# ---- logins


def guarded(*accepted: str) -> tuple[set[str], Any]:
    """Tokens that are accepted, to be changed at will, and what answers accordingly."""
    tokens = set(accepted)

    async def answer(request: web.Request) -> web.StreamResponse:
        known = request.headers.get("Authorization", "").removeprefix("Bearer ") in tokens
        return web.json_response({"ok": True}) if known else status(401, "Unauthorized", "Unauthorized")

    return tokens, answer


def test_a_token_that_changes_in_its_file_is_read_anew(tmp_path: Path) -> None:
    async def test() -> None:
        tokens, answer = guarded("one")
        file = tmp_path / "token"
        file.write_text("one\n")
        async with (
            Scripted(answer) as server,
            connected(tmp_path, server, EAGER, user={"tokenFile": "token"}) as connection,
        ):
            assert await connection.get("/version")
            tokens.add("two")
            file.write_text("two\n")
            os.utime(file, ns=(1, 1))
            assert await connection.get("/version")
            assert authorizations(server) == ["Bearer one", "Bearer two"]

    run(test)


def test_a_refused_token_is_renewed_once_and_the_call_repeated(tmp_path: Path) -> None:
    async def test() -> None:
        tokens, answer = guarded("one")
        file = tmp_path / "token"
        file.write_text("one")
        limits = Limits(look_s=1e9, renew_s=0.0)  # nobody looks at the file unless the server says no
        async with (
            Scripted(answer) as server,
            connected(tmp_path, server, limits, user={"tokenFile": "token"}) as connection,
        ):
            assert await connection.get("/version")
            tokens.clear()
            tokens.add("two")
            file.write_text("two")
            together = await asyncio.gather(*(connection.get("/version") for _ in range(5)))
            assert len(together) == 5 and authorizations(server).count("Bearer two") == 5

    run(test)


def test_a_login_that_stays_refused_is_said_and_not_renewed_without_end(tmp_path: Path) -> None:
    async def test() -> None:
        _, answer = guarded()
        async with Scripted(answer) as server, connected(tmp_path, server, Limits(look_s=1e9)) as connection:
            for _ in range(5):
                with pytest.raises(LoginNeeded) as caught:
                    await connection.get("/version")
                assert "secret-token" not in str(caught.value.as_dict())
            assert len(server.requests) <= 6

    run(test)


def test_in_a_pod_the_service_accounts_token_is_used_as_it_rotates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    async def test() -> None:
        tokens, answer = guarded("one")
        account = tmp_path / "serviceaccount"
        account.mkdir()
        (account / "token").write_text("one\n")
        (account / "namespace").write_text("team")
        (account / "ca.crt").write_bytes(authority.pem)
        async with Scripted(answer, tls=authority.server()) as server:
            monkeypatch.delenv("KUBECONFIG")
            monkeypatch.setenv("HOME", str(tmp_path))
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            for module in ("targets", "credentials"):
                monkeypatch.setattr(f"mlk_jupyter.backends.kubernetes.api.{module}.SERVICE_ACCOUNT", account)
            assert targets_module.configured()
            async with Connection(only_target(), EAGER) as connection:
                assert connection.target.namespace == "team" and await connection.get("/version")
                tokens.clear()
                tokens.add("two")
                (account / "token").write_text("two\n")
                os.utime(account / "token", ns=(1, 1))
                assert await connection.get("/version")

    run(test)


def plugin(tmp_path: Path, body: str, **more: Any) -> dict[str, Any]:
    """A user whose credentials a program gives; `body` is Python that may use `count`, how often it ran before."""
    script = tmp_path / "plugin.py"
    script.write_text(
        "import json, os, sys, time, pathlib\n"
        f"counter = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "count = int(counter.read_text()) if counter.exists() else 0\n"
        "counter.write_text(str(count + 1))\n"
        "def give(**status): print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'kind': 'ExecCredential', 'status': status}))\n" + body
    )
    config = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(script)]}
    return {"exec": {**config, **more}}


def test_a_plugin_gives_the_token_and_is_asked_again_when_it_expires(tmp_path: Path) -> None:
    async def test() -> None:
        _, answer = guarded("token-0", "token-1", "token-2")
        soon = (datetime.now(timezone.utc) + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        far = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        give = f"give(token=f'token-{{count}}', expirationTimestamp={soon!r} if count == 0 else {far!r})"
        user = plugin(tmp_path, f"assert os.environ['EXTRA'] == 'x'\n{give}", env=[{"name": "EXTRA", "value": "x"}])
        async with Scripted(answer) as server, connected(tmp_path, server, user=user) as connection:
            await connection.get("/version")
            await asyncio.sleep(1.1)  # a plugin is asked at most once a second
            await connection.get("/version")
            await connection.get("/version")
            assert authorizations(server) == ["Bearer token-0", "Bearer token-1", "Bearer token-1"]

    run(test)


def test_a_plugin_is_asked_again_when_its_token_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        _, answer = guarded("token-1")
        user = plugin(tmp_path, "give(token=f'token-{count}')")
        async with Scripted(answer) as server, connected(tmp_path, server, EAGER, user=user) as connection:
            assert await connection.get("/version")
            assert authorizations(server) == ["Bearer token-0", "Bearer token-1"]

    run(test)


def test_a_plugin_that_hangs_is_ended_with_all_it_started_and_the_loop_goes_on(tmp_path: Path) -> None:
    body = (
        "import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\ntime.sleep(600)"
    )

    async def test() -> None:
        _, answer = guarded()
        ticks = 0
        limits = Limits(plugin_s=2.0)
        async with (
            Scripted(answer) as server,
            connected(tmp_path, server, limits, user=plugin(tmp_path, body)) as connection,
        ):
            call = asyncio.create_task(connection.get("/version"))
            while not call.done():
                await asyncio.sleep(0.02)
                ticks += 1
            with pytest.raises(PluginFailed) as caught:
                await call
            assert "2 s" in caught.value.detail and ticks > 20 and server.requests == []
        pid = int((tmp_path / "pid").read_text())
        await until(lambda: not alive(pid))

    run(test)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@pytest.mark.parametrize(
    ("body", "more", "words"),
    [
        ("sys.exit('session expired, value=\"hunter2-canary\"')", {}, "session expired"),
        ("print('hello')", {}, "no ExecCredential"),
        ("give()", {}, "neither a token"),
        ("", {"command": "no-such-plugin"}, "cannot be started"),
        ("", {"interactiveMode": "Always"}, "wants a terminal"),
    ],
    ids=["fails", "chatters", "empty", "missing", "interactive"],
)
def test_a_plugin_that_gives_nothing_says_why(body: str, more: dict[str, Any], words: str, tmp_path: Path) -> None:
    async def test() -> None:
        _, answer = guarded()
        user = plugin(tmp_path, body, **more)
        async with Scripted(answer) as server, connected(tmp_path, server, user=user) as connection:
            with pytest.raises(PluginFailed) as caught:
                await connection.get("/version")
            assert words in caught.value.detail and "canary" not in caught.value.detail and caught.value.hint

    run(test)


# ---- TLS and proxies


@dataclass
class Authority:
    """A certificate authority of this test's own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str) -> tuple[Path, Path]:
        """(certificate, key) for 127.0.0.1 and `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.DNSName(name), *([x509.IPAddress(_LOCAL)] if name == "local" else [])]
        )
        certificate = signed(name, key, self.certificate.subject, self.key, names, authority=False)
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(private(key))
        return paths

    def server(self, name: str = "local", *, asks_for_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name))
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.pem.decode())
        return context


_LOCAL = ipaddress.ip_address("127.0.0.1")


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signed(
    name: str,
    key: Any,
    issuer: x509.Name,
    issuer_key: Any,
    names: x509.SubjectAlternativeName | None,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + timedelta(hours=1),
    ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    return Authority(key, signed("authority", key, name, key, None, authority=True), tmp_path)


async def ok(request: web.Request) -> web.StreamResponse:
    transport = request.transport
    peer = transport.get_extra_info("peercert") if transport is not None else None
    return web.json_response({"peer": dict(part[0] for part in peer["subject"]) if peer else None})


def test_a_custom_authority_is_trusted_and_another_is_not(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        async with Scripted(ok, tls=authority.server()) as server:
            data = {"certificate-authority-data": base64.b64encode(authority.pem).decode()}
            async with connected(tmp_path, server, **data) as connection:
                assert await connection.get("/version")
            async with connected(tmp_path, server) as connection:
                with pytest.raises(Unreachable) as caught:
                    await connection.get("/version")
                assert "trusted" in caught.value.detail and "certificate-authority" in caught.value.hint
            async with connected(tmp_path, server, **{"insecure-skip-tls-verify": True}) as connection:
                assert await connection.get("/version")

    run(test)


def test_the_servers_name_may_differ_from_its_address(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        (tmp_path / "ca.crt").write_bytes(authority.pem)
        async with Scripted(ok, tls=authority.server("kube.internal")) as server:
            trusted = {"certificate-authority": "ca.crt"}
            async with connected(tmp_path, server, **trusted) as connection:
                with pytest.raises(Unreachable):
                    await connection.get("/version")
            async with connected(tmp_path, server, **trusted, **{"tls-server-name": "kube.internal"}) as connection:
                assert await connection.get("/version")

    run(test)


def test_a_client_certificate_is_shown_and_read_anew_when_it_changes(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        (tmp_path / "ca.crt").write_bytes(authority.pem)
        certificate, key = authority.issue("alice")
        user = {"client-certificate": certificate.name, "client-key": key.name}
        async with (
            Scripted(ok, tls=authority.server(asks_for_certificate=True)) as server,
            connected(tmp_path, server, EAGER, user=user, **{"certificate-authority": "ca.crt"}) as connection,
        ):
            assert await connection.get("/version") == {"peer": {"commonName": "alice"}}
            for old, new in zip((certificate, key), authority.issue("bob"), strict=True):
                old.write_bytes(new.read_bytes())
                os.utime(old, ns=(1, 1))
            assert await connection.get("/version") == {"peer": {"commonName": "bob"}}

    run(test)


def test_a_plugin_may_give_a_certificate_and_keys_leave_no_file(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    async def test() -> None:
        certificate, key = authority.issue("carol")
        body = f"give(clientCertificateData=open({str(certificate)!r}).read(), clientKeyData=open({str(key)!r}).read())"
        data = {"certificate-authority-data": base64.b64encode(authority.pem).decode()}
        async with (
            Scripted(ok, tls=authority.server(asks_for_certificate=True)) as server,
            connected(tmp_path, server, user=plugin(tmp_path, body), **data) as connection,
        ):
            assert await connection.get("/version") == {"peer": {"commonName": "carol"}}

    run(test)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("named_by", ["kubeconfig", "environment"])
def test_a_proxy_is_gone_through(named_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.json_response({"asked": str(request.raw_path)})

        async with Scripted(answer) as proxy:
            if named_by == "environment":
                monkeypatch.setenv("HTTP_PROXY", proxy.url)
            config = {"proxy-url": proxy.url} if named_by == "kubeconfig" else {}
            write_kubeconfig(tmp_path / "kubeconfig", "http://kube.invalid:8080", **config)
            async with Connection(only_target()) as connection:
                assert (await connection.get("/version"))["asked"].startswith("http://kube.invalid:8080")

    run(test)
