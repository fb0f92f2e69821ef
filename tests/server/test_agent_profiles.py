"""Profiles of agents over REST and MCP, and how they reach dispatch and runs."""

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import World

from agent_swarm.domain import commands
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import FailureClass

pytestmark = pytest.mark.anyio


async def test_given_an_agent_when_its_profile_is_written_then_versions_tell_who_did_what(world: World) -> None:
    ada = await world.register("ada", tags=("linux",))
    path = f"/api/agents/{ada.id}/profile"
    assert (await world.get(path))["version"] == 0

    body = {"expectedVersion": 0, "skills": ["css"], "instructions": "be brief", "note": "new team"}
    answer = await world.call("PATCH", path, json=body)
    first = answer.json()
    second = (await world.call("PATCH", path, json={"expectedVersion": 1, "skills": None})).json()
    third = await world.post(f"{path}/versions/1/restore", {"expectedVersion": 2})

    assert (first["version"], first["skills"], first["reported"]["tags"]) == (1, ["css"], ["linux"])
    assert (second["version"], second["skills"], second["instructions"]) == (2, None, "be brief")
    assert (third["version"], third["skills"], third["restored"]) == (3, ["css"], 1)
    listed = await world.get(f"{path}/versions?limit=2")
    assert [(one["version"], one["author"], one["note"]) for one in listed["versions"]] == [
        (1, "operator", "new team"),
        (2, "operator", ""),
    ]
    rest = await world.get(f"{path}/versions?cursor={listed['nextCursor']}")
    assert [one["version"] for one in rest["versions"]] == [3]
    assert (await world.get(f"{path}/versions/1"))["instructions"] == "be brief"
    assert (await world.get(f"/api/agents/{ada.id}"))["skills"] == ["css"]
    events = (await world.get("/api/events?limit=200"))["events"]
    told = [event["data"] for event in events if event["type"] == "agent.profileChanged"]
    assert told[0] == {"version": 1, "fields": ["skills", "instructions"], "note": "new team"}


async def test_given_a_profile_when_what_is_asked_cannot_be_then_the_error_says_why(world: World) -> None:
    ada = await world.register("ada")
    path = f"/api/agents/{ada.id}/profile"
    for body, status, code in (
        ({"expectedVersion": 3, "skills": []}, 409, "conflict"),
        ({"expectedVersion": 0}, 422, "invalidInput"),
        ({"skills": ["x"]}, 422, "invalidInput"),
        ({"expectedVersion": 0, "instructions": "x" * (64 * 1024 + 1)}, 413, "tooLarge"),
    ):
        answer = await world.call("PATCH", path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), body
    assert (await world.call("GET", f"{path}/versions/7")).status_code == 404
    assert (await world.call("GET", f"/api/agents/{new_id()}/profile")).status_code == 404


async def test_given_instructions_when_the_agent_claims_then_the_next_attempt_is_told_them(world: World) -> None:
    ada = await world.register("ada")
    await world.file(maxAttempts=3)
    claim = await world.take(ada)
    assert (await world.frame_of(claim)).instructions == ""

    body = {"expectedVersion": 0, "instructions": "tabs, not spaces"}
    await world.call("PATCH", f"/api/agents/{ada.id}/profile", json=body)

    await world.command(
        commands.Fail(task_id=claim.task_id, fence=claim.fence, failure=FailureClass.AGENT, digest="x", jitter=0.0)
    )
    await world.file()
    assert (await world.frame_of(await world.take(ada))).instructions == "tabs, not spaces"


async def test_given_a_running_agent_when_it_updates_its_profile_then_its_own_and_nothing_hard(world: World) -> None:
    ada, bob = await world.register("ada"), await world.register("bob")
    await world.file(agentId=ada.id)
    claim = await world.take(ada)

    read = await says(world, "update-profile", token=claim.token)
    said = {"expectedVersion": read["version"], "instructions": "run the tests twice", "skills": ["pytest"]}
    changed = await says(world, "update-profile", said, token=claim.token)

    assert (changed["version"], changed["skills"], changed["author"]) == (1, ["pytest"], f"agent:{ada.id}")
    assert (await refuses(world, "update-profile", {"skills": ["x"]}, token=claim.token))["code"] == "invalidInput"
    assert (await refuses(world, "update-profile", {"tags": ["gpu"]}, token=claim.token))["code"] == "invalidInput"
    for target, body, status in (
        (ada, {"expectedVersion": 1, "tags": ["gpu"]}, 403),
        (ada, {"expectedVersion": 1, "capabilities": ["**"]}, 403),
        (bob, {"expectedVersion": 0, "description": "lazy"}, 403),
    ):
        path = f"/api/agents/{target.id}/profile"
        assert (await world.call("PATCH", path, json=body, token=claim.token)).status_code == status
        denied = await world.call("GET", path, token=claim.token)
        assert denied.status_code == (200 if target is ada else 403)
