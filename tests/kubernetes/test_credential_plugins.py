"""Programs that give the credentials of a user: asked again in time, ended when they hang, heard when they fail."""

from __future__ import annotations

import asyncio
import base64
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, tell_peer
from badserver import EAGER, Scripted, authorizations, connected, guarded, run, until

from mlk_jupyter.backends.kubernetes.api.plugin import PluginFailed
from mlk_jupyter.backends.kubernetes.timing import Limits

pytestmark = pytest.mark.usefixtures("alone")


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
            Scripted(tell_peer, tls=authority.server(asks_for_certificate=True)) as server,
            connected(tmp_path, server, user=plugin(tmp_path, body), **data) as connection,
        ):
            assert await connection.get("/version") == {"peer": {"commonName": "carol"}}

    run(test)
    assert list(temporary.iterdir()) == []


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
