"""Sessions on two servers of one PostgreSQL database: begun here, used and ended there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.server.test_nodes import NEVER, Server, started
from tests.server.world import API_KEY

from agent_swarm.server import node as node_module
from agent_swarm.server.pool import sweep as sweep_module
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services import passwords
from agent_swarm.testing import postgres
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
async def two(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Server, Server]]:
    """Two servers; whatever one hears of the other was told by a notice. Hashing is cheap."""
    monkeypatch.setattr(sweep_module, "SWEEP_SECONDS", NEVER)
    monkeypatch.setattr(node_module, "SWEEP_SECONDS", NEVER)
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    with postgres.database_with_tables(postgres_server) as url:
        settings = ServerSettings(
            data_dir=tmp_path, api_key=API_KEY, database_url=url, transcripts_dir=tmp_path / "transcripts"
        )
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(started(settings))
            yield one, await stack.enter_async_context(started(settings))


async def log_in(server: Server, **body: Any) -> Any:
    reply = await server.http.post(f"{server.url}/api/auth/token", json=body)
    assert reply.is_success, reply.text
    return reply.json()


async def status(server: Server, token: str, path: str = "/api/auth/me") -> int:
    return (await server.call("GET", path, token=token)).status_code


async def add_ada(server: Server, role: str = "viewer") -> None:
    await server.answer("POST", "/api/users", {"name": "ada", "role": role, "password": PASSWORD})


async def test_given_log_ins_at_both_when_no_key_was_there_then_they_agree_on_one(two: tuple[Server, Server]) -> None:
    await add_ada(two[0])

    pairs = await asyncio.gather(*(log_in(server, username="ada", password=PASSWORD) for server in two * 2))

    for pair in pairs:
        assert [await status(server, pair["accessToken"]) for server in two] == [200, 200]


@pytest.mark.parametrize("ending", ["revoke", "password", "disable", "remove", "all", "keys"])
async def test_given_a_session_remembered_by_one_server_when_the_other_ends_it_then_it_counts_no_more(
    two: tuple[Server, Server], ending: str
) -> None:
    one, other = two
    await add_ada(one)
    pair = await log_in(one, username="ada", password=PASSWORD)
    assert [await status(server, pair["accessToken"]) for server in two] == [200, 200]

    match ending:
        case "revoke":
            await other.answer("POST", "/api/auth/revoke", {"user": "ada"})
        case "password":
            await other.answer("PATCH", "/api/users/ada", {"password": "another horse battery"})
        case "disable":
            await other.answer("PATCH", "/api/users/ada", {"disabled": True})
        case "remove":
            await other.answer("DELETE", "/api/users/ada")
        case "all":
            await other.answer("POST", "/api/auth/revoke", {"all": True})
        case "keys":
            await other.answer("POST", "/api/auth/keys/rotate", {"atOnce": True})

    assert await status(other, pair["accessToken"]) == 401
    await until(lambda: not one.app.context.authenticator.remembers(pair["accessToken"]))  # long before its 30 s
    assert await status(one, pair["accessToken"]) == 401


async def test_given_a_role_that_changes_at_one_server_when_the_other_is_asked_then_it_has_the_new_one(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    await add_ada(one, "admin")
    token = (await log_in(one, username="ada", password=PASSWORD))["accessToken"]
    assert await status(one, token, "/api/users") == 200

    await other.answer("PATCH", "/api/users/ada", {"role": "viewer"})

    await until(lambda: not one.app.context.authenticator.remembers(token))
    assert await status(one, token, "/api/users") == 403


async def test_given_one_refresh_token_at_both_servers_when_they_meet_then_one_wins_and_the_session_ends(
    two: tuple[Server, Server],
) -> None:
    await add_ada(two[0])
    for _ in range(5):
        pair = await log_in(two[0], username="ada", password=PASSWORD)
        body = {"refreshToken": pair["refreshToken"]}

        answers = await asyncio.gather(*(server.http.post(f"{server.url}/api/auth/token", json=body) for server in two))

        assert sorted(answer.status_code for answer in answers) == [200, 401]
        following = next(answer.json() for answer in answers if answer.status_code == 200)
        for server in two:
            again = await server.http.post(
                f"{server.url}/api/auth/token", json={"refreshToken": following["refreshToken"]}
            )
            assert again.status_code == 401


async def test_given_wrong_passwords_at_both_servers_when_they_are_too_many_together_then_both_are_locked(
    two: tuple[Server, Server],
) -> None:
    await add_ada(two[0])
    wrong = {"username": "ada", "password": "wrong horse battery"}
    codes = [
        (await two[number % 2].http.post(f"{two[number % 2].url}/api/auth/token", json=wrong)).status_code
        for number in range(5)
    ]

    right = {"username": "ada", "password": PASSWORD}
    locked = [(await server.http.post(f"{server.url}/api/auth/token", json=right)).status_code for server in two]

    assert (codes, locked) == ([401] * 5, [429, 429])
    assert (await log_in(two[1], apiKey=API_KEY))["role"] == "admin"
