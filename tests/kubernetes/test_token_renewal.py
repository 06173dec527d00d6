"""Tokens that change while a connection lasts: in a file, after a refusal, in a pod."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from authority import Authority
from badserver import EAGER, Scripted, authorizations, connected, guarded, only_target, run

from mlk_jupyter.backends.kubernetes.api import targets as targets_module
from mlk_jupyter.backends.kubernetes.api.api_errors import LoginNeeded
from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.timing import Limits

pytestmark = pytest.mark.usefixtures("alone")


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
