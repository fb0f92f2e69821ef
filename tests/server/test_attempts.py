"""Attempts and their transcripts over REST."""

import asyncio

import pytest
from tests.server.world import Claim, World, settled

from agent_swarm.domain.ids import new_id

pytestmark = pytest.mark.anyio


def line(text: str) -> dict[str, object]:
    return {"at": "2026-11-20T18:44:35.000Z", "kind": "text", "data": {"text": text}}


def path_of(attempt: Claim) -> str:
    return f"/api/tasks/{attempt.task_id}/attempts/{attempt.attempt}/transcript"


async def append(world: World, attempt: Claim, first: int, *texts: str) -> None:
    transcripts = world.app.context.transcripts
    lines = [line(text) for text in texts]
    await transcripts.append(attempt.task_id, attempt.attempt, first, lines, now=world.store.now())


async def test_given_several_tries_when_they_are_listed_then_each_tells_how_it_ended(world: World) -> None:
    task_id = await world.file()
    ada = await world.register("ada")
    await world.take(ada)
    await world.register("ada", agent_id=ada.id)
    await world.complete(await world.take(world.agents[ada.id]), "well done")

    attempts = (await world.get(f"/api/tasks/{task_id}/attempts"))["attempts"]

    assert [(attempt["number"], attempt["outcome"]) for attempt in attempts] == [(1, "lost"), (2, "completed")]
    assert attempts[1]["message"] == "well done"
    assert attempts[0]["agentId"] == ada.id


async def test_given_a_transcript_when_it_is_read_in_pieces_then_every_line_is_seen_and_the_end_is_told(
    world: World,
) -> None:
    await world.file()
    attempt = await world.take(await world.register())
    await append(world, attempt, 0, "one", "two", "three")

    first = await world.get(path_of(attempt), params={"limit": 2})
    rest = await world.get(path_of(attempt), params={"after": first["next"]})
    assert [entry["data"]["text"] for entry in first["lines"] + rest["lines"]] == ["one", "two", "three"]
    assert (first["ended"], rest["ended"], rest["next"]) == (False, False, 3)

    await world.complete(attempt)
    assert (await world.get(path_of(attempt), params={"limit": 2}))["ended"] is False
    assert (await world.get(path_of(attempt), params={"after": 3}))["ended"] is True


async def test_given_someone_who_follows_when_a_line_comes_then_it_is_answered_at_once(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    following = asyncio.create_task(world.get(path_of(attempt), params={"waitSeconds": 25}))
    await settled()
    assert not following.done()
    await append(world, attempt, 0, "news")

    assert [entry["data"]["text"] for entry in (await following)["lines"]] == ["news"]


async def test_given_someone_who_follows_when_the_attempt_ends_then_the_end_is_told_at_once(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    following = asyncio.create_task(world.get(path_of(attempt), params={"waitSeconds": 25}))
    await settled()
    await world.complete(attempt)

    assert await following == {"lines": [], "next": 0, "ended": True}


async def test_given_someone_who_follows_when_the_server_stops_then_the_wait_is_over(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    following = asyncio.create_task(world.get(path_of(attempt), params={"waitSeconds": 25}))
    await settled()
    world.app.context.stopping.set()

    assert await following == {"lines": [], "next": 0, "ended": False}


async def test_given_nothing_new_when_the_wait_is_over_then_the_answer_is_empty(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    assert (await world.get(path_of(attempt), params={"waitSeconds": 0.01}))["lines"] == []


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=201", "waitSeconds=26", "waitSeconds=nan"])
async def test_given_a_bad_parameter_when_a_transcript_is_read_then_it_is_refused(world: World, query: str) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    assert (await world.call("GET", f"{path_of(attempt)}?{query}")).status_code == 422


async def test_given_no_such_attempt_when_its_transcript_is_read_then_it_is_not_found(world: World) -> None:
    task_id = await world.file()

    for path in (f"/api/tasks/{task_id}/attempts/1", f"/api/tasks/{new_id()}/attempts/1", "/api/tasks/x/attempts/1"):
        assert (await world.call("GET", f"{path}/transcript?waitSeconds=5")).status_code == 404
    assert (await world.call("GET", f"/api/tasks/{task_id}/attempts/0/transcript")).status_code == 422
