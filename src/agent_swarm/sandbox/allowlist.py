"""Which hosts a run may talk to, where it may not talk to all. Pure: names and addresses in, yes or no out.

An entry is `host`, `host:port`, `*.domain` or `*.domain:port`; without a port it stands for 443 and 80. The host is a
name or an address, an IPv6 one in brackets. `*.domain` is every name below the domain, not the domain itself.

A name on the list is not enough: whoever owns it decides what address it has. Loopback, private, link-local and
metadata addresses are reached only where an entry names that very address with its port, or where the operator vouches
for the name (`Network.own`).
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS = frozenset({443, 80})

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
_LOCALHOST = "localhost"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: holds an IPv4 address in its last 32 bits
# Where metadata services of clouds are, at addresses that may pass for public ones.
_METADATA = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list."""

    host: str  # normalized; without the `*.`
    ports: frozenset[int]
    is_wildcard: bool = False
    is_vouched_for: bool = False

    @classmethod
    def parse(cls, text: str, *, is_vouched_for: bool = False) -> Self:
        """Raises ValueError for what is none of the four forms."""
        host, port = split_host_port(text.strip())
        is_wildcard = host.startswith("*.")
        host = normalized(host[2:] if is_wildcard else host)
        if is_wildcard and address_of(host) is not None:
            raise ValueError(text)
        return cls(host, frozenset({port}) if port is not None else DEFAULT_PORTS, is_wildcard, is_vouched_for)

    def covers(self, host: str, port: int) -> bool:
        """Whether it is about this host, whose name is normalized, and port."""
        if port not in self.ports:
            return False
        return host.endswith("." + self.host) if self.is_wildcard else host == self.host

    @property
    def door(self) -> tuple[str, int] | None:
        """The loopback address and port it names, if it does: one that can be opened inside under the same address."""
        address = address_of("127.0.0.1" if self.host == _LOCALHOST else self.host)
        if self.is_wildcard or len(self.ports) > 1 or address is None or not address.is_loopback:
            return None
        return str(address), next(iter(self.ports))


@dataclass(frozen=True, slots=True)
class AllowList:
    """All entries. What none of them names is refused."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, allow: Iterable[str], own: Iterable[str] = ()) -> Self:
        """Raises ValueError with the entry that is none."""
        vouched = (Entry.parse(text, is_vouched_for=True) for text in own)
        return cls((*map(Entry.parse, allow), *vouched))

    def names(self, host: str, port: int) -> bool:
        """Whether a host by this normalized name may be asked for at this port."""
        return any(entry.covers(host, port) for entry in self.entries)

    def admits(self, host: str, address: Address, port: int) -> bool:
        """Whether a host that is named may be reached at the address that its name was found to have."""
        if is_public(address):
            return True
        literal = str(_plain(address))
        return any(
            entry.covers(literal, port)
            or (entry.covers(host, port) and (entry.is_vouched_for or host == _LOCALHOST) and not entry.is_wildcard)
            for entry in self.entries
        )

    @property
    def doors(self) -> tuple[tuple[str, int], ...]:
        """Loopback addresses with ports that are on the list, each once."""
        return tuple(dict.fromkeys(door for entry in self.entries if (door := entry.door) is not None))


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
        return str(_plain(address))
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
    plain = _plain(address)
    if isinstance(plain, ipaddress.IPv6Address):
        wrapped = [plain.sixtofour, *(plain.teredo or ())]
        if plain in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(plain) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(inner) for inner in wrapped):
            return False
    return plain.is_global and not plain.is_multicast and not any(plain in network for network in _METADATA)


def _plain(address: Address) -> Address:
    """An IPv4 address that came as `::ffff:a.b.c.d` is that IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
