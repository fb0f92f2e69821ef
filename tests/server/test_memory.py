"""`/api/memory`, as agents, people and scripts call it."""

from typing import Any

import pytest
from tests.server.world import API_KEY, Claim, World

from agent_swarm.domain.ids import new_id

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(world_on_every_store: World) -> World:
    return world_on_every_store


async def store(world: World, text: str, *, token: str = API_KEY, **fields: Any) -> Any:
    return await world.post("/api/memory", {"text": text, **fields}, token=token)


async def search(world: World, query: str, *, token: str = API_KEY, **params: str) -> Any:
    return await world.get("/api/memory", params={"query": query, **params}, token=token)


def names(found: Any) -> list[str]:
    return [note["name"] for note in found["notes"]]


async def attempt(world: World, name: str, **fields: Any) -> Claim:
    agent = await world.register(name)
    await world.file(agentId=agent.id, **fields)
    return await world.take(agent)


async def project(world: World, name: str) -> str:
    made = await world.post("/api/projects", {"name": name, "repoUrl": f"https://example.org/{name}.git"})
    found: str = made["id"]
    return found


async def test_given_notes_when_words_are_searched_then_the_name_counts_most_and_the_snippet_is_around_the_word(
    world: World,
) -> None:
    long = "before " * 100 + "we deploy with Docker " + "after " * 100
    await store(world, long, name="runbook")
    await store(world, "nothing else", name="deploy the shop")
    await store(world, "unrelated", name="tagged", tags=["deploy"])

    found = await search(world, "DEPLOY!")

    assert names(found) == ["deploy the shop", "tagged", "runbook"]
    assert found["matched"] == "all"
    assert "we deploy with Docker" in found["notes"][2]["snippet"]
    assert len(found["notes"][2]["snippet"]) < 260


async def test_given_no_note_with_all_words_when_it_is_searched_then_those_with_most_come_first(world: World) -> None:
    await store(world, "the billing service", name="one")
    await store(world, "deploy the billing service", name="two")

    found = await search(world, "how to deploy billing")

    assert (names(found), found["matched"]) == (["two", "one"], "any")


async def test_given_attempts_of_two_agents_when_they_look_then_each_sees_its_own_its_project_and_the_swarm(
    world: World,
) -> None:
    shop, other = await project(world, "shop"), await project(world, "other")
    ada = await attempt(world, "ada", project="shop")
    bob = await attempt(world, "bob", project="other")
    await store(world, "alpha", name="adas", token=ada.token)
    await store(world, "alpha", name="bobs", token=bob.token)
    await store(world, "alpha", name="shops", token=ada.token, scope="project")
    await store(world, "alpha", name="others", scope="project", scopeId=other)
    await store(world, "alpha", name="all", token=bob.token, scope="swarm")

    seen = {one: await search(world, "alpha", token=token) for one, token in (("ada", ada.token), ("bob", bob.token))}

    assert set(names(seen["ada"])) == {"adas", "shops", "all"}
    assert set(names(seen["bob"])) == {"bobs", "others", "all"}
    listed = await world.get("/api/memory", token=ada.token)
    assert names(listed) == ["adas", "shops", "all"]
    assert len((await search(world, "alpha"))["notes"]) == 5
    assert names(await search(world, "alpha", scope="project", scopeId="shop")) == ["shops"]
    assert seen["ada"]["notes"][0]["createdBy"].startswith(("agent:", "operator"))
    assert shop


async def test_given_a_note_of_another_agent_when_an_attempt_asks_for_it_then_it_is_not_there(world: World) -> None:
    ada, bob = await attempt(world, "ada"), await attempt(world, "bob")
    note = await store(world, "alpha", token=bob.token)

    for method in ("GET", "DELETE"):
        answer = await world.call(method, f"/api/memory/{note['id']}", token=ada.token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "notFound")
    for fields in ({"scope": "agent", "scopeId": note["scopeId"]}, {"scope": "project", "scopeId": "x"}):
        answer = await world.call("POST", "/api/memory", json={"text": "forged", **fields}, token=ada.token)
        assert answer.status_code in (403, 422)
        answer = await world.call("GET", "/api/memory", params={"query": "alpha", **fields}, token=ada.token)
        assert answer.status_code in (403, 422)


async def test_given_a_note_of_the_swarm_when_an_agent_removes_it_then_only_what_it_wrote_goes(world: World) -> None:
    ada = await attempt(world, "ada")
    peoples = await store(world, "alpha")
    own = await store(world, "beta", token=ada.token, scope="swarm")

    refused = await world.call("DELETE", f"/api/memory/{peoples['id']}", token=ada.token)
    removed = await world.call("DELETE", f"/api/memory/{own['id']}", token=ada.token)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "denied")
    assert removed.json()["text"] == "beta"
    assert names(await world.get("/api/memory")) == [peoples["name"]]


async def test_given_a_name_when_it_is_stored_twice_then_the_second_takes_its_place(world: World) -> None:
    first = await store(world, "alpha", name="one", tags=["t"])
    world.clock.advance(60)
    second = await store(world, "beta", name="one")

    assert second["id"] == first["id"]
    assert second["createdAt"] == first["createdAt"] < second["updatedAt"]
    assert await world.get(f"/api/memory/{first['id']}") == second
    assert names(await search(world, "alpha")) == []


async def test_given_many_notes_when_they_are_listed_then_pages_have_each_once(world: World) -> None:
    for number in range(7):
        await store(world, "alpha", name=f"n{number}", tags=["odd"] if number % 2 else [])
    seen, cursor = [], None
    while True:
        page = await world.get("/api/memory", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        seen += names(page)
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == [f"n{number}" for number in range(7)]
    assert set(names(await world.get("/api/memory", params={"tag": "odd"}))) == {"n1", "n3", "n5"}


async def test_given_a_secret_in_a_note_when_it_is_stored_then_it_is_taken_out(world: World) -> None:
    world.app.context.redactor.register(["hunter2-hunter2"])

    note = await store(world, "the password is hunter2-hunter2", name="about hunter2-hunter2", tags=["hunter2-hunter2"])

    assert "hunter2" not in str(note)


BAD: list[tuple[Any, str]] = [
    ({}, "invalidInput"),
    ({"text": ""}, "invalidInput"),
    ({"text": " "}, "invalidInput"),
    ({"text": "x", "name": ""}, "invalidInput"),
    ({"text": "x", "name": "a\nb"}, "invalidInput"),
    ({"text": "x", "name": "n" * 201}, "invalidInput"),
    ({"text": "x\0"}, "invalidInput"),
    ({"text": "x", "tags": ["a b"]}, "invalidInput"),
    ({"text": "x", "tags": "a"}, "invalidInput"),
    ({"text": "x", "scope": "world"}, "invalidInput"),
    ({"text": "x", "scopeId": "y"}, "invalidInput"),
    ({"text": "x", "scope": "agent"}, "invalidInput"),
    ({"text": "x", "scope": "agent", "scopeId": "ada"}, "invalidInput"),
    ({"text": "x", "scope": "project", "scopeId": "nowhere"}, "unknownReference"),
    ({"text": "x", "scope": "swarm", "scopeId": "other"}, "unknownReference"),
    ({"text": "x", "sender": "me"}, "invalidInput"),
    ({"text": "x" * (256 * 1024 + 1)}, "tooLarge"),
]


async def test_given_a_bad_note_when_it_is_stored_then_it_is_refused(world: World) -> None:
    for body, code in BAD:
        answer = await world.call("POST", "/api/memory", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413 if code == "tooLarge" else 422, code)
    assert names(await world.get("/api/memory")) == []


QUERIES = ["", " ", '"', "-", "a:b", "NEAR(a, b)", "AND", "*", "''", "%00", "🙂", "\\", "a" * 10_000, "(" * 10_000]


async def test_given_any_query_when_it_is_asked_then_it_is_answered(world: World) -> None:
    await store(world, "alpha")
    for query in QUERIES:
        answer = await world.call("GET", "/api/memory", params={"query": query})
        assert answer.status_code == 200, answer.text


async def test_given_parameters_that_do_not_fit_when_notes_are_asked_for_then_they_are_refused(world: World) -> None:
    for params in (
        {"scopeId": "x"},
        {"scope": "agent"},
        {"scope": "swarm", "scopeId": "other"},
        {"query": "a", "cursor": "eA"},
        {"cursor": "!"},
        {"query": "a" * 20_000},
        {"limit": "0"},
    ):
        assert (await world.call("GET", "/api/memory", params=params)).status_code == 422, params
    for note_id in (new_id(), "nothing", "0" * 36):
        assert (await world.call("GET", f"/api/memory/{note_id}")).status_code == 404
        assert (await world.call("DELETE", f"/api/memory/{note_id}")).status_code == 404


async def test_given_an_attempt_that_is_over_when_it_stores_a_note_then_it_is_refused(world: World) -> None:
    ada = await attempt(world, "ada")
    await world.complete(ada)

    answer = await world.call("POST", "/api/memory", json={"text": "late"}, token=ada.token)

    assert answer.status_code == 401
