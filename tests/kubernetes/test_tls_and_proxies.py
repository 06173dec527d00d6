"""Who is trusted and shown to whom on the way to a cluster: authorities, names, client certificates; and proxies."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from aiohttp import web
from authority import Authority, tell_peer
from badserver import EAGER, Scripted, connected, only_target, run, write_kubeconfig

from mlk_jupyter.backends.kubernetes.api.api_errors import Unreachable
from mlk_jupyter.backends.kubernetes.api.connection import Connection

pytestmark = pytest.mark.usefixtures("alone")


def test_a_custom_authority_is_trusted_and_another_is_not(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        async with Scripted(tell_peer, tls=authority.server()) as server:
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
        async with Scripted(tell_peer, tls=authority.server("kube.internal")) as server:
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
            Scripted(tell_peer, tls=authority.server(asks_for_certificate=True)) as server,
            connected(tmp_path, server, EAGER, user=user, **{"certificate-authority": "ca.crt"}) as connection,
        ):
            assert await connection.get("/version") == {"peer": {"commonName": "alice"}}
            for old, new in zip((certificate, key), authority.issue("bob"), strict=True):
                old.write_bytes(new.read_bytes())
                os.utime(old, ns=(1, 1))
            assert await connection.get("/version") == {"peer": {"commonName": "bob"}}

    run(test)


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
