"""Through which proxy a server is reached, by the rules that kubectl follows. Pure but for the environment."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit


def proxy_for(url: str) -> str | None:
    """The proxy that HTTPS_PROXY or HTTP_PROXY names for a URL, unless NO_PROXY leaves its host out."""
    parts = urlsplit(url)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    proxy = os.environ.get(name) or os.environ.get(name.lower())
    host = (parts.hostname or "").lower()
    if not proxy or _left_out(host, parts.port or (443 if parts.scheme == "https" else 80)):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _left_out(host: str, port: int) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").lower().split(","):
        pattern, entry_port = _split_port(entry.strip())
        if not pattern or (entry_port is not None and entry_port != port):
            continue
        if pattern == "*":
            return True
        if address is not None:
            if _holds(pattern, address):
                return True
        elif host == pattern or host.endswith("." + pattern.lstrip("*").lstrip(".")):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    head, colon, tail = entry.rpartition(":")
    if colon and tail.isdigit() and ":" not in head.strip("[]"):
        return head.strip("[]"), int(tail)
    return entry.strip("[]"), None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _holds(pattern: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False
