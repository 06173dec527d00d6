"""The id token of a kubeconfig's `auth-provider: oidc`, renewed at its issuer. Blocking: for a thread.

What kubectl does, but for one thing: a refresh token that the issuer replaces is kept in memory only. Other people's
programs read the kubeconfig, too, and a server should not write it.
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
import threading
import time
from typing import Any

from .api_errors import LoginNeeded
from .redaction import redacted

_EARLY_S = 10.0
_LIMIT_S = 20.0
_HINT = "Log in again the way you do for kubectl; `kubectl get pods` shows whether it works."
_renewed: dict[tuple[str, str, str], dict[str, str]] = {}
"""(issuer, client, refresh token of the kubeconfig) → what the issuer gave last."""
_one_at_a_time = threading.Lock()  # an issuer may take a refresh token once


def id_token(config: dict[str, Any]) -> tuple[str, float | None]:
    """A valid token and when it expires, in seconds since the epoch (None: it does not say).

    Args:   config: the `config` of the auth-provider, its paths absolute.
    Raises: LoginNeeded when the token is over and cannot be renewed.
    """
    issuer, client, refresh = (str(config.get(key) or "") for key in ("idp-issuer-url", "client-id", "refresh-token"))
    with _one_at_a_time:
        known = _renewed.get((issuer, client, refresh), {})
        token = known.get("id_token") or str(config.get("id-token") or "")
        expires_at = _expiry(token)
        if token and (expires_at is None or expires_at - _EARLY_S > time.time()):
            return token, expires_at
        if not (issuer and client and refresh):
            raise LoginNeeded("The cluster's OIDC token has expired, and no refresh token is at hand.", hint=_HINT)
        given = _renew(config, issuer, client, known.get("refresh_token") or refresh)
        _renewed[issuer, client, refresh] = given
    return given["id_token"], _expiry(given["id_token"])


def _renew(config: dict[str, Any], issuer: str, client: str, refresh: str) -> dict[str, str]:
    import httpx

    secret = str(config.get("client-secret") or "")
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    try:
        with httpx.Client(verify=_trusted(config), timeout=_LIMIT_S) as http:
            found = http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration").raise_for_status().json()
            answer = (
                http.post(found["token_endpoint"], data=form, auth=(client, secret))
                if secret
                else http.post(found["token_endpoint"], data={**form, "client_id": client})
            )
            given = answer.raise_for_status().json()
            return {"id_token": str(given["id_token"]), "refresh_token": str(given.get("refresh_token") or refresh)}
    except httpx.HTTPStatusError as error:
        said = f"it answers with status {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, KeyError, TypeError) as error:
        said = redacted(str(error), 150) or type(error).__name__
    raise LoginNeeded(f"The cluster's OIDC token cannot be renewed at {redacted(issuer, 80)}: {said}.", hint=_HINT)


def _trusted(config: dict[str, Any]) -> ssl.SSLContext:
    data, path = config.get("idp-certificate-authority-data"), config.get("idp-certificate-authority")
    pem = base64.b64decode(data).decode("ascii") if data else None
    return ssl.create_default_context(cafile=None if pem else path or None, cadata=pem)


def _expiry(token: str) -> float | None:
    try:
        part = token.split(".")[1]
        expires_at = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).get("exp")
    except (IndexError, ValueError, AttributeError, binascii.Error):
        return None
    return float(expires_at) if isinstance(expires_at, int | float) else None
