"""Who we are to one cluster and how it is reached, ready for HTTP. Blocking: `load` belongs in a thread.

Logins as kubectl has them: service account, token, file with a token, basic, certificate, credential plugin, OIDC. Keys
go to the TLS library without staying on disk.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .api_errors import LoginNeeded
from .kubeconfig import BrokenKubeconfig, read_kubeconfig
from .oidc import id_token
from .plugin import LIMIT_S, run_plugin
from .proxies import proxy_for
from .redaction import redacted
from .targets import SERVICE_ACCOUNT, Target

Stamp = tuple[tuple[str, int | None], ...]
"""Files that the credentials came from, with the time of their last change in nanoseconds (None: not there)."""

_TLS_FILES = ("certificate-authority", "client-certificate", "client-key")


@dataclass(frozen=True)
class Credentials:
    """What each request needs. Secrets are left out of the representation."""

    server: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)
    tls_digest: str = field(repr=False)
    """Tells whether two credentials can share connections."""
    server_name: str | None
    """Name that the server's certificate bears, where it is not that of the address."""
    proxy: str | None = field(repr=False)
    expires_at: float | None
    """Seconds since the epoch; None: not known."""
    stamp: Stamp

    def same_as(self, other: Credentials) -> bool:
        return self.headers == other.headers and self.tls_digest == other.tls_digest


@dataclass(frozen=True)
class _Keys:
    """PEM texts for TLS."""

    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


def stamp_of(paths: list[Path]) -> Stamp:
    """When each file was last changed."""
    stamps: list[tuple[str, int | None]] = []
    for path in paths:
        try:
            stamps.append((str(path), path.stat().st_mtime_ns))
        except OSError:
            stamps.append((str(path), None))
    return tuple(stamps)


def load(target: Target, plugin_limit_s: float = LIMIT_S) -> Credentials:
    """Reads everything anew, and runs the credential plugin where there is one.

    Raises: BrokenKubeconfig, UnknownContext, LoginNeeded (PluginFailed).
    """
    return _of_service_account(target) if target.in_cluster else _of_kubeconfig(target, plugin_limit_s)


def _of_service_account(target: Target) -> Credentials:
    files = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    stamp = stamp_of([*files])
    try:
        token, authority = files[0].read_text(encoding="utf-8").strip(), files[1].read_bytes()
    except (OSError, ValueError) as error:
        raise _no_service_account(redacted(str(error))) from error
    if not token or not authority.strip():
        raise _no_service_account(f"{files[0 if not token else 1].name} is empty.")
    return _credentials({"server": target.server}, f"Bearer {token}", _Keys(authority), [], None, stamp)


def _no_service_account(what: str) -> LoginNeeded:
    hint = "Give the pod a service account with its token mounted, or a kubeconfig."
    return LoginNeeded(f"The pod's service account cannot be used: {what}", hint=hint)


def _of_kubeconfig(target: Target, plugin_limit_s: float) -> Credentials:
    kubeconfig = read_kubeconfig()
    if kubeconfig is None or target.context is None:
        raise BrokenKubeconfig(None, "the files that named this cluster are gone")
    context = kubeconfig.context(target.context)
    cluster, user = context.cluster, dict(context.user)
    named = [entry.get(key) for entry in (cluster, user) for key in (*_TLS_FILES, "tokenFile")]
    stamp = stamp_of([*kubeconfig.files, *(Path(path) for path in named if path)])
    expires_at = None
    if isinstance(user.get("exec"), dict):
        credential = run_plugin(user.pop("exec"), cluster, context.user_path, plugin_limit_s)
        expires_at = credential.expires_at
        if credential.token:
            user["token"] = credential.token
            user.pop("tokenFile", None)
        if credential.certificate and credential.key:
            user["client-certificate-data"] = base64.b64encode(credential.certificate.encode()).decode()
            user["client-key-data"] = base64.b64encode(credential.key.encode()).decode()
    elif isinstance(user.get("auth-provider"), dict):
        user["token"], expires_at = _provided(user["auth-provider"], context.user_path)
        user.pop("tokenFile", None)
    try:
        keys = _Keys(_pem(cluster, "certificate-authority"), _pem(user, "client-certificate"), _pem(user, "client-key"))
        authorization = _authorization(user)
    except (OSError, ValueError) as error:
        raise BrokenKubeconfig(context.user_path, f"context {context.name!r}: {redacted(str(error), 150)}") from error
    server = {**cluster, "server": context.server}
    return _credentials(server, authorization, keys, _impersonation(user), expires_at, stamp)


def _provided(provider: dict[str, Any], kubeconfig: Path | None) -> tuple[str, float | None]:
    """The token of an auth-provider; kubectl has removed all of them but OIDC (1.26)."""
    config, name = provider.get("config"), provider.get("name")
    if name != "oidc" or not isinstance(config, dict):
        what = f"the auth-provider {redacted(str(name), 60)!r} is not supported, as in kubectl since 1.26"
        raise BrokenKubeconfig(kubeconfig, f"{what}; use the credential plugin that came in its place")
    return id_token(config)


def _authorization(user: dict[str, Any]) -> str | None:
    """The header's value. A file wins over a token that is written out, as in kubectl."""
    token = Path(user["tokenFile"]).read_text(encoding="utf-8") if user.get("tokenFile") else user.get("token")
    if token:
        return f"Bearer {str(token).strip()}"
    if user.get("username") is not None and user.get("password") is not None:
        pair = f"{user['username']}:{user['password']}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _pem(entry: dict[str, Any], key: str) -> bytes | None:
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(data, validate=False)
        except (binascii.Error, TypeError) as error:
            raise ValueError(f"{key}-data is not valid base64") from error
    return Path(entry[key]).read_bytes() if entry.get(key) else None


def _impersonation(user: dict[str, Any]) -> list[tuple[str, str]]:
    headers = [("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid"))]
    groups = user.get("as-groups")
    headers += [("Impersonate-Group", group) for group in groups] if isinstance(groups, list) else []
    return [(name, str(value)) for name, value in headers if value]


def _credentials(
    cluster: dict[str, Any],
    authorization: str | None,
    keys: _Keys,
    headers: list[tuple[str, str]],
    expires_at: float | None,
    stamp: Stamp,
) -> Credentials:
    server: str = cluster["server"]
    if authorization:
        headers = [*headers, ("Authorization", authorization)]
    proxy = cluster.get("proxy-url") or proxy_for(server)
    if proxy and not str(proxy).startswith(("http://", "https://")):
        raise BrokenKubeconfig(None, "its proxy-url is no http or https proxy, and only those are supported")
    checked, server_name = not cluster.get("insecure-skip-tls-verify"), cluster.get("tls-server-name")
    digest = hashlib.sha256(repr((keys, checked, server_name, proxy, server)).encode()).hexdigest()
    tls = _tls(keys, checked) if server.startswith("https://") else None
    return Credentials(server, tuple(headers), tls, digest, server_name, proxy, expires_at, stamp)


def _tls(keys: _Keys, checked: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=keys.authority.decode("ascii") if keys.authority else None)
        # Python 3.13 asks more of an authority's certificate than many a cluster's has; kubectl does not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not checked:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if keys.certificate and keys.key:
            _load_certificate(context, keys.certificate, keys.key)
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise BrokenKubeconfig(
            None, f"a certificate or key in it is not valid ({redacted(str(error), 100)})"
        ) from error
    return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The TLS library reads from files only: they live for this moment, in a folder that nobody else can open."""
    with tempfile.TemporaryDirectory(prefix="mlk-") as folder:
        paths = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        for path, content in zip(paths, (certificate, key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        context.load_cert_chain(*paths, password="")  # without one it would ask on the terminal for an encrypted key's
