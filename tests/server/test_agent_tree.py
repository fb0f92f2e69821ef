"""Agents below agents over REST and MCP: introduced, looked at, stopped and started, by whom it is for."""

from dataclasses import replace

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import Claim, RegisteredAgent, World

from agent_swarm.domain import commands
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import PauseReason

pytestmark = pytest.mark.anyio


async def leading(world: World, name: str = "lead", **options: object) -> tuple[RegisteredAgent, Claim]:
    """A lead that runs a task of its own."""
    lead = await world.register(name, role=AgentRole.LEAD, **options)  # type: ignore[arg-type]
    await world.file(agentId=lead.id)
    return lead, await world.take(lead)


async def test_given_a_lead_when_it_introduces_an_agent_then_its_parent_is_the_lead_and_it_is_offline(
    world: World,
) -> None:
    lead, claim = await leading(world)

    child = await world.post("/api/agents", {"name": "tester", "skills": ["pytest"]}, token=claim.token)

    assert (child["parentAgentId"], child["status"], child["repeated"]) == (lead.id, "offline", False)
    assert child["capacity"] == {"current": 0, "max": 1, "available": 0}
    assert (await world.get(f"/api/agents/{lead.id}"))["children"] == [child["id"]]
    again = await says(world, "add-agent", {"name": "tester"}, token=claim.token)
    assert (again["id"], again["repeated"]) == (child["id"], True)
    events = (await world.get("/api/events?limit=200"))["events"]
    [told] = [event for event in events if event["type"] == "agent.introduced"]
    assert (told["actor"], told["data"]["parentAgentId"]) == (f"agent:{lead.id}", lead.id)


async def test_given_a_lead_that_writes_its_own_token_when_it_says_something_of_agents_then_it_is_not_kept(
    world: World,
) -> None:
    lead, claim = await leading(world)
    secret = claim.token

    child = await world.post("/api/agents", {"name": "a", "description": f"use {secret}"}, token=secret)
    other = await says(world, "add-agent", {"name": "b", "description": f"use {secret}"}, token=secret)
    await world.post(f"/api/agents/{child['id']}/stop", {"reason": f"not {secret}"}, token=secret)
    stop = {"agentId": other["id"], "action": "stop", "reason": f"not {secret}"}
    await says(world, "agent-action", stop, token=secret)
    body = {"expectedVersion": 0, "instructions": f"use {secret}"}
    await world.call("PATCH", f"/api/agents/{lead.id}/profile", json=body, token=secret)

    kept = [
        *[await world.get(f"/api/agents/{one['id']}") for one in (child, other)],
        await world.get(f"/api/agents/{lead.id}/profile"),
    ]
    assert all(one.get("stopped") or one.get("version") == 1 for one in kept)
    assert secret not in str([*kept, await world.get("/api/events?limit=200")])


async def test_given_a_lead_when_it_names_another_parent_then_it_is_denied(world: World) -> None:
    other = await world.register("other")
    _, claim = await leading(world)
    for parent in (other.id, new_id()):
        body = {"name": "spy", "parentAgentId": parent}
        answer = await world.call("POST", "/api/agents", json=body, token=claim.token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")
        assert (await refuses(world, "add-agent", body, token=claim.token))["code"] == "denied"
    assert len((await world.get("/api/agents"))["agents"]) == 2


async def test_given_a_lead_that_works_for_a_swarm_when_it_introduces_agents_then_they_are_in_there(
    world: World,
) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    swarm = await world.post("/api/swarms", {"name": "checkout"})
    await world.call("PUT", f"/api/swarms/checkout/agents/{lead.id}")
    lead = replace(lead, profile=replace(lead.profile, swarm_id=swarm["id"]))
    await world.file(agentId=lead.id)
    outside = await world.take(lead)
    await world.file(agentId=lead.id, swarm="checkout")
    inside = await world.take(lead)

    children = [
        await world.post("/api/agents", {"name": "first"}, token=inside.token),
        await says(world, "add-agent", {"name": "second"}, token=inside.token),
        await world.post("/api/agents", {"name": "third"}, token=outside.token),
    ]

    found = [(await world.get(f"/api/agents/{child['id']}"))["swarmId"] for child in children]
    assert found == [swarm["id"], swarm["id"], None]


async def test_given_a_lead_when_it_introduces_more_than_it_may_then_the_cap_is_named(world: World) -> None:
    _, claim = await leading(world)
    for number in range(10):
        await world.post("/api/agents", {"name": f"tester {number}"}, token=claim.token)

    answer = await world.call("POST", "/api/agents", json={"name": "one more"}, token=claim.token)

    assert answer.status_code == 409
    assert answer.json()["error"]["details"]["setting"] == "AGENT_SWARM_MAX_AGENT_CHILDREN"


async def test_given_a_lead_under_a_profile_when_it_introduces_agents_then_they_may_no_more(world: World) -> None:
    able = ("enforces.files", "enforces.network")
    lead, claim = await leading(world, capabilities=able)
    await world.call("PUT", f"/api/agents/{lead.id}/permissions", json={"profile": "offline"})

    child = await world.post("/api/agents", {"name": "tester"}, token=claim.token)
    wider = await world.call("POST", "/api/agents", json={"name": "greedy", "permissions": "full"}, token=claim.token)

    assert child["permissions"] == "offline"
    assert (wider.status_code, wider.json()["error"]["code"]) == (403, "denied")


async def test_given_a_lead_when_it_stops_and_starts_agents_then_only_those_below_it(world: World) -> None:
    lead, claim = await leading(world)
    other = await world.register("other")
    child = await world.post("/api/agents", {"name": "child"}, token=claim.token)
    below = await world.post("/api/agents", {"name": "below", "parentAgentId": child["id"]})

    for target in (other.id, lead.id, new_id()):
        for verb in ("stop", "start"):
            answer = await world.call("POST", f"/api/agents/{target}/{verb}", json={}, token=claim.token)
            assert answer.status_code == 403, answer.text
        refused = await refuses(world, "agent-action", {"agentId": target, "action": "stop"}, token=claim.token)
        assert refused["code"] == "denied"
    stopped = await world.post(
        f"/api/agents/{child['id']}/stop", {"recursive": True, "reason": "loops"}, token=claim.token
    )
    assert stopped["agents"] == [child["id"], below["id"]]
    assert (stopped["agent"]["stopped"]["by"], stopped["agent"]["stopped"]["reason"]) == (f"agent:{lead.id}", "loops")
    started = await says(world, "agent-action", {"agentId": below["id"], "action": "start"}, token=claim.token)
    assert started["agents"] == [below["id"]]


async def test_given_an_agent_that_a_person_stopped_when_its_lead_starts_it_then_it_is_denied(world: World) -> None:
    _, claim = await leading(world)
    child = await world.post("/api/agents", {"name": "child"}, token=claim.token)
    await world.post(f"/api/agents/{child['id']}/stop", {})

    answer = await world.call("POST", f"/api/agents/{child['id']}/start", json={}, token=claim.token)

    assert answer.status_code == 403
    assert (await world.post(f"/api/agents/{child['id']}/start", {}))["agents"] == [child["id"]]


async def test_given_an_agent_at_work_when_it_is_stopped_then_its_task_is_explained_and_goes_on_elsewhere(
    world: World,
) -> None:
    ada = await world.register("ada", slots=2)
    task_id = await world.file()
    claim = await world.take(ada)

    stopped = await world.post(f"/api/agents/{ada.id}/stop", {})

    assert stopped["interrupted"] == [task_id]
    assert (stopped["agent"]["status"], stopped["agent"]["capacity"]) == (
        "busy",
        {"current": 1, "max": 2, "available": 0},
    )
    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert "pauses for the stop of its agent" in told["summary"]
    await world.command(commands.Pause(task_id=task_id, fence=claim.fence, reason=PauseReason.PERSON))
    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert [reason["code"] for reason in told["reasons"]] == ["agentStopped"]
    assert f"agent-swarm agent start {ada.id}" in told["reasons"][0]["unblock"]
    bob = await world.register("bob")
    assert (await world.take(bob)).task_id == task_id


async def test_given_a_person_when_they_introduce_agents_then_parents_have_to_exist_and_ids_are_taken_once(
    world: World,
) -> None:
    identifier = new_id()
    assert (await world.post("/api/agents", {"name": "ada", "id": identifier}))["id"] == identifier

    taken = await world.call("POST", "/api/agents", json={"name": "ada", "id": identifier})
    unknown = await world.call("POST", "/api/agents", json={"name": "ada", "parentAgentId": new_id()})

    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "alreadyExists")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "unknownReference")
    for verb in ("stop", "start"):
        assert (await world.call("POST", f"/api/agents/{new_id()}/{verb}", json={})).status_code == 404


async def test_given_an_agent_with_slots_when_it_works_and_leaves_then_its_capacity_is_told_everywhere(
    world: World,
) -> None:
    ada = await world.register("ada", slots=3)
    _, claim = await leading(world)

    async def told() -> tuple[str, dict[str, int]]:
        agent = await world.get(f"/api/agents/{ada.id}")
        listed = next(one for one in (await world.get("/api/agents"))["agents"] if one["id"] == ada.id)
        swarm = await says(world, "get-swarm", token=claim.token)
        seen = next(one for one in swarm["agents"] if one["id"] == ada.id)
        assert listed["capacity"] == seen["capacity"] == agent["capacity"]
        return agent["status"], agent["capacity"]

    assert await told() == ("idle", {"current": 0, "max": 3, "available": 3})
    await world.file()
    mine = await world.take(ada)
    assert await told() == ("busy", {"current": 1, "max": 3, "available": 2})
    info = await says(world, "my-agent-info", token=mine.token)
    assert info["you"]["capacity"] == {"current": 1, "max": 3, "available": 2}
    await world.sign_off(ada)
    assert await told() == ("offline", {"current": 1, "max": 3, "available": 0})
