"""Sessions and locks outlive the process: what has ended stays ended, what goes on goes on."""

from pathlib import Path

import pytest
from tests.server.sessions import add_user, session_of
from tests.server.world import START, World, opened

from agent_swarm.domain.lockout import PAIR
from agent_swarm.services.sessions import digest_of
from agent_swarm.store.families.login_failures import CountFailure

pytestmark = pytest.mark.anyio


async def status(world: World, token: str) -> int:
    return (await world.call("GET", "/api/auth/me", token=token)).status_code


async def refreshed(world: World, token: str) -> int:
    return (await world.call("POST", "/api/auth/token", token=None, json={"refreshToken": token})).status_code


@pytest.mark.slow
async def test_given_sessions_ended_in_every_way_when_the_server_starts_again_then_none_comes_back(
    tmp_path: Path,
) -> None:
    address = tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=address) as world:
        one = await session_of(world, await add_user(world, "ada"))
        all_of_bob = await session_of(world, await add_user(world, "bob"))
        disabled = await session_of(world, await add_user(world, "eve"))
        going_on = await session_of(world, await add_user(world, "zoe"))
        await world.post("/api/auth/revoke", token=one.access)
        await world.post("/api/auth/revoke", {"user": "bob"})
        await world.call("PATCH", "/api/users/eve", json={"disabled": True})

    async with opened(tmp_path, address=address) as world:
        assert world.store.now() >= START
        for ended in (one, all_of_bob, disabled):
            assert (await status(world, ended.access), await refreshed(world, ended.refresh)) == (401, 401)
        assert await status(world, going_on.access) == 200
        assert await refreshed(world, going_on.refresh) == 200
        assert await refreshed(world, going_on.refresh) == 401  # a used one is known to be used
        before_all = await session_of(world, await add_user(world, "kim"))
        await world.post("/api/auth/revoke", {"all": True})

    async with opened(tmp_path, address=address) as world:
        assert await status(world, before_all.access) == 401
        await world.post("/api/auth/keys/rotate", {"atOnce": True})
        after = await session_of(world, await add_user(world, "lea"))

    async with opened(tmp_path, address=address) as world:  # the key before the rotation does not come back either
        assert (await status(world, after.access), await status(world, going_on.access)) == (200, 401)


@pytest.mark.slow
async def test_given_a_lock_when_the_server_starts_again_then_it_still_holds(tmp_path: Path) -> None:
    address, wrong = tmp_path / "swarm.sqlite", {"username": "ada", "password": "wrong horse battery"}
    async with opened(tmp_path, address=address) as world:
        for _ in range(PAIR.free):
            await world.store.apply(CountFailure(name_digest=digest_of("ada"), address="127.0.0.1"))

    async with opened(tmp_path, address=address) as world:
        assert (await world.call("POST", "/api/auth/token", token=None, json=wrong)).status_code == 429
