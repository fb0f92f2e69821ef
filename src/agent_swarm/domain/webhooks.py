"""Webhooks: where they may go, what an answer means, and when to try again. Pure.

The shape of a delivery is that of Standard Webhooks: https://www.standardwebhooks.com. Redirects are no answer: they
would take what is sent to whoever the answer names.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from agent_swarm.domain.addresses import Address, is_public, normalized, plain, split_host_port
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import SECOND

URL_CHARS = 2_000
GIVE_UP_AFTER = 24 * 3_600 * SECOND
LEASE = 60 * SECOND  # one server has a delivery so long; whoever dies with it, it is tried again
_FIRST_PAUSE = 5 * SECOND
_LONGEST_PAUSE = 4 * 3_600 * SECOND
_TRY_AGAIN = frozenset({408, 425, 429})  # of the answers that say that the request is at fault
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a webhook goes; `host` is normalized, `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """What deliveries are counted together by: the same server, as far as one can tell."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, *, field: str = "url") -> Target:
    """Where a URL leads. Raises InvalidInput for what is no http or https URL without user and fragment."""
    try:
        parts = urlsplit(url)
        host = normalized(parts.hostname or "")
        port = parts.port
    except ValueError:
        raise _no_url(url, field) from None
    is_plain = not (parts.username or parts.password or parts.fragment)
    is_printable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in _PORTS or not host or not is_plain or not is_printable or len(url) > URL_CHARS or port == 0:
        raise _no_url(url, field)
    query = f"?{parts.query}" if parts.query else ""
    return Target(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], path=f"{parts.path or '/'}{query}")


def _no_url(url: str, field: str) -> InvalidInput:
    scheme = url.partition(":")[0][:20]
    return InvalidInput(
        f"{field} begins with {scheme!r} and is no address that a webhook can go to",
        hint="expected https://host/path or http://host/path, of ASCII, without user, password and fragment",
        details={"field": field},
    )


@dataclass(frozen=True, slots=True)
class Vouched:
    """Hosts with ports that an operator vouches for, whatever address they have; all others have to be public."""

    places: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """From `host` and `host:port`. Raises ValueError for what is neither."""
        found = set()
        for text in texts:
            host, port = split_host_port(text.strip())
            found.add((normalized(host), port))
        return cls(frozenset(found))

    def admits(self, target: Target, address: Address) -> bool:
        """Whether a delivery may be sent to this address, which the host was found to have."""
        if is_public(address):
            return True
        names = (target.host, str(plain(address)))
        return any((name, port) in self.places for name in names for port in (target.port, None))


class Verdict(StrEnum):
    """What an answer means."""

    TAKEN = "taken"
    AGAIN = "again"
    NEVER = "never"


def verdict_on(status: int) -> Verdict:
    """What an HTTP status means for a delivery."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status >= 500 or status in _TRY_AGAIN:
        return Verdict.AGAIN
    return Verdict.NEVER


def next_try(firing_id: str, tries: int, *, since: int, now: int, asked_for: int = 0) -> int | None:
    """When to try again after `tries` that failed; None where a day is over, which began at `since`.

    Pauses grow fourfold to 4 h, and differ by up to a quarter from one delivery to the other, so that those that failed
    together do not come back together. Tries of an earlier day make them no longer. `asked_for` is what the endpoint
    said, in microseconds.
    """
    of_this_day = _FIRST_PAUSE + 4 * (now - since)
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 4 ** min(tries - 1, 12), of_this_day)
    draw = hashlib.sha256(f"{firing_id} {tries}".encode()).digest()[0] / 256
    at = now + max(int(pause * (1 - draw / 4)), asked_for)
    return at if at <= since + GIVE_UP_AFTER else None


def asked_pause(retry_after: str, *, now: int) -> int:
    """What a header Retry-After asks for, in microseconds; 0 where it says nothing that can be read."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text) * SECOND
    try:
        until = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)  # RFC 9110 §5.6.7
    except ValueError:
        return 0
    return max(0, int((until - datetime.fromtimestamp(now / SECOND, UTC)).total_seconds() * SECOND))
