"""One delivery, from the name of a host to the status of its answer, within bounds.

A name is looked up once, and the address that was judged is the one that is dialled: a name that leads elsewhere the
next moment leads nowhere. No redirect is followed, no proxy asked, and of an answer the head alone is read.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Protocol

from agent_swarm.domain.addresses import Address, address_of
from agent_swarm.domain.webhooks import Target, Vouched

HEAD_BYTES = 32 * 1024
LOOK_UPS = 8  # at a time, on threads of their own: a name may take its time
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |\r?$)")
_MOST_INTERIM = 5  # answers 1xx before the answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    retry_after: str = ""


class NotSent(Exception):
    """No answer came. `code` says why, for programs; where `is_final` trying again is of no use."""

    def __init__(self, code: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_final = is_final


class LookUp(Protocol):
    """Finds the addresses of a host, the preferred one first; raises OSError."""

    async def __call__(self, host: str, port: int) -> Sequence[Address]: ...


class Sender:
    """Sends deliveries to public addresses, and to what `vouched` has; each within `seconds`."""

    def __init__(
        self,
        vouched: Vouched,
        *,
        seconds: float,
        look_up: LookUp | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._vouched = vouched
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-look-up")
        self._look_up = look_up or self._ask
        self._tls = tls

    def close(self) -> None:
        """Look nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer, whatever its status. Raises NotSent."""
        try:
            async with asyncio.timeout(self._seconds):
                addresses = await self._judged(target)
                reader, writer = await self._connected(target, addresses)
                try:
                    writer.write(_request(target, headers, body))
                    await writer.drain()
                    return await _answer(reader)
                finally:
                    writer.close()
        except TimeoutError:
            raise NotSent("timeout", f"no answer within {self._seconds:g} s") from None
        except (asyncio.IncompleteReadError, OSError):
            raise NotSent("unreachable", "the connection ended before an answer came") from None
        except asyncio.LimitOverrunError:
            raise NotSent("badAnswer", f"its answer has a head of more than {HEAD_BYTES} bytes") from None

    async def _judged(self, target: Target) -> list[Address]:
        """The addresses that may be dialled. Raises NotSent where there is none."""
        literal = address_of(target.host)
        try:
            found = [literal] if literal is not None else list(await self._look_up(target.host, target.port))
        except OSError as exc:
            raise NotSent("unknownHost", f"{target.host} is not found: {exc.strerror or 'unknown host'}") from None
        allowed = [one for one in found if self._vouched.admits(target, one)]
        if found and not allowed:
            raise NotSent(
                "addressRefused",
                f"{target.host} has an address that is not public; an operator of the server may allow it with "
                f"AGENT_SWARM_WEBHOOK_ALLOW={target.host}:{target.port}",
                is_final=True,
            )
        if not allowed:
            raise NotSent("unknownHost", f"{target.host} has no address")
        return allowed

    async def _connected(
        self, target: Target, addresses: Sequence[Address]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that answers; a certificate is judged by the host's name."""
        tls = (self._tls or _public_tls()) if target.scheme == "https" else None
        said = "refused"
        for address in addresses:
            try:
                return await asyncio.open_connection(
                    str(address),
                    target.port,
                    limit=HEAD_BYTES,
                    ssl=tls,
                    server_hostname=target.host if tls is not None else None,
                )
            except ssl.SSLCertVerificationError as exc:
                said = f"its certificate is not trusted ({exc.verify_message})"
            except OSError as exc:
                said = exc.strerror or "refused"
        raise NotSent("unreachable", f"{target.origin} cannot be reached: {said}")

    async def _ask(self, host: str, port: int) -> Sequence[Address]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


@lru_cache(maxsize=1)
def _public_tls() -> ssl.SSLContext:
    """Made once: reading the authorities takes a while."""
    return ssl.create_default_context()


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def _answer(reader: asyncio.StreamReader) -> Answer:
    """The status, and Retry-After where there is one. Raises NotSent for what is no HTTP."""
    for _ in range(_MOST_INTERIM):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        found = _STATUS.match(lines[0])
        if found is None:
            break
        status = int(found[1])
        if status >= 200:
            return Answer(status, _field(lines[1:], b"retry-after"))
    raise NotSent("badAnswer", "its answer is no HTTP/1.1")


def _field(lines: Sequence[bytes], name: bytes) -> str:
    for line in lines:
        field, colon, value = line.partition(b":")
        if colon and field.strip().lower() == name:
            with suppress(UnicodeDecodeError):
                return value.strip().decode("ascii")
    return ""
