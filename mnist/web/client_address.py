"""Client IP addresses, and which of them count as one client."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection

from mnist.drawing import MAX_SESSION


def plain(address: str) -> str:
    """Unwrap an IPv4-mapped IPv6 address: ::ffff:192.0.2.1 → 192.0.2.1; any other text is returned unchanged."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or address)


def network_of(address: str) -> str:
    """The unit of rate limits: an IPv4 address, or the /64 network, all of which one IPv6 customer controls."""
    return _network(address, 64)


def wide_network_of(address: str) -> str:
    """Like `network_of`, but the /48 network, the most that one IPv6 customer gets."""
    return _network(address, 48)


def _network(address: str, prefix: int) -> str:
    try:
        parsed = ipaddress.ip_address(plain(address))
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, prefix), strict=False) if parsed.version == 6 else parsed)


def neighbourhood_of(address: str) -> str:
    """The network in which one person may have many addresses: IPv4's /24 or IPv6's /48; another text is unchanged."""
    try:
        parsed = ipaddress.ip_address(plain(address))
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 48 if parsed.version == 6 else 24), strict=False))


def client_address(connection: HTTPConnection) -> str:
    """The address that the server reports, behind a trusted proxy the forwarded one; at most MAX_SESSION characters."""
    return plain(connection.client.host if connection.client else "unknown")[:MAX_SESSION]
