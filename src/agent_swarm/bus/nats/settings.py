"""Where NATS is and how long it keeps what it is given.

The credentials are taken out of the URLs at once: what is shown, logged or raised holds none.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PORT = 4222
SCHEMES = ("nats", "tls")
KEEP_HOURS = 72.0
KEEP_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSettings:
    """What a connection needs. `servers` are URLs without credentials, seeds of one cluster."""

    servers: tuple[str, ...]
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials: Path | None = None  # a file with a JWT and a seed
    keep_hours: float = KEEP_HOURS  # transcripts, for nodes that were away
    keep_bytes: int = KEEP_BYTES

    @property
    def shown(self) -> str:
        """The servers, for people and logs."""
        return ",".join(self.servers)


def parse_url(text: str) -> str:
    """`text`, if it can be used; else ValueError, as a setting's parser does."""
    settings_from(text)
    return text


def settings_from(
    url: str, *, credentials: Path | None = None, keep_hours: float = KEEP_HOURS, keep_bytes: int = KEEP_BYTES
) -> NatsSettings:
    """Settings of `nats://[user:password@|token@]host[:port]`, or several with commas between them.

    Raises ValueError, with nothing of the URL in it. Credentials are those of the first URL that has some.
    """
    servers: list[str] = []
    known: dict[str, Any] = {}
    for one in filter(None, (part.strip() for part in url.split(","))):
        server, found = _split(one)
        servers.append(server)
        known = known or found
    if not servers:
        raise ValueError("no URL of a NATS server")
    return NatsSettings(
        servers=tuple(servers), credentials=credentials, keep_hours=keep_hours, keep_bytes=keep_bytes, **known
    )


def _split(url: str) -> tuple[str, dict[str, Any]]:
    """One URL without its credentials, and those."""
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        raise ValueError("not the URL of a NATS server") from None
    if parts.scheme not in SCHEMES or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("not the URL of a NATS server")
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if parts.username is None:
        return shown, {}
    if parts.password is None:
        return shown, {"token": unquote(parts.username)}
    return shown, {"user": unquote(parts.username), "password": unquote(parts.password)}
