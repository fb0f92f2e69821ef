"""Offers at the faces: who may answer, what is shown, and that agents take what they have a slot for."""

from dataclasses import replace

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import RegisteredAgent, World

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.offers import OfferPolicy
from agent_swarm.server.offers import OfferTaking
from agent_swarm.services import tokens
from agent_swarm.store.operations import RegisterAgent
from agent_swarm.store.records import TokenKind

pytestmark = pytest.mark.anyio


async def asking(
    world: World, name: str = "ada", *, offers: OfferPolicy = OfferPolicy.ASK, agent: RegisteredAgent | None = None
) -> RegisteredAgent:
    """An agent for which somebody has to answer what it is offered, or which takes it."""
    agent = agent or await world.register(name)
    record = await world.store.read(lambda queries: queries.agent(agent.id))
    assert record is not None
    minted = tokens.mint(TokenKind.AGENT, now=world.store.now(), agent_id=agent.id, instance_id=agent.instance_id)
    await world.store.apply(RegisterAgent(agent=replace(record, offers=offers), token=minted.record))
    return replace(agent, token=minted.text)


async def status(world: World, task_id: str) -> str:
    found: str = (await world.get(f"/api/tasks/{task_id}"))["status"]
    return found


async def test_given_a_pending_task_when_it_is_offered_and_rejected_then_who_said_what_is_shown(world: World) -> None:
    ada = await asking(world)
    task_id = await world.file()
    shown = await world.post(f"/api/tasks/{task_id}/offer", {"agentId": ada.id, "ttlSeconds": 30})
    assert shown["status"] == "offered"
    explained = await world.get(f"/api/tasks/{task_id}/explain")
    assert [reason["code"] for reason in explained["reasons"]] == ["offered"]
    assert "agent ada is asked until" in explained["summary"]
    await world.post(f"/api/tasks/{task_id}/reject", {"reason": "busy"}, token=ada.token)
    task = await world.get(f"/api/tasks/{task_id}")
    [offer] = task["offers"]
    assert (task["status"], offer["status"], offer["reason"], offer["settledBy"]) == (
        "pending",
        "rejected",
        "busy",
        f"agent:{ada.id}",
    )


async def test_given_a_task_that_is_filed_for_an_agent_when_it_accepts_then_that_is_explained(world: World) -> None:
    ada = await asking(world)
    task_id = await world.file(offerTo=ada.id, offerSeconds=5)
    assert await status(world, task_id) == "offered"
    await world.post(f"/api/tasks/{task_id}/accept", token=ada.token)
    explained = await world.get(f"/api/tasks/{task_id}/explain")
    assert "accepted" in [reason["code"] for reason in explained["reasons"]]
    assert (await world.take(ada)).task_id == task_id


async def test_given_an_attempt_of_the_agent_when_it_answers_then_it_counts_as_the_agents(world: World) -> None:
    ada, bob = await asking(world), await asking(world, "bob")
    await world.file("the work at hand")
    working = await world.take(ada)
    task_id = await world.file(offerTo=ada.id)
    await world.file("of another one")
    other = await world.take(bob)
    refused = await world.call("POST", f"/api/tasks/{task_id}/accept", token=other.token, json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "notOnOffer")
    denied = await world.call("POST", f"/api/tasks/{task_id}/accept", token=other.token, json={"agentId": ada.id})
    assert denied.status_code == 403
    await world.post(f"/api/tasks/{task_id}/accept", token=working.token)
    assert await status(world, task_id) == "pending"


async def test_given_an_attempt_when_it_answers_by_the_tool_then_it_may_do_that_and_nothing_else(world: World) -> None:
    ada = await asking(world)
    await world.file("the work at hand")
    working = await world.take(ada)
    task_id = await world.file(offerTo=ada.id)
    refused = await refuses(world, "task-action", {"taskId": task_id, "action": "to-backlog"}, token=working.token)
    assert refused["code"] == "denied"
    told = {"taskId": task_id, "action": "reject", "reason": "not mine"}
    assert (await says(world, "task-action", told, token=working.token))["status"] == "pending"
    [offer] = (await world.get(f"/api/tasks/{task_id}"))["offers"]
    assert (offer["status"], offer["reason"]) == ("rejected", "not mine")


@pytest.mark.parametrize("field", [{"backlog": True}, {"startAt": "2099-01-01T00:00:00Z"}, {"agentId": new_id()}])
async def test_given_a_task_that_waits_when_it_is_filed_with_an_offer_then_the_field_is_named(
    world: World, field: dict[str, object]
) -> None:
    ada = await asking(world)
    sent = {"prompt": "p", "offerTo": ada.id, **field}
    if "agentId" in field:
        sent["agentId"] = ada.id
    refused = await world.call("POST", "/api/tasks", json=sent)
    assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (422, "offerTo")


async def test_given_a_reason_with_a_token_when_an_offer_is_rejected_then_the_token_is_not_kept(world: World) -> None:
    ada = await asking(world)
    task_id = await world.file(offerTo=ada.id)
    await world.post(f"/api/tasks/{task_id}/reject", {"reason": f"see {ada.token}"}, token=ada.token)
    assert ada.token not in str(await world.get(f"/api/tasks/{task_id}"))


async def test_given_an_agent_that_takes_offers_when_it_has_a_slot_then_it_accepts_and_not_more_than_that(
    world: World,
) -> None:
    ada = await asking(world, offers=OfferPolicy.ACCEPT)
    first, second = await world.file(offerTo=ada.id), await world.file(offerTo=ada.id)
    taking = OfferTaking(world.store)
    await taking.run_once()
    await taking.run_once()
    assert (await status(world, first), await status(world, second)) == ("pending", "offered")
    claim = await world.take(ada)
    assert claim.task_id == first
    await taking.run_once()
    assert await status(world, second) == "offered"
    await world.complete(claim)
    await taking.run_once()
    assert await status(world, second) == "pending"


async def test_given_agents_that_ask_are_gone_or_are_killed_when_offers_are_looked_at_then_none_is_accepted(
    world: World,
) -> None:
    asks = await asking(world, "asks")
    gone = await asking(world, "gone", offers=OfferPolicy.ACCEPT)
    stopped = await asking(world, "stopped", offers=OfferPolicy.ACCEPT)
    await world.sign_off(gone)
    await world.post("/api/kill-switch", {"scope": "agent", "id": stopped.id})
    tasks = [await world.file(offerTo=agent.id) for agent in (asks, gone, stopped)]
    await OfferTaking(world.store).run_once()
    assert [await status(world, task_id) for task_id in tasks] == ["offered"] * 3


async def test_given_an_offer_that_ran_out_when_offers_are_looked_at_then_it_is_not_accepted(world: World) -> None:
    ada = await asking(world)
    task_id = await world.file(offerTo=ada.id, offerSeconds=1)
    world.clock.advance(2)
    await asking(world, offers=OfferPolicy.ACCEPT, agent=ada)
    await OfferTaking(world.store).run_once()
    assert (await world.get(f"/api/tasks/{task_id}"))["offers"][0]["status"] != "accepted"


async def test_given_two_servers_when_both_accept_for_an_agent_then_one_repeats_the_other(world: World) -> None:
    ada = await asking(world, offers=OfferPolicy.ACCEPT)
    task_id = await world.file(offerTo=ada.id)
    one, other = OfferTaking(world.store), OfferTaking(world.store)
    await one.run_once()
    await other.run_once()
    events = await world.get("/api/audit/events?limit=200")
    accepted = [event for event in events["events"] if event["type"] == "task.offerAccepted"]
    assert [event["taskId"] for event in accepted] == [task_id]
