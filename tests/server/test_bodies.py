"""Bodies that are too large, over a real socket: whoever sends one gets to read why it is refused."""

import asyncio
import json
from typing import Any

import pytest
from tests.server.world import API_KEY, Live

from agent_swarm.server.bodies import PASSED_OVER_BYTES

pytestmark = pytest.mark.anyio

MEGABYTE = b"x" * 1_000_000
HEAD = f"POST /api/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"


async def connected(live: Live) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = live.url.rpartition("/")[2].partition(":")
    return await asyncio.open_connection(host, int(port))


def error_of(answer: bytes) -> dict[str, Any]:
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    error: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return error


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "chunked"])
async def test_given_ten_megabytes_when_all_are_sent_before_the_answer_is_read_then_it_says_what_is_wrong(
    live: Live, is_announced: bool
) -> None:
    reader, writer = await connected(live)
    length = f"content-length: {10 * len(MEGABYTE)}" if is_announced else "transfer-encoding: chunked"
    writer.write(f"{HEAD}{length}\r\n\r\n".encode())
    for _ in range(10):
        writer.write(MEGABYTE if is_announced else b"%x\r\n%b\r\n" % (len(MEGABYTE), MEGABYTE))
        await writer.drain()
    writer.write(b"" if is_announced else b"0\r\n\r\n")
    error = error_of(await reader.read())
    writer.close()
    assert error["code"] == "tooLarge"
    assert error["details"]["limit"] == 1024 * 1024


@pytest.mark.parametrize(
    "length",
    [f"content-length: {10 * len(MEGABYTE)}\r\nexpect: 100-continue", f"content-length: {PASSED_OVER_BYTES + 1}"],
    ids=["who-asks-first", "far-too-much"],
)
async def test_given_a_body_that_nobody_wants_when_it_is_announced_then_the_answer_comes_without_it(
    live: Live, length: str
) -> None:
    reader, writer = await connected(live)
    writer.write(f"{HEAD}{length}\r\n\r\n".encode())
    error = error_of(await reader.read())
    writer.close()
    assert error["code"] == "tooLarge"
