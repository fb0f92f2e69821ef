"""Secrets and their keys where several servers work on one PostgreSQL database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.server.test_nodes import Server, started
from tests.server.world import API_KEY

from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.protocol.pool import Claimed
from agent_swarm.server.settings import ServerSettings
from agent_swarm.testing import postgres
from agent_swarm.testing.waiting import until
from agent_swarm.vault.keys import new_key

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECRET = "hunter2-hunter2-hunter2"
OLD, NEW = new_key(), new_key()


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
def settings(postgres_server: str, tmp_path: Path) -> Iterator[ServerSettings]:
    with postgres.database_with_tables(postgres_server) as url:
        yield ServerSettings(
            data_dir=tmp_path,
            api_key=API_KEY,
            database_url=url,
            transcripts_dir=tmp_path / "transcripts",
            encryption_key=OLD.text,
        )


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def put(server: Server, key: str, value: str = SECRET) -> Any:
    body = {"scope": "global", "key": key, "value": value, "isSecret": True}
    return await server.answer("PUT", "/api/config", body)


async def values(server: Server) -> dict[str, str]:
    page = await server.answer("GET", "/api/config?includeSecrets=true&limit=200")
    return {entry["key"]: entry["value"] for entry in page["entries"]}


async def test_given_a_secret_that_was_stored_at_one_server_when_another_hands_out_a_task_then_its_agent_has_it(
    settings: ServerSettings, stack: AsyncExitStack
) -> None:
    one = await stack.enter_async_context(started(settings))
    other = await stack.enter_async_context(started(settings))
    peer = await other.connect(await other.register())
    await peer.credit()
    for number in range(3):
        value = f"{SECRET} {number}"
        await put(one, "TOKEN", value)
        await one.file()
        claim = await peer.run()
        assert isinstance(claim, Claimed)
        assert [(var.name, var.value, var.is_secret) for var in claim.environment] == [("TOKEN", value, True)]
        assert value not in other.app.context.redactor.text(value)
        await peer.request("complete", task_id=claim.task_id, fence=claim.fence, attempt=1, result={"text": "done"})
        await peer.credit()


async def test_given_a_server_with_another_key_when_it_starts_then_it_is_refused_and_the_others_go_on(
    settings: ServerSettings, stack: AsyncExitStack
) -> None:
    one = await stack.enter_async_context(started(settings))
    with pytest.raises(SecretUnreadable, match="is the wrong one"):
        async with started(replace(settings, encryption_key=NEW.text)):
            pass
    await put(one, "TOKEN")
    assert await values(one) == {"TOKEN": SECRET}


async def test_given_servers_when_the_master_key_is_changed_one_after_the_other_then_all_open_everything_all_the_time(
    settings: ServerSettings, stack: AsyncExitStack
) -> None:
    one = await stack.enter_async_context(started(settings))
    other_stack = await stack.enter_async_context(AsyncExitStack())
    other = await other_stack.enter_async_context(started(settings))
    await put(one, "BEFORE")
    status = await other.answer("POST", "/api/keys/rotate", {"newKey": NEW.text})
    assert "every server of the database" in status["toDo"]
    await put(one, "DURING")
    await other_stack.aclose()
    other = await stack.enter_async_context(started(replace(settings, encryption_key=NEW.text)))
    for server in (one, other):
        assert await values(server) == {"BEFORE": SECRET, "DURING": SECRET}
    assert (await one.call("POST", "/api/keys/finish")).status_code == 409
    await other.answer("POST", "/api/keys/finish")
    assert await values(one) == {"BEFORE": SECRET, "DURING": SECRET}  # it has the data keys, until it starts again
    with pytest.raises(SecretUnreadable, match="is the wrong one"):
        async with started(settings):
            pass


async def test_given_servers_when_the_data_key_is_changed_under_load_then_no_value_is_lost_and_one_key_is_left(
    settings: ServerSettings, stack: AsyncExitStack
) -> None:
    servers = [await stack.enter_async_context(started(settings)) for _ in range(2)]
    expected: dict[str, str] = {}

    async def write(server: Server, name: str) -> None:
        for number in range(30):
            key, value = f"{name}_{number % 10}", f"{name} value {number}"
            await put(server, key, value)
            expected[key] = value

    async def change() -> None:
        for _ in range(3):
            answer = await servers[1].call("POST", "/api/keys/rotate", {"masterKey": False, "dataKey": True})
            assert answer.status_code in (200, 409), answer.text

    await asyncio.gather(write(servers[0], "LEFT"), write(servers[1], "RIGHT"), change())

    await servers[0].app.context.keeping_keys.run_once()  # whatever is left to do, this server does it
    assert len((await servers[1].answer("GET", "/api/keys"))["dataKeys"]) == 1
    for server in servers:
        assert await values(server) == expected
        assert (await server.answer("POST", "/api/keys/verify"))["unreadable"] == []


async def test_given_a_server_without_a_key_when_another_brings_one_then_it_ends_and_says_why(
    settings: ServerSettings, stack: AsyncExitStack
) -> None:
    keyless = await stack.enter_async_context(started(replace(settings, encryption_key="")))
    refused = await keyless.call("PUT", "/api/config", {"scope": "global", "key": "A", "value": "b", "isSecret": True})
    assert refused.status_code == 409
    other = await stack.enter_async_context(started(settings))
    await put(other, "TOKEN")
    stopping = keyless.app.context.stopping
    await until(lambda: stopping.failure is not None)
    assert "does not open what is stored" in str(stopping.failure)
