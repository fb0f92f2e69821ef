"""Whose address a request comes from: that of the connection, unless a proxy that is trusted tells another one.

X-Forwarded-For is read from its end, which the nearest proxy wrote, for as long as the addresses are those of trusted
proxies; the first other one is the client. What stands before it anybody may have made up.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = "unknown"  # a connection without an address, such as a Unix socket's
_IPV6_SITE = 64  # who has one address of such a network has all of them


class Peers:
    """Finds the address that a request is counted under."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def address(self, scope: Scope) -> str:
        """The client's address as text; of IPv6 its /64."""
        nearest = _parsed(str(scope["client"][0])) if scope.get("client") else None
        if nearest is None:
            return UNKNOWN
        return shown(self._client(nearest, scope["headers"]) if self._trusted else nearest)

    def _client(self, nearest: Address, headers: Iterable[tuple[bytes, bytes]]) -> Address:
        hops = [
            hop for name, value in headers if name == b"x-forwarded-for" for hop in str(value, "latin-1").split(",")
        ]
        while hops and self._is_trusted(nearest):
            told = _parsed(hops.pop().strip())
            if told is None:
                break
            nearest = told
        return nearest

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted if network.version == address.version)


def shown(address: Address) -> str:
    """The text under which requests of an address are counted together."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))
    return str(address)


def parse_networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, ::1` as networks; raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
