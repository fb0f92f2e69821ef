"""What a client of the proxy asks for. Pure: the head of a request in, where it leads out.

Two forms are understood: `CONNECT host:port`, and a plain request for an absolute `http://` URL (RFC 9110, 9112).
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from agent_swarm.domain.addresses import normalized, split_host_port

# For the proxy alone, or about this one connection (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset(
    {"proxy-authorization", "proxy-connection", "connection", "keep-alive", "te", "upgrade", "host"}
)


class NotUnderstood(Exception):
    """The request is none of the forms that a proxy answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRequest:
    """Where a request leads. `head` is what is sent there; empty for a tunnel."""

    host: str
    port: int
    head: bytes = b""

    @property
    def is_tunnel(self) -> bool:
        """The client speaks to the host itself once it is connected."""
        return not self.head


def parse_head(head: bytes) -> ProxyRequest:
    """The request whose head (with the empty line at its end) this is. Raises NotUnderstood."""
    try:
        request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = request_line.split(" ")
        if not version.startswith("HTTP/1.") or any(char in "\r\n\0" for line in lines for char in line):
            raise ValueError(version)
        return _connect(target) if method == "CONNECT" else _plain(method, target, lines)
    except ValueError:
        raise NotUnderstood from None


def _connect(target: str) -> ProxyRequest:
    host, port = split_host_port(target)
    if port is None:
        raise ValueError(target)
    return ProxyRequest(host=normalized(host), port=port)


def _plain(method: str, target: str, lines: list[str]) -> ProxyRequest:
    """Sent on for one answer: the next request on the connection could be for another host."""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname or not method.isalpha():
        raise ValueError(method)
    host, port = normalized(parts.hostname), parts.port or 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(char <= " " for char in path):
        raise ValueError(path)
    kept = [line for line in lines if line.partition(":")[0].strip().lower() not in _HOP_BY_HOP]
    authority = parts.netloc.rpartition("@")[2]
    head = [f"{method} {path} HTTP/1.1", f"Host: {authority}", "Connection: close", *kept]
    return ProxyRequest(host=host, port=port, head="\r\n".join([*head, "", ""]).encode("latin-1"))
