"""Hosts and addresses: how they are written, and which of them lead to the public network. Pure.

Whoever connects on behalf of others (the proxy of sandboxes, the gate of VMs, webhooks) judges by this.
"""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: holds an IPv4 address in its last 32 bits
# Where metadata services of clouds are, at addresses that may pass for public ones.
_METADATA = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))


def split_host_port(text: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[v6]` or `[v6]:port`, taken apart. Raises ValueError for a port that is none."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        port = rest[1:] if rest else None
    elif text.count(":") > 1:
        host, port = text, None  # an IPv6 address without brackets
    else:
        host, colon, digits = text.partition(":")
        port = digits if colon else None
    if port is None:
        return host, None
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    return host, int(port)


def normalized(host: str) -> str:
    """The one spelling of a host: lower case, no dot at the end, addresses as this module prints them.

    Raises ValueError for what is neither a name nor an address.
    """
    host = host.lower().removesuffix(".")
    address = address_of(host)
    if address is not None:
        return str(plain(address))
    if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit():  # 0177.1 is a loopback address to some
        raise ValueError(host)
    return host


def address_of(host: str) -> Address | None:
    """The address that `host` is, where it is not a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether it leads to the public network, and to no address of another kind wrapped into it."""
    bare = plain(address)
    if isinstance(bare, ipaddress.IPv6Address):
        wrapped = [bare.sixtofour, *(bare.teredo or ())]
        if bare in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(bare) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(inner) for inner in wrapped):
            return False
    return bare.is_global and not bare.is_multicast and not any(bare in network for network in _METADATA)


def plain(address: Address) -> Address:
    """An IPv4 address that came as `::ffff:a.b.c.d` is that IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
