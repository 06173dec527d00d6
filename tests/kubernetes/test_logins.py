"""Logins of a kubeconfig beside certificates and plugins: OIDC, files, names with passwords."""

from __future__ import annotations

import base64
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from badserver import Scripted, only_target, write_kubeconfig
from kube import certificates

from mlk_jupyter.backends.kubernetes.api.api_errors import LoginNeeded
from mlk_jupyter.backends.kubernetes.api.credentials import Credentials, load
from mlk_jupyter.backends.kubernetes.api.kubeconfig import BrokenKubeconfig
from mlk_jupyter.threads import in_thread

pytestmark = pytest.mark.anyio
CLIENTS = itertools.count()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "MLK_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def token(expires_in_s: float) -> str:
    part = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + expires_in_s}).encode()).decode().rstrip("=")
    return f"e30.{part}.x"


class Issuer:
    """An identity provider that gives a new refresh token each time, and takes each once."""

    def __init__(self) -> None:
        self.url = ""
        self.valid = "refresh-0"
        self.given = [token(3600)]
        self.seen: list[tuple[str | None, str]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/openid-configuration":
            return web.json_response({"token_endpoint": f"{self.url}/token"})
        form = await request.post()
        sent = str(form["refresh_token"])
        self.seen.append((request.headers.get("Authorization"), sent))
        if sent != self.valid:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.valid = f"refresh-{len(self.seen)}"
        return web.json_response({"id_token": self.given.pop(0), "refresh_token": self.valid})


async def logged_in(folder: Path, user: dict[str, Any]) -> Credentials:
    write_kubeconfig(folder / "kubeconfig", "https://kube.invalid", user=user)
    return await in_thread(load, only_target())


def authorization(credentials: Credentials) -> str | None:
    return dict(credentials.headers).get("Authorization")


def provider(issuer: str, id_token: str, **config: str) -> dict[str, Any]:
    client = f"kube-{next(CLIENTS)}"  # what an issuer gave is remembered for each client
    base = {"idp-issuer-url": issuer, "client-id": client, "client-secret": "s3cret", "refresh-token": "refresh-0"}
    return {"auth-provider": {"name": "oidc", "config": {**base, "id-token": id_token, **config}}}


async def test_an_oidc_token_is_used_until_it_expires(tmp_path: Path) -> None:
    valid = token(3600)
    credentials = await logged_in(tmp_path, provider("https://issuer.invalid", valid))
    assert authorization(credentials) == f"Bearer {valid}"
    assert credentials.expires_at is not None and 3500 < credentials.expires_at - time.time() <= 3600


async def test_an_expired_oidc_token_is_renewed_with_the_refresh_token_that_came_last(tmp_path: Path) -> None:
    tls, authority = certificates.make(tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority)
    issuer = Issuer()
    issuer.given = [token(-1), token(3600)]
    second = issuer.given[1]
    async with Scripted(issuer, tls=tls) as server:
        issuer.url = server.url
        user = provider(server.url, token(-60), **{"idp-certificate-authority": "ca.crt"})
        await logged_in(tmp_path, user)
        assert authorization(await logged_in(tmp_path, user)) == f"Bearer {second}"
        assert authorization(await logged_in(tmp_path, user)) == f"Bearer {second}", "it is valid: nobody is asked"
    client = user["auth-provider"]["config"]["client-id"]
    basic = f"Basic {base64.b64encode(f'{client}:s3cret'.encode()).decode()}"
    assert issuer.seen == [(basic, "refresh-0"), (basic, "refresh-1")]


async def test_a_refresh_token_is_sent_to_nobody_who_is_not_trusted(tmp_path: Path) -> None:
    tls, authority = certificates.make(tmp_path)
    issuer = Issuer()
    async with Scripted(issuer, tls=tls) as server:
        issuer.url = server.url
        with pytest.raises(LoginNeeded, match="cannot be renewed"):
            await logged_in(tmp_path, provider(server.url, token(-60)))
        assert issuer.seen == []
        data = {"idp-certificate-authority-data": base64.b64encode(authority).decode()}
        assert authorization(await logged_in(tmp_path, provider(server.url, token(-60), **data)))


async def test_a_refusal_of_the_issuer_asks_for_a_login_and_repeats_no_secret(tmp_path: Path) -> None:
    tls, authority = certificates.make(tmp_path)
    issuer = Issuer()
    issuer.valid = "another"
    data = {"idp-certificate-authority-data": base64.b64encode(authority).decode()}
    async with Scripted(issuer, tls=tls) as server:
        issuer.url = server.url
        with pytest.raises(LoginNeeded, match="status 400") as caught:
            await logged_in(tmp_path, provider(server.url, token(-60), **data))
    assert not any(secret in str(caught.value.as_dict()) for secret in ("s3cret", "refresh-0"))
    without = provider("https://issuer.invalid", token(-60), **{"refresh-token": ""})
    with pytest.raises(LoginNeeded, match="no refresh token"):
        await logged_in(tmp_path, without)


async def test_a_provider_that_kubectl_has_removed_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BrokenKubeconfig, match="auth-provider 'gcp' is not supported"):
        await logged_in(tmp_path, {"auth-provider": {"name": "gcp"}})


async def test_the_file_of_a_token_wins_over_one_that_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("fresh\n")
    assert authorization(await logged_in(tmp_path, {"token": "old", "tokenFile": "token"})) == "Bearer fresh"
    assert authorization(await logged_in(tmp_path, {"token": "old"})) == "Bearer old"
    with pytest.raises(BrokenKubeconfig, match="No such file"):
        await logged_in(tmp_path, {"tokenFile": "gone"})


async def test_a_name_and_a_password_are_sent_as_such(tmp_path: Path) -> None:
    credentials = await logged_in(tmp_path, {"username": "ada", "password": "hunter2"})
    assert authorization(credentials) == f"Basic {base64.b64encode(b'ada:hunter2').decode()}"
    assert authorization(await logged_in(tmp_path, {})) is None
