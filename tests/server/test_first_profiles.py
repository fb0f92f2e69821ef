"""What a template says of an agent when its first process registers, and what it does not undo."""

from typing import Any

import pytest
from tests.server.world import World

from agent_swarm.domain.ids import new_id

pytestmark = pytest.mark.anyio

FIRST = {
    "role": "tester",
    "description": "tests",
    "skills": ["pytest"],
    "tags": ["content"],
    "instructions": "test twice",
    "permissions": "read-only",
}
ENFORCES = ["enforces.files"]


async def register(world: World, agent_id: str, *, status: int = 200, **fields: Any) -> Any:
    body = {"agent_id": agent_id, "instance_id": new_id(), "name": "ada", "capabilities": ENFORCES, **fields}
    body.setdefault("template_id", "official/tester")
    answer = await world.call("POST", "/v1/pool/register", json=body, headers={"x-agent-swarm-protocol": "1"})
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_given_a_first_process_with_a_template_when_it_registers_then_the_agent_is_what_it_says(
    world: World,
) -> None:
    agent_id = new_id()
    await register(world, agent_id, first=FIRST)
    found = await world.get(f"/api/agents/{agent_id}")
    profile = await world.get(f"/api/agents/{agent_id}/profile")
    assert (found["role"], found["skills"], found["tags"]) == ("tester", ["pytest"], ["content"])
    assert "read-only" in str(found["permissions"])
    assert (profile["version"], profile["note"], profile["instructions"]) == (
        1,
        "template official/tester",
        "test twice",
    )
    assert profile["reported"]["skills"] == []


async def test_given_an_agent_that_people_changed_when_it_registers_again_then_the_template_does_not_count(
    world: World,
) -> None:
    agent_id = new_id()
    await register(world, agent_id, first=FIRST)
    body = {"expectedVersion": 1, "skills": ["css"], "instructions": "be brief"}
    await world.call("PATCH", f"/api/agents/{agent_id}/profile", json=body)
    await world.call("PUT", f"/api/agents/{agent_id}/permissions", json={"profile": None})
    await register(world, agent_id, first=FIRST)
    profile = await world.get(f"/api/agents/{agent_id}/profile")
    found = await world.get(f"/api/agents/{agent_id}")
    assert (profile["version"], profile["skills"], profile["instructions"]) == (2, ["css"], "be brief")
    assert "read-only" not in str(found["permissions"])


async def test_given_a_worker_with_settings_of_its_own_when_it_registers_then_those_win(world: World) -> None:
    agent_id = new_id()
    await register(world, agent_id, first=FIRST, role="plumber", skills=["pipes"])
    found = await world.get(f"/api/agents/{agent_id}")
    assert (found["role"], found["skills"], found["tags"]) == ("plumber", ["pipes"], ["content"])


async def test_given_an_agent_that_was_introduced_when_its_first_process_registers_then_what_was_said_stays(
    world: World,
) -> None:
    made = await world.post("/api/agents", {"name": "ada", "skills": ["css"]})
    await register(world, made["id"], first=FIRST)
    profile = await world.get(f"/api/agents/{made['id']}/profile")
    assert (profile["version"], profile["skills"], profile["instructions"]) == (2, ["css"], "test twice")


async def test_given_permissions_that_the_worker_cannot_keep_when_it_registers_then_it_is_refused_unless_usual(
    world: World,
) -> None:
    agent_id = new_id()
    refused = await register(world, agent_id, first=FIRST, capabilities=[], status=409)
    assert refused["error"]["code"] == "cannotBeEnforced"
    assert (await world.call("GET", f"/api/agents/{agent_id}")).status_code == 404
    unknown = await register(world, agent_id, first={**FIRST, "permissions": "lenient"}, status=422)
    assert "lenient" in unknown["error"]["message"]
    await register(world, agent_id, first={**FIRST, "permissions": "workspace-write"}, capabilities=[])
    assert (await world.get(f"/api/agents/{agent_id}/profile"))["instructions"] == "test twice"
