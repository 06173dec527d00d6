"""A plain client of the Kubernetes API: what it sends is what a test wrote, what it gives is what the server said."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

Object = dict[str, Any]


class Api:
    """One user at one API server. Paths are written from the root."""

    def __init__(self, url: str, *, authority: bytes | None, token: str | None, pair: tuple[str, str] | None) -> None:
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if authority is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if pair:
            context.load_cert_chain(*pair)
        self._url, self._authority = url, authority
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, verify=context, headers=headers, timeout=20)

    def as_bearer(self, token: str) -> Api:
        """Whoever bears that token at the same server: without the certificate that would say who we are."""
        return Api(self._url, authority=self._authority, token=token, pair=None)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Any request; `body` is sent as JSON."""
        return (
            self.http.request(method, path, params=query, json=body)
            if body is not None
            else self.http.request(method, path, params=query)
        )

    def get(self, path: str, **query: Any) -> Object:
        """What is there; a `Status` when there is nothing."""
        return self.call("GET", path, **query).json()  # type: ignore[no-any-return]

    def create(self, path: str, body: Object, **query: Any) -> Object:
        """A new object, as it came back. Strict, as we always ask."""
        return self.call("POST", path, body, **{"fieldValidation": "Strict", **query}).json()  # type: ignore[no-any-return]

    def patch(self, path: str, body: Any, kind: str = "merge-patch+json", **query: Any) -> Object:
        """A changed object."""
        said = {"Content-Type": f"application/{kind}"}
        answer = self.http.patch(path, content=json.dumps(body), headers=said, params=query)
        return answer.json()  # type: ignore[no-any-return]

    @contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Iterator[Object]]:
        """The events of a watch."""
        asked = {"watch": "true", "timeoutSeconds": 10, **query}
        with self.http.stream("GET", path, params=asked) as answer:
            yield (json.loads(line) for line in answer.iter_lines())

    def close(self) -> None:
        """Let the connections go."""
        self.http.close()


def of_kubeconfig(path: Path) -> Api:
    """The client of a kubeconfig's current context: a token, a token file, a client certificate or an exec plugin."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    if "exec" in user:
        user = _from_plugin(user["exec"])
    token = user.get("token") or (Path(user["tokenFile"]).read_text(encoding="utf-8") if "tokenFile" in user else None)
    authority = _content(cluster, "certificate-authority")
    pair = None
    if certificate := _content(user, "client-certificate"):
        folder = Path(tempfile.mkdtemp(prefix="mlk-pair-"))
        files = folder / "certificate", folder / "key"
        files[0].write_bytes(certificate)
        files[1].write_bytes(_content(user, "client-key") or b"")
        pair = (str(files[0]), str(files[1]))
    return Api(cluster["server"], authority=authority, token=token, pair=pair)


def _from_plugin(asked: Object) -> Object:
    """What a credential plugin gives, as a kubeconfig has it."""
    told = {"apiVersion": asked["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    env = {each["name"]: each["value"] for each in asked.get("env") or []}
    said = subprocess.run(
        [asked["command"], *(asked.get("args") or [])],
        env={**os.environ, **env, "KUBERNETES_EXEC_INFO": json.dumps(told)}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    given = json.loads(said.stdout)["status"]
    fields = {"client-certificate-data": "clientCertificateData", "client-key-data": "clientKeyData"}
    pair = {key: base64.b64encode(given[name].encode()).decode() for key, name in fields.items() if name in given}
    return {"token": given.get("token"), **pair}


def _named(entries: list[Object], name: str) -> Object:
    return next(entry for entry in entries if entry["name"] == name)


def _content(entry: Object, field: str) -> bytes | None:
    if f"{field}-data" in entry:
        return base64.b64decode(entry[f"{field}-data"])
    return Path(entry[field]).read_bytes() if field in entry else None
