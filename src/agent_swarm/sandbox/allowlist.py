"""Which hosts a run may talk to, where it may not talk to all. Pure: names and addresses in, yes or no out.

An entry is `host`, `host:port`, `*.domain` or `*.domain:port`; without a port it stands for 443 and 80. The host is a
name or an address, an IPv6 one in brackets. `*.domain` is every name below the domain, not the domain itself.

A name on the list is not enough: whoever owns it decides what address it has. Loopback, private, link-local and
metadata addresses are reached only where an entry names that very address with its port, or where the operator vouches
for the name (`Network.own`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from agent_swarm.domain.addresses import Address, address_of, is_public, normalized, plain, split_host_port

DEFAULT_PORTS = frozenset({443, 80})

_LOCALHOST = "localhost"


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
        literal = str(plain(address))
        return any(
            entry.covers(literal, port)
            or (entry.covers(host, port) and (entry.is_vouched_for or host == _LOCALHOST) and not entry.is_wildcard)
            for entry in self.entries
        )

    @property
    def doors(self) -> tuple[tuple[str, int], ...]:
        """Loopback addresses with ports that are on the list, each once."""
        return tuple(dict.fromkeys(door for entry in self.entries if (door := entry.door) is not None))
