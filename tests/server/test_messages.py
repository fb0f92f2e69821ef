"""Messages and channels over REST: who gets what, who may read it, and what is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.server.world import Claim, RegisteredAgent, World, opened

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, AgentRole
from agent_swarm.domain.messages import RECIPIENTS, TEXT_BYTES
from agent_swarm.store.operations import IntroduceAgent
from agent_swarm.store.records import AgentRecord

pytestmark = pytest.mark.anyio


async def at_work(world: World, agent: RegisteredAgent) -> Claim:
    """An attempt of this agent."""
    task_id = await world.file("work", agentId=agent.id)
    claim = await world.claim(agent)
    assert claim.task_id == task_id
    return claim


async def inbox(world: World, token: str, query: str = "") -> list[Any]:
    """What the owner of the token got, oldest first."""
    return list(reversed((await world.get(f"/api/messages{query}", token=token))["messages"]))


async def test_given_two_agents_when_one_writes_to_the_other_by_name_then_that_one_has_it(world: World) -> None:
    ada, bob = await world.register("ada"), await world.register("Bob B")
    writer, reader = await at_work(world, ada), await at_work(world, bob)

    said = await world.post("/api/messages", {"to": ["bob-b"], "text": "hello"}, token=writer.token)

    (got,) = await inbox(world, reader.token)
    assert (got["id"], got["text"], got["sender"], got["senderName"]) == (said["id"], "hello", f"agent:{ada.id}", "ada")
    assert got["delivery"]["status"] == "queued"
    assert said["to"] == [f"agent:{bob.id}"]
    assert await inbox(world, writer.token) == []


@pytest.mark.parametrize("field", ["from", "sender"])
async def test_given_a_forged_sender_when_it_is_posted_then_it_is_refused_and_says_why(
    world: World, field: str
) -> None:
    answer = await world.call("POST", "/api/messages", json={"broadcast": True, "text": "hi", field: "agent:x"})

    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(f"body: `{field}` cannot be sent")


async def test_given_a_channel_when_a_member_writes_then_members_get_it_and_others_may_not_look(world: World) -> None:
    ada, bob, eve = [await world.register(name) for name in ("ada", "bob", "eve")]
    a, b, e = [await at_work(world, agent) for agent in (ada, bob, eve)]
    await world.post("/api/channels", {"name": "#Build", "members": [bob.id]}, token=a.token)

    await world.post("/api/messages", {"channel": "build", "text": "green"}, token=a.token)

    assert [one["text"] for one in await inbox(world, b.token)] == ["green"]
    assert [one["text"] for one in await inbox(world, b.token, "?channel=build")] == ["green"]
    assert await inbox(world, e.token) == []
    for method, path, options in (
        ("GET", "/api/messages?channel=build", {}),
        ("POST", "/api/messages", {"json": {"channel": "build", "text": "let me in"}}),
    ):
        refused = await world.call(method, path, token=e.token, **options)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "denied")
    joined = await world.call("PUT", f"/api/channels/build/members/{eve.id}", token=e.token)
    assert joined.json() == {"channel": "build", "member": f"agent:{eve.id}", "isMember": True, "changed": True}
    assert [one["text"] for one in await inbox(world, e.token, "?channel=build")] == ["green"]


async def test_given_mentions_when_a_message_is_broadcast_then_mentioned_ones_find_it_as_such(world: World) -> None:
    ada, bob, eve = [await world.register(name) for name in ("ada", "bob", "eve")]
    a, b, e = [await at_work(world, agent) for agent in (ada, bob, eve)]

    said = await world.post(
        "/api/messages", {"broadcast": True, "text": "@bob look; mail me@x.org; @nobody"}, token=a.token
    )

    assert said["mentions"] == [bob.id]
    assert said["unresolved"] == [{"mention": "@nobody", "reason": "unknown"}]
    assert [one["id"] for one in await inbox(world, b.token, "?mentions=true")] == [said["id"]]
    assert await inbox(world, e.token, "?mentions=true") == []
    assert [one["id"] for one in await inbox(world, e.token)] == [said["id"]]


async def test_given_a_reply_when_nothing_else_is_said_then_it_goes_where_the_message_came_from(world: World) -> None:
    ada, bob = await world.register("ada"), await world.register("bob")
    a, b = await at_work(world, ada), await at_work(world, bob)
    asked = await world.post("/api/messages", {"to": ["bob"], "text": "when?"}, token=a.token)

    answer = await world.post("/api/messages", {"replyTo": asked["id"], "text": "now"}, token=b.token)

    assert (answer["to"], answer["replyTo"]) == ([f"agent:{ada.id}"], asked["id"])
    by_a_person = await world.post("/api/messages", {"to": ["ada"], "text": "well?"})
    back = await world.post("/api/messages", {"replyTo": by_a_person["id"], "text": "well"}, token=a.token)
    assert back["to"] == ["operator"]
    assert [one["text"] for one in (await world.get("/api/messages?unread=true"))["messages"]] == ["well"]


async def test_given_unread_messages_when_they_are_marked_then_they_are_read_and_acknowledged(world: World) -> None:
    ada = await world.register("ada")
    a = await at_work(world, ada)
    ids = [(await world.post("/api/messages", {"to": [ada.id], "text": f"no {n}"}))["id"] for n in range(3)]

    told = await world.post("/api/messages/read", {"ids": ids[:2]}, token=a.token)

    assert told == {"read": 2}
    assert [one["id"] for one in await inbox(world, a.token, "?unread=true")] == ids[2:]
    (delivery,) = (await world.get(f"/api/messages/{ids[0]}"))["deliveries"]
    assert delivery["status"] == "acknowledged"
    assert delivery["acknowledgedAt"] == delivery["readAt"] is not None
    assert (await world.post("/api/messages/read", {"ids": ids[:2]}, token=a.token)) == {"read": 0}


async def test_given_an_agent_when_it_asks_for_what_is_not_its_own_then_it_gets_none_of_it(world: World) -> None:
    ada, bob = await world.register("ada"), await world.register("bob")
    a = await at_work(world, ada)
    secret = await world.post("/api/messages", {"to": [bob.id], "text": "between us"})

    for path, status in (
        (f"/api/messages/{secret['id']}", 404),
        (f"/api/messages?agentId={bob.id}", 403),
        (f"/api/messages?taskId={new_id()}", 403),
    ):
        assert (await world.call("GET", path, token=a.token)).status_code == status
    body = {"replyTo": secret["id"], "text": "I heard that"}
    refused = await world.call("POST", "/api/messages", token=a.token, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknownReference")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": "hi"}, 422, "invalidInput"),
        ({"text": " \n", "broadcast": True}, 422, "invalidInput"),
        ({"text": "hi", "broadcast": True, "channel": "x"}, 422, "invalidInput"),
        ({"text": "hi", "to": ["nobody"]}, 422, "unknownReference"),
        ({"text": "hi", "to": [new_id()]}, 422, "unknownReference"),
        ({"text": "hi", "to": ["user:nobody"]}, 422, "unknownReference"),
        ({"text": "hi", "channel": "nowhere"}, 404, "notFound"),
        ({"text": "hi", "channel": "no where"}, 422, "invalidInput"),
        ({"text": "hi", "broadcast": True, "taskId": new_id()}, 422, "unknownReference"),
        ({"text": "hi", "replyTo": new_id()}, 422, "unknownReference"),
        ({"text": "x" * (TEXT_BYTES + 1), "broadcast": True}, 413, "tooLarge"),
        ({"text": "x" * 10_000_000, "broadcast": True}, 413, "tooLarge"),
    ],
)
async def test_given_a_message_that_cannot_be_when_it_is_posted_then_it_is_refused(
    world: World, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await world.call("POST", "/api/messages", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await world.get("/api/messages"))["messages"] == []


async def test_given_two_of_a_name_when_one_is_written_to_by_it_then_it_is_refused_and_names_both(world: World) -> None:
    twins = [await world.register("bob"), await world.register("Bob")]

    answer = await world.call("POST", "/api/messages", json={"to": ["bob"], "text": "hi"})

    assert answer.status_code == 422
    assert set(answer.json()["error"]["details"]["agents"]) == {twin.id for twin in twins}


async def test_given_the_same_request_when_it_comes_twice_then_it_is_said_once(world: World) -> None:
    ada = await world.register("ada")
    headers = {"idempotency-key": "k1"}
    body = {"to": [ada.id], "text": "once"}

    first = await world.call("POST", "/api/messages", json=body, headers=headers)
    second = await world.call("POST", "/api/messages", json=body, headers=headers)
    other = await world.call("POST", "/api/messages", json={**body, "text": "twice"}, headers=headers)

    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert other.json()["error"]["code"] == "idempotencyMismatch"
    assert len((await world.get("/api/messages"))["messages"]) == 1


async def test_given_a_secret_in_a_text_when_it_is_posted_then_it_is_stored_without_it(world: World) -> None:
    world.app.context.redactor.register(["hunter2-hunter2"])
    ada = await world.register("ada")

    said = await world.post("/api/messages", {"to": [ada.id], "text": "the key is hunter2-hunter2"})

    assert "hunter2" not in (await world.get(f"/api/messages/{said['id']}"))["text"]


async def test_given_more_messages_than_a_page_when_pages_are_followed_then_each_comes_once(world: World) -> None:
    ada = await world.register("ada")
    ids = [(await world.post("/api/messages", {"to": [ada.id], "text": str(n)}))["id"] for n in range(7)]

    seen, cursor = [], ""
    while True:
        page = await world.get(f"/api/messages?limit=3{cursor}")
        seen += [one["id"] for one in page["messages"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"

    assert seen == ids[::-1]


async def test_given_an_instant_when_messages_since_then_are_asked_for_then_earlier_ones_are_left_out(
    world: World,
) -> None:
    ada = await world.register("ada")
    await world.post("/api/messages", {"to": [ada.id], "text": "old"})
    world.clock.advance(60)
    new = await world.post("/api/messages", {"to": [ada.id], "text": "new"})

    found = (await world.get(f"/api/messages?since={new['postedAt']}"))["messages"]

    assert [one["text"] for one in found] == ["new"]


async def test_given_an_agent_that_writes_too_often_when_it_writes_on_in_another_attempt_then_it_is_told_to_wait(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, rate_limits="message=60/m:2") as world:
        ada = await world.register("ada", slots=2)
        first, second = await at_work(world, ada), await at_work(world, ada)
        body = {"broadcast": True, "text": "hi"}
        for claim in (first, second):
            await world.post("/api/messages", body, token=claim.token)

        refused = await world.call("POST", "/api/messages", json=body, token=second.token)

        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rateLimited")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await world.call("POST", "/api/messages", json=body)).status_code == 201


async def test_given_everything_is_stopped_when_somebody_writes_then_it_is_refused_and_what_was_said_is_there(
    world: World,
) -> None:
    ada = await world.register("ada")
    said = await world.post("/api/messages", {"to": [ada.id], "text": "before"})
    await world.post("/api/kill-switch")

    refused = await world.call("POST", "/api/messages", json={"to": [ada.id], "text": "after"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "killed")
    assert [one["id"] for one in (await world.get("/api/messages"))["messages"]] == [said["id"]]


async def test_given_a_channel_name_that_is_taken_when_another_makes_it_then_it_is_refused(world: World) -> None:
    ada = await world.register("ada")
    a = await at_work(world, ada)
    made = await world.post("/api/channels", {"name": "build"})

    again = await world.post("/api/channels", {"name": "build"})
    other = await world.call("POST", "/api/channels", json={"name": "build"}, token=a.token)

    assert again["id"] == made["id"]
    assert (other.status_code, other.json()["error"]["code"]) == (409, "alreadyExists")


async def test_given_a_task_that_nobody_works_on_when_it_is_steered_then_the_message_waits_for_it(world: World) -> None:
    task_id = await world.file("work")

    said = await world.post(f"/api/tasks/{task_id}/steer", {"message": "use tabs", "interrupt": True})

    assert (said["kind"], said["to"], said["interrupt"]) == ("steer", [f"task:{task_id}"], True)
    (delivery,) = (await world.get(f"/api/messages/{said['id']}"))["deliveries"]
    assert delivery["status"] == "queued"


async def test_given_a_task_that_has_ended_when_it_is_steered_then_that_is_refused(world: World) -> None:
    task_id = await world.file("work")
    await world.post(f"/api/tasks/{task_id}/cancel")

    refused = await world.call("POST", f"/api/tasks/{task_id}/steer", json={"message": "too late"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "illegalTransition")


async def test_given_a_lead_agent_when_it_steers_tasks_below_its_own_then_they_hear_it_and_others_do_not(
    world: World,
) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    boss = await at_work(world, lead)
    child = (await world.post("/api/tasks", {"prompt": "a part"}, token=boss.token))["id"]
    grandchild = await world.file("a part of it", parentTaskId=child)
    sibling = await world.file("of others")

    for below in (child, grandchild):
        said = await world.post(f"/api/tasks/{below}/steer", {"message": "use tabs"}, token=boss.token)
        assert (said["sender"], said["to"]) == (f"agent:{lead.id}", [f"task:{below}"])
    for other in (boss.task_id, sibling):
        refused = await world.call("POST", f"/api/tasks/{other}/steer", json={"message": "no"}, token=boss.token)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "denied")


async def test_given_an_agent_that_leads_nobody_when_it_steers_then_it_is_refused_also_below_its_own_task(
    world: World,
) -> None:
    a = await at_work(world, await world.register("ada"))
    child = await world.file("a part", parentTaskId=a.task_id)

    refused = await world.call("POST", f"/api/tasks/{child}/steer", json={"message": "no"}, token=a.token)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "denied")
    assert (await world.get("/api/messages"))["messages"] == []


async def test_given_more_agents_than_a_message_reaches_when_it_is_for_all_or_a_role_then_it_is_refused(
    world: World,
) -> None:
    profiles = [AgentProfile(id=new_id(), role="crowd") for _ in range(RECIPIENTS + 1)]
    await asyncio.gather(*(introduce(world, profile) for profile in profiles))

    for body in ({"broadcast": True, "text": "hi"}, {"broadcast": True, "text": "@crowd"}):
        refused = await world.call("POST", "/api/messages", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "tooLarge")


async def introduce(world: World, profile: AgentProfile) -> None:
    agent = AgentRecord(profile=profile, name="one of many", instance_id=new_id())
    await world.store.apply(IntroduceAgent(agent=agent, actor="operator", origin="elsewhere"))
