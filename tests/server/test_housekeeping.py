"""What can no longer matter is removed, a bounded number of rows at a time."""

import pytest
from tests.server.world import World

from agent_swarm.server import housekeeping
from agent_swarm.server.housekeeping import AGAIN_SECONDS, INTERVAL_SECONDS, Housekeeping

pytestmark = pytest.mark.anyio


async def file_once(world: World, key: str, prompt: str) -> str:
    answer = await world.call("POST", "/api/tasks", json={"prompt": prompt}, headers={"idempotency-key": key})
    assert answer.status_code == 201, answer.text
    return answer.headers.get("idempotency-replayed", "false")


async def test_given_a_used_key_when_its_day_is_over_then_it_is_removed_and_free(world: World) -> None:
    service = Housekeeping(world.store)
    assert await file_once(world, "k", "x") == "false"
    assert await file_once(world, "k", "x") == "true"
    assert await service.run_once() == INTERVAL_SECONDS
    world.clock.advance(24 * 3600 + 1)
    assert await service.run_once() == INTERVAL_SECONDS
    assert await file_once(world, "k", "another") == "false"


async def test_given_more_than_fits_into_one_go_then_the_next_one_comes_soon(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "LIMIT", 2)
    for key in ("a", "b", "c"):
        await file_once(world, key, "x")
    world.clock.advance(24 * 3600 + 1)
    service = Housekeeping(world.store)
    assert [await service.run_once(), await service.run_once()] == [AGAIN_SECONDS, INTERVAL_SECONDS]
