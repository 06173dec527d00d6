"""Where a job may go over the network, as a person writes it: `10.0.0.0/8`, `10.1.2.3:443`, `[fd00::/8]:443`. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias

IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA: tuple[IpNetwork, ...] = tuple(
    ipaddress.ip_network(address) for address in ("169.254.169.254/32", "fd00:ec2::254/128", "fd20:ce::254/128")
)
"""Where clouds hand out a node's own credentials. No job is let there."""

_WRITTEN = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<bare>[^\[\]]*?))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class Destination:
    """Addresses, and the TCP port there."""

    network: IpNetwork
    port: int | None = None
    """None means every port of every protocol."""

    def covers(self, other: IpNetwork) -> bool:
        """Whether all of another network's addresses are among these."""
        if self.network.version != other.version:
            return False
        first, last = int(self.network.network_address), int(self.network.broadcast_address)
        return first <= int(other.network_address) and int(other.broadcast_address) <= last


def destination(text: str) -> Destination:
    """What a person wrote. An IPv6 address with a port stands in brackets.

    Raises: ValueError with a sentence for a name, a port out of range, or the metadata address.
    """
    hint = "write an IP address or a CIDR, with a port if you like: 10.0.0.0/8, 10.1.2.3:443, [fd00::1]:443"
    network = _network(text)
    port = None
    if network is None:
        match = _WRITTEN.fullmatch(text)
        network = None if match is None else _network(match["bracketed"] or match["bare"])
        port = int(match["port"]) if match and match["port"] else None
    if network is None:
        raise ValueError(f"{text!r} is no address (a NetworkPolicy knows no host names); {hint}")
    if port is not None and not 1 <= port <= 65_535:
        raise ValueError(f"{port} is not a port; {hint}")
    if network in METADATA:
        raise ValueError(f"{text} hands out the node's own credentials, and no job is let there")
    return Destination(network, port)


def _network(text: str) -> IpNetwork | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
