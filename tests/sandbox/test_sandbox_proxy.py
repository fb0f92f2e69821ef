"""The proxy over a real socket: what it answers to whom, in order and out of order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.proxy import HEAD_BYTES, Proxy
from agent_swarm.sandbox.relay import Peer, relay

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

Ask = Callable[..., Awaitable[bytes]]


@pytest.fixture
async def origin() -> AsyncIterator[int]:
    """A server on loopback that answers in capitals what it was sent, once it has all of it."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def told() -> list[tuple[str, int, str]]:
    return []


@pytest.fixture
async def ask(origin: int, told: list[tuple[str, int, str]]) -> AsyncIterator[Ask]:
    """Send bytes to a proxy that allows the origin, end the sending, and get all that comes back."""
    proxy = Proxy(AllowList.of([f"127.0.0.1:{origin}"]), lambda *what: told.append(what))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy.serve(Peer(reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=HEAD_BYTES)
    port = server.sockets[0].getsockname()[1]

    async def asked(*pieces: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    yield asked
    server.close()
    proxy.close()


async def test_given_an_allowed_place_when_a_tunnel_is_asked_for_then_bytes_go_both_ways_until_both_ends_are_done(
    ask: Ask, origin: int
) -> None:
    answer = await ask(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % origin, b"hello ", b"x" * 300_000)
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nHELLO " + b"X" * 300_000


async def test_given_an_allowed_place_when_a_plain_request_is_sent_then_it_arrives_with_its_body(
    ask: Ask, origin: int
) -> None:
    answer = await ask(b"POST http://127.0.0.1:%d/a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody" % origin)
    lines = answer.split(b"\r\n")
    assert lines[0] == b"POST /A HTTP/1.1" and lines[-1] == b"BODY"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT localhost:ORIGIN HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT [::ffff:127.0.0.1]:1 HTTP/1.1\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://127.0.0.1:1/ HTTP/1.1\r\nA: " + b"x" * HEAD_BYTES + b"\r\n\r\n", b"431"),
    ],
)
async def test_given_a_request_that_is_not_allowed_or_not_understood_when_it_is_sent_then_its_answer_says_so(
    ask: Ask, origin: int, request_head: bytes, status: bytes
) -> None:
    assert (await ask(request_head.replace(b"ORIGIN", b"%d" % origin))).split()[1] == status


async def test_given_an_allowed_place_where_nobody_listens_when_it_is_asked_for_then_the_answer_is_502(
    told: list[tuple[str, int, str]],
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    reader = asyncio.StreamReader()
    reader.feed_data(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port)
    ours, theirs = await _pair()
    proxy = Proxy(AllowList.of([f"127.0.0.1:{port}"]), lambda *what: told.append(what))
    await proxy.serve(Peer(reader, ours.writer))
    assert (await theirs.reader.readline()).split()[1] == b"502"
    assert told == []
    for peer in (ours, theirs):
        await peer.close()
    proxy.close()


async def test_given_a_denied_request_when_the_worker_is_told_then_it_is_the_host_and_nothing_of_the_url(
    ask: Ask, told: list[tuple[str, int, str]]
) -> None:
    for _ in range(2):
        await ask(b"GET http://user:secret@example.org/secret?secret HTTP/1.1\r\nCookie: secret\r\n\r\n")
    assert told == [("example.org", 80, "it is not on the list")]


async def test_given_two_connections_when_neither_says_anything_for_too_long_then_they_are_let_go() -> None:
    (one, far), (other, end) = await _pair(), await _pair()
    await relay(one, other, idle_seconds=0.05)
    for peer in (one, far, other, end):
        await peer.close()


async def _pair() -> tuple[Peer, Peer]:
    """Two ends of one connection."""
    arrived: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda reader, writer: arrived.set_result(Peer(reader, writer)), "127.0.0.1", 0)
    near = Peer(*await asyncio.open_connection(*server.sockets[0].getsockname()))
    far = await arrived
    server.close()
    return near, far
