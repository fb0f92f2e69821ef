"""The client of the SDK, over a real socket: what goes wrong is told to whoever calls, and the connection lives on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from tests.server.world import API_KEY, Live

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ["auto", "legacy"])]


@asynccontextmanager
async def connected(live: Live, token: str, era: ConnectMode) -> AsyncIterator[Client]:
    """A client with this token."""
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(f"{live.url}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


async def test_given_a_message_of_ten_megabytes_when_it_is_posted_then_the_caller_is_told_and_goes_on(
    live: Live, era: ConnectMode
) -> None:
    async with connected(live, API_KEY, era) as client:
        with pytest.raises(MCPError, match=r"10\d{6} bytes or more, at most 4194304 are taken; send less at once"):
            await client.call_tool("post-message", {"broadcast": True, "text": "x" * 10_000_000})
        said = await client.call_tool("post-message", {"broadcast": True, "text": "in short"})
    assert not said.is_error
    assert [one["text"] for one in (await live.world.get("/api/messages"))["messages"]] == ["in short"]


async def test_given_a_token_of_somewhere_else_when_a_client_comes_then_it_is_told_that_it_does_not_count(
    live: Live, era: ConnectMode
) -> None:
    told = pytest.RaisesExc(MCPError, match="token")
    with pytest.RaisesGroup(told, flatten_subgroups=True):
        async with connected(live, "of-somewhere-else", era):
            raise AssertionError("it was let in")


async def test_given_an_attempt_that_ends_while_its_client_is_there_when_it_calls_then_it_is_told_to_stop(
    live: Live, era: ConnectMode
) -> None:
    agent = await live.world.register()
    await live.world.file()
    claim = await live.world.take(agent)
    async with connected(live, claim.token, era) as client:
        assert not (await client.call_tool("join-swarm", {})).is_error
        await live.world.complete(claim)
        with pytest.raises(MCPError, match="its attempt is over; stop"):
            await client.call_tool("post-message", {"broadcast": True, "text": "too late"})
    assert (await live.world.get("/api/messages"))["messages"] == []


async def test_given_the_kill_switch_when_a_client_calls_then_it_is_told_who_stopped_everything(
    live: Live, era: ConnectMode
) -> None:
    async with connected(live, API_KEY, era) as client:
        await live.world.post("/api/kill-switch", {"reason": "a test"})
        with pytest.raises(MCPError, match="a test"):
            await client.call_tool("join-swarm", {})
