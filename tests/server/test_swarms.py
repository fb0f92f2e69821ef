"""Swarms over REST: groups of agents and tasks, and what belongs to one stays in it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.server.world import Claim, RegisteredAgent, World

from agent_swarm.domain.matching import AgentRole

pytestmark = pytest.mark.anyio

PATH = "/api/swarms"
STRANGER = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


async def make(world: World, name: str = "checkout", **fields: Any) -> str:
    """Make a swarm; answers its id."""
    swarm_id: str = (await world.post(PATH, {"name": name, **fields}))["id"]
    return swarm_id


async def joined(world: World, swarm_id: str, agent: RegisteredAgent) -> RegisteredAgent:
    """The agent, in the swarm."""
    answer = await world.call("PUT", f"{PATH}/{swarm_id}/agents/{agent.id}")
    assert answer.status_code == 200, answer.text
    return replace(agent, profile=replace(agent.profile, swarm_id=swarm_id))


async def lead_at_work(world: World, swarm_id: str | None) -> Claim:
    """A lead's attempt at a task of the swarm."""
    lead = await world.register("lead", role=AgentRole.LEAD)
    if swarm_id is not None:
        lead = await joined(world, swarm_id, lead)
    await world.file("lead it", agentId=lead.id, priority=100, **({"swarm": swarm_id} if swarm_id else {}))
    return await world.take(lead)


async def code(world: World, method: str, path: str, **options: Any) -> tuple[int, str]:
    """Status and code of a request that is refused."""
    answer = await world.call(method, path, **options)
    return answer.status_code, answer.json()["error"]["code"]


async def test_given_a_swarm_when_it_is_made_shown_changed_and_deleted_then_each_answer_says_how_it_stands(
    world: World,
) -> None:
    project = await world.post("/api/projects", {"name": "shop", "repoUrl": "https://example.com/shop.git"})

    made = await world.post(PATH, {"name": "checkout", "project": "shop"})

    assert made["id"].startswith("swarm-")
    assert (made["name"], made["status"], made["projectId"], made["createdBy"]) == (
        "checkout",
        "active",
        project["id"],
        "operator",
    )
    assert await world.get(f"{PATH}/checkout") == await world.get(f"{PATH}/{made['id']}") == made
    paused = (await world.call("PATCH", f"{PATH}/checkout", json={"status": "paused"})).json()
    assert paused == {**made, "status": "paused"}
    bare = (await world.call("PATCH", f"{PATH}/checkout", json={"project": None, "status": "active"})).json()
    assert bare == {**made, "projectId": None}
    assert (await world.call("DELETE", f"{PATH}/checkout")).json()["status"] == "deleted"
    assert await code(world, "GET", f"{PATH}/checkout") == (404, "notFound")
    assert (await world.get(f"{PATH}/{made['id']}"))["deletedAt"]
    assert (await world.get(PATH))["swarms"] == []


async def test_given_swarms_when_they_are_listed_then_pages_run_by_name(world: World) -> None:
    for name in ("b", "c", "a"):
        await make(world, name)

    first = await world.get(PATH, params={"limit": 2})
    rest = await world.get(PATH, params={"limit": 2, "cursor": first["nextCursor"]})

    assert [one["name"] for one in (*first["swarms"], *rest["swarms"])] == ["a", "b", "c"]
    assert rest["nextCursor"] is None


@pytest.mark.parametrize("name", ["default", "swarm-1769380552744", "a b", "-a", "ä", "x" * 65])
async def test_given_a_name_that_no_swarm_can_have_when_one_is_made_then_that_is_refused(
    world: World, name: str
) -> None:
    assert await code(world, "POST", PATH, json={"name": name}) == (422, "invalidInput")


async def test_given_what_is_not_there_when_it_is_named_then_the_answer_says_so(world: World) -> None:
    await make(world)
    agent = await world.register()

    assert await code(world, "POST", PATH, json={"name": "checkout"}) == (409, "alreadyExists")
    assert await code(world, "POST", PATH, json={"name": "x", "project": "no"}) == (422, "unknownReference")
    assert await code(world, "PUT", f"{PATH}/no/agents/{agent.id}") == (404, "notFound")
    assert await code(world, "PUT", f"{PATH}/checkout/agents/{STRANGER}") == (404, "notFound")
    assert await code(world, "GET", f"{PATH}/no/status") == (404, "notFound")
    for path in ("/api/tasks", "/api/agents"):
        assert await code(world, "GET", path, params={"swarm": "no"}) == (422, "unknownReference")
    for named in ("no", "default"):
        asked = {"prompt": "x", "swarm": named}
        assert await code(world, "POST", "/api/tasks", json=asked) == (422, "unknownReference")


async def test_given_agents_and_tasks_in_a_swarm_when_its_state_is_asked_for_then_they_are_counted(
    world: World,
) -> None:
    swarm_id = await make(world)
    ada, bob = await joined(world, swarm_id, await world.register("ada")), await world.register("bob")
    first = await world.file("one", swarm="checkout")
    second = await world.file("two", swarm=swarm_id)
    await world.file("elsewhere")
    await world.take(ada)

    state = await world.get(f"{PATH}/checkout/status")

    assert state["killed"] is False
    assert {status: number for status, number in state["tasks"].items() if number} == {"running": 1, "pending": 1}
    assert state["agentCounts"] == {"idle": 0, "busy": 1, "offline": 0}
    assert [(one["id"], one["swarmId"]) for one in state["agents"]] == [(ada.id, swarm_id)]
    listed = await world.get("/api/tasks", params={"swarm": "checkout"})
    assert [(task["id"], task["swarmId"]) for task in listed["tasks"]] == [(second, swarm_id), (first, swarm_id)]
    assert [one["id"] for one in (await world.get("/api/agents", params={"swarm": swarm_id}))["agents"]] == [ada.id]
    assert (await world.get(f"/api/agents/{bob.id}"))["swarmId"] is None
    events = await world.get("/api/events", params={"after": 0}, headers={"accept": "application/json"})
    filed = next(event for event in events["events"] if event["taskId"] == first)
    assert (filed["swarm"], "swarm" in filed["data"]) == (swarm_id, False)


async def test_given_a_swarm_with_a_project_when_a_task_names_none_then_it_works_on_that(world: World) -> None:
    for name in ("shop", "docs"):
        await world.post("/api/projects", {"name": name, "repoUrl": f"https://example.com/{name}.git"})
    await make(world, project="shop")
    ids = {one["name"]: one["id"] for one in (await world.get("/api/projects"))["projects"]}

    filed = await world.post("/api/tasks", {"prompt": "x", "swarm": "checkout"})
    named = await world.post("/api/tasks", {"prompt": "x", "swarm": "checkout", "project": "docs"})

    assert (filed["projectId"], named["projectId"]) == (ids["shop"], ids["docs"])


async def test_given_tasks_below_one_of_a_swarm_when_they_are_filed_or_retried_then_they_belong_to_it(
    world: World,
) -> None:
    swarm_id = await make(world)
    top = await world.file("top", swarm="checkout")
    below = await world.post("/api/tasks", {"prompt": "below", "parentTaskId": top})
    graph = await world.post("/api/tasks/batch", {"tasks": [{"prompt": "a", "swarm": "checkout"}, {"prompt": "b"}]})
    await world.post(f"/api/tasks/{top}/cancel")

    again = await world.post(f"/api/tasks/{top}/retry")

    assert [task["swarmId"] for task in (below, *graph["tasks"], again)] == [swarm_id, swarm_id, None, swarm_id]


async def test_given_an_attempt_in_a_swarm_when_it_files_then_its_tasks_are_in_there_and_nowhere_else(
    world: World,
) -> None:
    own, other = await make(world, "checkout"), await make(world, "search")
    inside, outside = await lead_at_work(world, own), await lead_at_work(world, None)

    for swarm in ({}, {"swarm": "checkout"}, {"swarm": own}):
        filed = await world.post("/api/tasks", {"prompt": "x", **swarm}, token=inside.token)
        assert filed["swarmId"] == own
    for claim, named in ((inside, "search"), (inside, other), (inside, "no"), (outside, "checkout")):
        asked = {"prompt": "x", "swarm": named}
        assert await code(world, "POST", "/api/tasks", json=asked, token=claim.token) == (403, "denied"), named


async def test_given_a_task_of_a_swarm_when_it_waits_then_it_says_what_would_change_that(world: World) -> None:
    await make(world)
    ada, bob = await world.register("ada"), await world.register("bob")

    async def why(task_id: str) -> list[tuple[str, str]]:
        told = await world.get(f"/api/tasks/{task_id}/explain")
        return [(reason["code"], reason["unblock"]) for reason in told["reasons"]]

    anybody = await world.file(swarm="checkout")
    for_ada = await world.file(swarm="checkout", agentId=ada.id)
    picky = await world.file(swarm="checkout", requires={"tags": ["gpu"]})
    assert await why(anybody) == [
        ("noAgentInSwarm", "have one join: agent-swarm swarm join checkout AGENT"),
    ]
    assert await why(for_ada) == [("agentNotInSwarm", f"have it join: agent-swarm swarm join checkout {ada.id}")]
    await joined(world, "checkout", ada)
    assert [code for code, _ in await why(picky)] == ["noMatchingAgent"]
    assert "ada" in (await why(picky))[0][1], "bob, who is not in there, would not help"
    assert bob.id
    await world.call("PATCH", f"{PATH}/checkout", json={"status": "paused"})
    assert await why(anybody) == [
        ("swarmPaused", "a person has to let it go on: agent-swarm swarm resume checkout"),
    ]


async def test_given_open_tasks_when_a_swarm_is_deleted_then_they_are_in_the_way_unless_they_are_cancelled(
    world: World,
) -> None:
    swarm_id = await make(world)
    ada = await joined(world, swarm_id, await world.register())
    running, waiting = await world.file(swarm="checkout"), await world.file(swarm="checkout", backlog=True)
    await world.take(ada)
    assert await code(world, "DELETE", f"{PATH}/checkout") == (409, "conflict")

    deleted = await world.call("DELETE", f"{PATH}/checkout", params={"cancelTasks": "true"})

    assert deleted.status_code == 200, deleted.text
    assert [(await world.get(f"/api/tasks/{one}"))["status"] for one in (running, waiting)] == ["cancelled"] * 2
    assert (await world.get(f"/api/agents/{ada.id}"))["swarmId"] is None
    assert (await world.get("/api/tasks", params={"swarm": swarm_id}))["tasks"]
    assert await code(world, "POST", f"/api/tasks/{running}/retry") == (422, "unknownReference")


async def test_given_a_swarm_when_it_is_killed_by_its_name_then_nothing_is_filed_in_it_until_it_is_lifted(
    world: World,
) -> None:
    swarm_id = await make(world)
    ada = await joined(world, swarm_id, await world.register())
    task_id = await world.file(swarm="checkout")
    claim = await world.take(ada)

    killed = await world.post("/api/kill-switch", {"scope": "swarm", "id": "checkout", "reason": "they deploy"})

    switch = next(one for one in killed["switches"] if one["scope"] == "swarm")
    assert (switch["id"], switch["attempts"], switch["awaited"][0]["agentId"]) == (swarm_id, 1, ada.id)
    assert killed["status"] == "armed", "the one for everything"
    assert (await world.get(f"{PATH}/checkout/status"))["killed"] is True
    refused = await world.call("POST", "/api/tasks", json={"prompt": "x", "swarm": "checkout"})
    assert (refused.status_code, "they deploy" in refused.text) == (503, True)
    assert (await world.call("GET", f"/api/tasks/{task_id}", token=claim.token)).status_code == 401
    for token in (claim.token, ada.token):
        assert (await world.call("POST", "/v1/pool/poll", token=token, json={})).status_code in (401, 403)
    await world.file("elsewhere")
    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert told["reasons"][0]["code"] == "killSwitchOn"
    assert f"lift --swarm {swarm_id}" in told["reasons"][0]["unblock"]
    await world.post("/api/kill-switch", {"action": "lift", "scope": "swarm", "id": swarm_id})
    await world.file(swarm="checkout")


async def test_given_a_kill_of_a_swarm_that_is_not_there_when_it_is_asked_for_then_that_is_refused(
    world: World,
) -> None:
    for named, refused in (("", "invalidInput"), ("no", "unknownReference"), ("swarm-1", "unknownReference")):
        asked = {"scope": "swarm", "id": named}
        assert await code(world, "POST", "/api/kill-switch", json=asked) == (422, refused)


async def test_given_notes_and_values_of_swarms_when_attempts_look_then_they_see_their_own_and_everybodys(
    world: World,
) -> None:
    own, other = await make(world, "checkout"), await make(world, "search")
    for scope_id, text in (("checkout", "ours"), ("search", "theirs"), (None, "everybodys")):
        placed = {"scope": "swarm", **({"scopeId": scope_id} if scope_id else {})}
        await world.post("/api/memory", {"name": f"note {text}", "text": text, **placed})
        namespace = f"swarm:{scope_id}" if scope_id else "swarm"
        answer = await world.call("PUT", f"/api/kv/{namespace}/k", json={"value": text})
        assert answer.status_code == 200, answer.text
        assert answer.json()["namespace"] == {"checkout": f"swarm:{own}", "search": f"swarm:{other}"}.get(
            str(scope_id), "swarm"
        )
    inside, outside = await lead_at_work(world, own), await lead_at_work(world, None)

    async def notes(claim: Claim) -> set[str]:
        return {one["snippet"] for one in (await world.get("/api/memory", token=claim.token))["notes"]}

    async def value(claim: Claim, namespace: str) -> Any:
        return (await world.get(f"/api/kv/{namespace}/k", token=claim.token))["value"]

    assert (await notes(inside), await notes(outside)) == ({"ours", "everybodys"}, {"everybodys"})
    assert [await value(inside, one) for one in ("swarm", f"swarm:{own}", "swarm:checkout", "swarm:default")] == [
        "ours",
        "ours",
        "ours",
        "everybodys",
    ]
    assert await value(outside, "swarm") == "everybodys"
    for claim in (inside, outside):
        for named in ("search", other, "no"):
            asked = {"text": "x", "scope": "swarm", "scopeId": named}
            assert await code(world, "POST", "/api/memory", json=asked, token=claim.token) == (403, "denied")
            path = f"/api/kv/swarm:{named}/k"
            assert await code(world, "GET", path, token=claim.token) == (403, "denied"), named
            assert await code(world, "PUT", path, json={"value": 1}, token=claim.token) == (403, "denied")
    noted = await world.post("/api/memory", {"text": "new", "scope": "swarm"}, token=inside.token)
    assert noted["scopeId"] == own


async def test_given_values_of_a_swarm_when_an_attempt_begins_then_it_gets_those_of_its_own(world: World) -> None:
    own, other = await make(world, "checkout"), await make(world, "search")
    for scope, named, value in (
        ("global", None, "global"),
        ("swarm", "checkout", "ours"),
        ("swarm", other, "theirs"),
    ):
        body = {"scope": scope, "key": "STAGE", "value": value, **({"scopeId": named} if named else {})}
        answer = await world.call("PUT", "/api/config", json=body)
        assert answer.status_code == 200, answer.text
    inside, outside = await lead_at_work(world, own), await lead_at_work(world, None)

    async def stage(claim: Claim) -> str:
        variables = {one.name: one.value for one in (await world.frame_of(claim)).environment}
        return variables["STAGE"]

    assert (await stage(inside), await stage(outside)) == ("ours", "global")
    resolved = await world.get("/api/config/resolved", params={"swarm": "search"})
    assert [entry["value"] for entry in resolved["entries"]] == ["theirs"]
    listed = await world.get("/api/config", params={"scope": "swarm", "scopeId": "checkout"})
    assert [entry["scopeId"] for entry in listed["entries"]] == [own]
    unknown = {"scope": "swarm", "scopeId": "no", "key": "A", "value": "x"}
    assert await code(world, "PUT", "/api/config", json=unknown) == (422, "unknownReference")
