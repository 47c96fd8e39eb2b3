"""Client addresses: what counts as one client."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection

from mnist.drawing import MAX_SESSION


def plain(address: str) -> str:
    """An IPv4 client on a socket that serves both families looks like ::ffff:192.0.2.1; it is 192.0.2.1."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or address)


def network_of(address: str) -> str:
    """What one client can't easily leave: an IPv4 address, or the /64 that an IPv6 customer has for himself."""
    try:
        parsed = ipaddress.ip_address(plain(address))
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False) if parsed.version == 6 else parsed)


def client_address(connection: HTTPConnection) -> str:
    """The client's address as the server knows it: behind a trusted proxy, the one that the proxy forwards."""
    return plain(connection.client.host if connection.client else "unknown")[:MAX_SESSION]
