"""Messages and channels by tools: as over REST, with the sender that the token says."""

from typing import Any

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.mcp.test_mcp_tools import at_work
from tests.server.world import World

from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.messages import TEXT_BYTES

pytestmark = pytest.mark.anyio


async def texts(world: World, token: str, **asked: Any) -> list[str]:
    """What read-messages shows, oldest first."""
    said = await says(world, "read-messages", asked, token=token)
    return [one["text"] for one in reversed(said.get("messages", []))]


async def test_given_two_agents_when_one_writes_to_the_other_then_that_one_reads_it_once(world: World) -> None:
    ada, writer = await at_work(world, "ada")
    _, reader = await at_work(world, "bob")

    said = await says(world, "post-message", {"to": ["bob"], "text": "hello"}, token=writer.token)
    first = await says(world, "read-messages", {"markRead": False}, token=reader.token)

    (got,) = first["messages"]
    assert (got["id"], got["text"], got["sender"]) == (said["id"], "hello", f"agent:{ada.id}")
    assert await texts(world, reader.token) == ["hello"]
    assert await texts(world, reader.token) == []
    assert await texts(world, reader.token, unread=False) == ["hello"]
    assert await texts(world, writer.token, sent=True) == ["hello"]


@pytest.mark.parametrize("field", ["from", "sender", "hops"])
async def test_given_a_forged_sender_when_a_message_is_posted_then_it_is_refused(world: World, field: str) -> None:
    _, writer = await at_work(world)
    refused = await refuses(world, "post-message", {"broadcast": True, "text": "x", field: "1"}, token=writer.token)
    assert f"`{field}` cannot be sent" in refused["message"]


async def test_given_a_channel_when_agents_join_it_then_they_read_and_others_may_not(world: World) -> None:
    _, a = await at_work(world, "ada")
    bob, b = await at_work(world, "bob")
    _, e = await at_work(world, "eve")
    made = await says(world, "create-channel", {"name": "build"}, token=a.token)
    assert made["isMember"] is True

    assert (await refuses(world, "read-messages", {"channel": "build"}, token=b.token))["code"] == "denied"
    joined = await says(world, "join-channel", {"channel": "build", "member": "bob"}, token=a.token)
    assert (joined["member"], joined["changed"]) == (f"agent:{bob.id}", True)
    await says(world, "post-message", {"channel": "build", "text": "green"}, token=b.token)
    assert await texts(world, a.token) == ["green"]
    assert await texts(world, a.token, channel="build") == ["green"]
    assert (await refuses(world, "post-message", {"channel": "build", "text": "?"}, token=e.token))["code"] == "denied"

    await says(world, "join-channel", {"channel": "build", "leave": True}, token=b.token)
    listed = await says(world, "list-channels", token=b.token)
    assert [(one["name"], one["isMember"]) for one in listed["channels"]] == [("build", False)]


async def test_given_a_key_when_a_message_is_posted_twice_then_it_was_said_once(world: World) -> None:
    _, writer = await at_work(world, "ada")
    _, reader = await at_work(world, "bob")
    asked = {"to": ["bob"], "text": "once", "idempotencyKey": "k"}
    first = await says(world, "post-message", asked, token=writer.token)
    second = await says(world, "post-message", asked, token=writer.token)
    assert (second["id"], second["replayed"]) == (first["id"], True)
    assert await texts(world, reader.token) == ["once"]
    other = {**asked, "text": "twice"}
    assert (await refuses(world, "post-message", other, token=writer.token))["code"] == "idempotencyMismatch"


async def test_given_a_message_that_is_too_long_when_it_is_posted_then_the_bound_is_told_and_nothing_is_said(
    world: World,
) -> None:
    _, writer = await at_work(world, "ada")
    _, reader = await at_work(world, "bob")
    asked = {"to": ["bob"], "text": "x" * (TEXT_BYTES + 1)}
    refused = await refuses(world, "post-message", asked, token=writer.token)
    assert refused["code"] == "tooLarge"
    assert await texts(world, reader.token) == []


async def test_given_a_mention_of_nobody_when_it_is_posted_then_the_agent_is_told(world: World) -> None:
    _, writer = await at_work(world)
    said = await says(world, "post-message", {"broadcast": True, "text": "@nobody?"}, token=writer.token)
    assert said["unresolved"] == [{"mention": "@nobody", "reason": "unknown"}]


async def test_given_a_running_task_when_a_person_steers_it_then_its_agent_reads_that_and_workers_may_not_steer(
    world: World,
) -> None:
    _, claim = await at_work(world)
    said = await says(world, "steer-task", {"taskId": claim.task_id, "message": "look left", "interrupt": True})
    assert said["to"] == [f"task:{claim.task_id}"]
    shown = await says(world, "read-messages", {"taskId": claim.task_id}, token=claim.token)
    assert [(one["kind"], one["text"], one["interrupt"]) for one in shown["messages"]] == [("steer", "look left", True)]
    refused = await refuses(world, "steer-task", {"taskId": claim.task_id, "message": "x"}, token=claim.token)
    assert refused["code"] == "denied"


async def test_given_a_lead_when_it_steers_by_the_tool_then_only_tasks_below_its_own(world: World) -> None:
    lead, boss = await at_work(world, "lead", AgentRole.LEAD)
    sent = await says(world, "send-task", {"tasks": [{"prompt": "a part"}]}, token=boss.token)
    below = sent["tasks"][0]["id"]
    said = await says(world, "steer-task", {"taskId": below, "message": "use tabs"}, token=boss.token)
    (kept,) = (await world.get("/api/messages"))["messages"]
    assert (kept["id"], kept["sender"], kept["to"]) == (said["id"], f"agent:{lead.id}", [f"task:{below}"])
    for other in (boss.task_id, await world.file("of others")):
        refused = await refuses(world, "steer-task", {"taskId": other, "message": "no"}, token=boss.token)
        assert refused["code"] == "denied"
