"""`/api/kv`, as agents, people and scripts call it."""

import asyncio
from typing import Any

import pytest
from tests.server.test_memory import attempt
from tests.server.world import API_KEY, World

from agent_swarm.domain.ids import new_id
from agent_swarm.server.housekeeping import ValueKeeping
from agent_swarm.store.families.kv import KV

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(world_on_every_store: World) -> World:
    return world_on_every_store


async def put(world: World, value: Any, key: str = "k", *, of: str = "swarm", token: str = API_KEY, **more: Any) -> Any:
    return await world.call("PUT", f"/api/kv/{of}/{key}", json={"value": value, **more}, token=token)


async def values(world: World, of: str = "swarm", **options: Any) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in (await world.get(f"/api/kv/{of}", **options))["values"]}


async def test_given_a_value_when_it_is_read_changed_and_removed_then_each_answers_what_is_there(world: World) -> None:
    first = (await put(world, {"a": [1, None]})).json()
    assert await world.get("/api/kv/swarm/k") == first
    second = (await put(world, "new", ifVersion=first["version"])).json()
    assert second["version"] > first["version"]
    stale = await put(world, "late", ifVersion=first["version"])
    assert (stale.status_code, stale.json()["error"]["details"]["version"]) == (409, second["version"])
    gone = await world.call("DELETE", "/api/kv/swarm/k")
    assert (gone.status_code, gone.json()["value"]) == (200, "new")
    assert (await world.call("DELETE", "/api/kv/swarm/k")).status_code == 404
    assert (await world.call("GET", "/api/kv/swarm/k")).status_code == 404


async def test_given_twenty_who_count_at_once_when_all_have_then_the_number_is_twenty(world: World) -> None:
    answers = await asyncio.gather(*(world.post("/api/kv/swarm/n/increment") for _ in range(20)))
    assert sorted(answer["value"] for answer in answers) == list(range(1, 21))


async def test_given_twenty_who_want_one_key_when_each_says_nothing_may_be_there_then_one_has_it(world: World) -> None:
    answers = await asyncio.gather(*(put(world, number, ifVersion=0) for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19


async def test_given_attempts_of_two_agents_when_they_name_agent_and_task_then_each_has_its_own(world: World) -> None:
    ada, bob = await attempt(world, "ada"), await attempt(world, "bob")
    for claim, name in ((ada, "ada"), (bob, "bob")):
        for of in ("agent", "task"):
            assert (await put(world, name, of=of, token=claim.token)).status_code == 200
    assert await values(world, "agent", token=ada.token) == {"k": "ada"}
    assert await values(world, f"task:{bob.task_id}") == {"k": "bob"}
    for of in (f"task:{bob.task_id}", f"agent:{new_id()}"):
        for method in ("GET", "PUT", "DELETE"):
            body = {"json": {"value": 1}} if method == "PUT" else {}
            answer = await world.call(method, f"/api/kv/{of}/k", token=ada.token, **body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")
    assert await values(world, f"task:{bob.task_id}") == {"k": "bob"}


@pytest.mark.parametrize("world_on_every_store", ["memory", "sqlite"], indirect=True)  # the clock is the database's
async def test_given_values_with_a_life_when_it_is_over_then_they_are_gone_and_are_removed(world: World) -> None:
    await put(world, 1, "short", ttlSeconds=5)
    await put(world, 2, "long", ttlSeconds=50)
    world.clock.advance(6)
    assert await values(world) == {"long": 2}
    assert (await world.call("GET", "/api/kv/swarm/short")).status_code == 404
    keeping = ValueKeeping(world.store)
    await keeping.run_once()
    await keeping.run_once()
    assert [one.key for one in await world.store.read(lambda queries: queries.scan(KV, limit=9))] == ["long"]
    told = await world.store.read(lambda queries: queries.events_after(0, limit=99))
    assert [event.data["reason"] for event in told if event.type == "kv.removed"] == ["expired"]


@pytest.mark.parametrize("world_on_every_store", ["memory", "sqlite"], indirect=True)  # the clock is the database's
async def test_given_many_values_when_they_are_listed_then_pages_have_each_once(world: World) -> None:
    for number in range(7):
        life: dict[str, Any] = {"ttlSeconds": 1} if number in (1, 2, 3) else {}
        await put(world, number, f"k{number}", **life)
    world.clock.advance(2)
    assert await listed(world, limit=2) == ["k0", "k4", "k5", "k6"]


@pytest.mark.parametrize("world_on_every_store", ["memory", "sqlite"], indirect=True)  # the clock is the database's
async def test_given_many_values_that_ran_out_before_one_that_did_not_when_they_are_listed_then_that_is_found(
    world: World,
) -> None:
    for number in range(20):
        await put(world, number, f"a{number}", ttlSeconds=1)
    await put(world, 1, "b")
    world.clock.advance(2)
    assert await listed(world, limit=1) == ["b"]


async def listed(world: World, *, limit: int) -> list[str]:
    """The keys of all pages."""
    seen, cursor = [], None
    while True:
        page = await world.get("/api/kv/swarm", params={"limit": limit, **({"cursor": cursor} if cursor else {})})
        seen += [one["key"] for one in page["values"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return seen


async def test_given_a_secret_in_a_value_when_it_is_stored_then_it_is_taken_out(world: World) -> None:
    world.app.context.redactor.register(["hunter2-hunter2"])
    assert "hunter2" not in (await put(world, {"password": ["hunter2-hunter2"]})).text


async def test_given_bad_input_when_it_comes_then_it_is_refused(world: World) -> None:
    for of, key, body, status in (
        ("world", "k", {"value": 1}, 422),
        ("agent", "k", {"value": 1}, 422),
        ("agent:ada", "k", {"value": 1}, 422),
        ("swarm:other", "k", {"value": 1}, 422),
        ("swarm", "a b", {"value": 1}, 422),
        ("swarm", "x" * 201, {"value": 1}, 422),
        ("swarm", "k", {}, 422),
        ("swarm", "k", {"value": 1, "ttlSeconds": 0}, 422),
        ("swarm", "k", {"value": 1, "ttlSeconds": 1e12}, 422),
        ("swarm", "k", {"value": 1, "ifVersion": -1}, 422),
        ("swarm", "k", {"value": 1, "more": 1}, 422),
        ("swarm", "k", {"value": "x" * 70_000}, 413),
    ):
        answer = await world.call("PUT", f"/api/kv/{of}/{key}", json=body)
        assert answer.status_code == status, (of, key, answer.text)
    for body in ({"by": 1.5}, {"by": 2**53}, {"by": "1"}):
        assert (await world.call("POST", "/api/kv/swarm/k/increment", json=body)).status_code == 422
    await put(world, "text")
    assert (await world.call("POST", "/api/kv/swarm/k/increment", json={})).status_code == 422
    huge = b'{"value": 1' + b"0" * 400 + b"}"
    json_only = {"content-type": "application/json"}
    big = await world.call("PUT", "/api/kv/swarm/big", content=huge, headers=json_only)
    assert big.status_code == 422, big.text
    assert await values(world) == {"k": "text"}
