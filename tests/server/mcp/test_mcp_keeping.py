"""Notes, values and questions by tools: each with the reach of the caller's token, and no further."""

import asyncio

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.mcp.test_mcp_tools import at_work
from tests.server.world import World, settled

pytestmark = pytest.mark.anyio


async def test_given_a_note_when_it_is_searched_for_then_it_is_found_whole_and_forgotten_when_asked(
    world: World,
) -> None:
    _, claim = await at_work(world)
    text = "The deployment needs the flag --canary."
    kept = await says(world, "memory-store", {"text": text, "name": "deploy", "tags": ["ops"]}, token=claim.token)
    assert "text" not in kept
    found = await says(world, "memory-search", {"query": "deployments flag"}, token=claim.token)
    assert [note["name"] for note in found["notes"]] == ["deploy"]
    assert (await says(world, "memory-get", {"noteId": kept["id"]}, token=claim.token))["text"] == text
    await says(world, "memory-delete", {"noteId": kept["id"]}, token=claim.token)
    assert "notes" not in await says(world, "memory-search", {"query": "flag"}, token=claim.token)


async def test_given_notes_of_an_agent_when_another_looks_then_only_those_of_the_swarm_are_there(world: World) -> None:
    _, ada = await at_work(world, "ada")
    _, bob = await at_work(world, "bob")
    own = await says(world, "memory-store", {"text": "mine alone", "name": "own"}, token=ada.token)
    await says(world, "memory-store", {"text": "for all", "name": "shared", "scope": "swarm"}, token=ada.token)
    found = await says(world, "memory-search", {}, token=bob.token)
    assert [note["name"] for note in found["notes"]] == ["shared"]
    assert (await refuses(world, "memory-get", {"noteId": own["id"]}, token=bob.token))["code"] == "notFound"


async def test_given_values_when_agents_share_them_then_versions_decide_and_counts_add_up(world: World) -> None:
    _, ada = await at_work(world, "ada")
    _, bob = await at_work(world, "bob")
    first = await says(world, "kv-set", {"key": "plan", "value": {"step": 1}, "ifVersion": 0}, token=ada.token)
    taken = await refuses(world, "kv-set", {"key": "plan", "value": 2, "ifVersion": 0}, token=bob.token)
    assert taken["code"] == "conflict"
    assert (await says(world, "kv-get", {"key": "plan"}, token=bob.token))["value"] == {"step": 1}
    for token in (ada.token, bob.token):
        await says(world, "kv-incr", {"key": "done", "by": 2}, token=token)
    listed = await says(world, "kv-list", token=bob.token)
    assert {one["key"]: one["value"] for one in listed["values"]} == {"done": 4, "plan": {"step": 1}}
    await says(world, "kv-delete", {"key": "plan", "ifVersion": first["version"]}, token=bob.token)
    assert (await refuses(world, "kv-get", {"key": "plan"}, token=ada.token))["code"] == "notFound"


async def test_given_values_of_one_task_when_another_agent_reaches_for_them_then_it_is_refused(world: World) -> None:
    ada, claim = await at_work(world, "ada")
    _, bob = await at_work(world, "bob")
    await says(world, "kv-set", {"namespace": "task", "key": "x", "value": 1}, token=claim.token)
    for namespace in (f"task:{claim.task_id}", f"agent:{ada.id}"):
        refused = await refuses(world, "kv-get", {"namespace": namespace, "key": "x"}, token=bob.token)
        assert refused["code"] in ("denied", "notFound")


async def test_given_a_question_when_a_person_answers_while_the_agent_waits_then_it_has_the_answer(
    world: World,
) -> None:
    _, claim = await at_work(world)
    asked = {"title": "Deploy?", "questions": [{"text": "now?"}], "waitSeconds": 40}
    waiting = asyncio.ensure_future(says(world, "request-human-input", asked, token=claim.token))
    async with asyncio.timeout(10):
        while not (open_ones := (await world.get("/api/approvals"))["approvals"]):
            await settled()
    (one,) = open_ones
    await world.post(f"/api/approvals/{one['id']}/answer", {"answers": {"q1": True}})
    async with asyncio.timeout(5):
        said = await waiting
    assert (said["status"], said["answers"]) == ("answered", {"q1": True})
    again = await says(world, "get-human-input", {"approvalId": one["id"], "waitSeconds": 40}, token=claim.token)
    assert again["status"] == "answered"


async def test_given_a_key_when_a_question_is_asked_twice_then_people_see_one(world: World) -> None:
    _, claim = await at_work(world)
    asked = {"title": "Deploy?", "idempotencyKey": "deploy"}
    first = await says(world, "request-human-input", asked, token=claim.token)
    second = await says(world, "request-human-input", {**asked, "waitSeconds": 0.01}, token=claim.token)
    assert first["id"] == second["id"]
    other = await refuses(world, "request-human-input", {**asked, "title": "Other?"}, token=claim.token)
    assert other["code"] == "idempotencyMismatch"


async def test_given_a_question_that_pauses_when_it_is_asked_then_the_answer_comes_at_once_and_the_run_is_stopped(
    world: World,
) -> None:
    _, claim = await at_work(world)
    asked = {"title": "Deploy?", "pause": True, "waitSeconds": 45}
    async with asyncio.timeout(5):
        said = await says(world, "request-human-input", asked, token=claim.token)
    assert said["status"] == "open"
    events = (await world.get(f"/api/events?taskId={claim.task_id}"))["events"]
    assert any(event["type"] == "task.pauseRequested" for event in events)


async def test_given_a_question_of_another_task_when_an_agent_looks_then_there_is_none(world: World) -> None:
    _, ada = await at_work(world, "ada")
    _, bob = await at_work(world, "bob")
    asked = await says(world, "request-human-input", {"title": "Deploy?"}, token=ada.token)
    refused = await refuses(world, "get-human-input", {"approvalId": asked["id"]}, token=bob.token)
    assert refused["code"] == "notFound"
    assert (await says(world, "get-human-input", {"approvalId": asked["id"]}))["title"] == "Deploy?"
