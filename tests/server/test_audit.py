"""`/api/audit`: who did what, signed checkpoints, whether the history is whole; and where checkpoints go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.server.world import API_KEY, World, opened

from agent_swarm.audit.checkpoints import parse
from agent_swarm.audit.ledger import Ledger
from agent_swarm.audit.publishing import NotPublished, Place, Publisher
from agent_swarm.domain.matching import AgentRole
from agent_swarm.services import tokens
from agent_swarm.store.operations import PutToken, RevokeToken
from agent_swarm.store.records import TokenKind

pytestmark = pytest.mark.anyio


async def test_given_a_server_that_starts_when_its_folder_is_looked_at_then_a_checkpoint_is_there(
    world: World, tmp_path: Path
) -> None:
    await world.post("/api/audit/checkpoint")
    first = parse(next(Ledger(tmp_path / "audit" / "checkpoints.jsonl").lines()))

    key = await world.get("/api/audit/key")
    assert (first.number, first.key_id) == (1, key["keyId"])
    assert first.introduces is not None and first.introduces.text == key["publicKey"]


async def test_given_events_of_several_actors_when_the_log_is_filtered_then_only_those_are_shown(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file("first")
    await world.file("second")
    await world.take(ada)

    async def found(query: str) -> list[tuple[str, str]]:
        page = await world.get(f"/api/audit/events?{query}")
        return [(event["type"], event["actor"]) for event in page["events"]]

    assert (await found("limit=1"))[0][0] == "task.started"
    assert await found(f"actor=agent:{ada.id}&types=task.claimed") == [("task.claimed", f"agent:{ada.id}")]
    assert {actor for _, actor in await found("actor=operator")} == {"operator"}
    assert [kind for kind, _ in await found("types=task.*&actor=operator")] == ["task.created", "task.created"]
    assert [kind for kind, _ in await found(f"taskId={task_id}&types=task.created")] == ["task.created"]
    assert await found("actor=nobody") == []


async def test_given_a_long_log_when_its_pages_are_followed_then_every_event_comes_once_newest_first(
    world: World,
) -> None:
    for number in range(7):
        world.clock.advance(60)
        await world.file(f"task {number}")
    seen: list[int] = []
    query = "limit=3&types=task.created"
    page = await world.get(f"/api/audit/events?{query}")
    while True:
        seen += [event["seq"] for event in page["events"]]
        if page["nextCursor"] is None:
            break
        page = await world.get(f"/api/audit/events?{query}&cursor={page['nextCursor']}")
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)

    at = (await world.get("/api/audit/events?types=task.created&limit=3"))["events"][-1]["at"]
    since = await world.get(f"/api/audit/events?types=task.created&since={at}")
    until = await world.get(f"/api/audit/events?types=task.created&until={at}")
    assert (len(since["events"]), len(until["events"])) == (3, 4)


async def test_given_a_time_that_is_none_when_the_log_is_asked_for_then_it_is_refused(world: World) -> None:
    for path in ("/api/audit/events?since=yesterday", "/api/audit/events?until=9999-12-31T23:59:59-12:00"):
        answer = await world.call("GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalidInput")


async def test_given_a_history_when_it_is_verified_in_parts_then_they_meet_and_are_whole(world: World) -> None:
    for number in range(10):
        await world.file(f"task {number}")
    await world.post("/api/audit/checkpoint")
    following: int | None = 1
    parts = []
    while following is not None:
        parts.append(await world.get(f"/api/audit/verify?fromSeq={following}&limit=4"))
        following = parts[-1]["nextSeq"]

    assert all(part["whole"] for part in parts)
    assert [part["fromSeq"] for part in parts] == [1, 5, 9]
    assert parts[-1]["toSeq"] == parts[-1]["headSeq"] == 12
    assert max(part["signedSeq"] for part in parts) == 11


async def test_given_an_event_that_was_tampered_with_when_the_history_is_verified_then_it_is_named(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as world:
        for number in range(5):
            await world.file(f"task {number}")
        history = world.store._engine.history  # type: ignore[attr-defined]  # a store in memory
        history[2] = history[2]._replace(actor="somebody else")

        found = await world.get("/api/audit/verify")
    assert (found["whole"], [one["seq"] for one in found["findings"]]) == (False, [3])


async def test_given_a_key_when_it_is_replaced_then_the_next_one_signs_and_is_introduced(world: World) -> None:
    before = await world.get("/api/audit/key")
    made = await world.post("/api/audit/key")
    after = await world.get("/api/audit/key")

    assert (made["keyId"], made["introduces"]) == (before["keyId"], after["publicKey"])
    assert (await world.post("/api/audit/checkpoint"))["keyId"] == after["keyId"]
    newest = (await world.get("/api/audit/checkpoints?limit=2"))["checkpoints"]
    assert [one["number"] for one in newest] == [4, 3]
    assert (await world.get("/api/audit/verify"))["whole"]
    assert (await world.call("POST", "/api/audit/key", json={"publicKey": "0" * 64})).status_code == 422


async def test_given_archived_events_when_a_stream_comes_back_from_before_them_then_it_is_told_to_begin_anew(
    tmp_path: Path,
) -> None:
    from tests.server.world import served

    async with opened(tmp_path) as world, served(world) as live:
        for number in range(5):
            await world.file(f"task {number}")
        await world.post("/api/audit/checkpoint")
        world.clock.advance(1)
        before = "2100-01-01T00:00:00Z"
        archived = (await world.post("/api/audit/archive", {"before": before}))["archived"]
        assert archived["fromSeq"] == 1
        assert (await world.post("/api/audit/archive", {"before": "2000-01-01T00:00:00Z"}))["archived"] is None

        async with live.events(last_event_id="1") as messages:
            assert (await messages.next())["event"] == "reset"
        assert (await world.get("/api/audit/verify"))["whole"]
        assert (await world.get("/api/audit/events"))["events"][0]["type"] == "audit.archived"


async def test_given_every_kind_of_token_and_work_when_events_are_looked_at_then_no_secret_is_in_them(
    world: World,
) -> None:
    worker = await world.register("worker")
    lead = await world.register("lead", role=AgentRole.LEAD)
    secret = "sk-ant-api03-" + "a1B2" * 20
    await world.file(secret, title=f"say {secret}")
    claim = await world.take(worker)
    await world.call("POST", f"/api/tasks/{claim.task_id}/progress", token=claim.token, json={"text": secret})
    await world.complete(claim)
    minted = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="second")
    await world.store.apply(PutToken(token=minted.record))
    await world.store.apply(PutToken(token=tokens.api_key_token("another-key-of-the-tests", now=world.store.now())))
    await world.store.apply(RevokeToken(token_id=minted.record.id, actor="operator"))

    rows = await world.store.read(lambda queries: queries.event_rows(0, limit=1000))
    text = json.dumps(rows)
    secrets = (API_KEY, "another-key-of-the-tests", worker.token, lead.token, claim.token, minted.text)
    for value in (*secrets, *(value.split("_", 3)[3] for value in secrets[2:])):  # a secret may hold underscores, too
        assert value not in text
        assert tokens.hash_token(value) not in text
    created = [json.loads(row[9]) for row in rows if row[2] == "token.created"]
    assert created[-1] == {"kind": "operator", "label": "api-key", "replaced": True}


# --- where checkpoints go ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def receiver(answers: list[int]) -> AsyncIterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """An HTTP server that keeps what it is sent, and answers with these codes, then with 200."""
    kept: list[tuple[str, str, bytes]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:"))
        assert "Authorization: Bearer a-token" in head
        kept.append((method, path, await reader.readexactly(length)))
        code = answers.pop(0) if answers else 200
        writer.write(f"HTTP/1.1 {code} x\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", kept


@pytest.mark.parametrize(("path", "method"), [("/in", "POST"), ("/bucket/{number}.json?x=1", "PUT")])
async def test_given_a_place_for_checkpoints_when_it_refuses_at_first_then_each_arrives_in_order_and_is_sent_no_more(
    world: World, tmp_path: Path, path: str, method: str
) -> None:
    for _ in range(2):
        await world.post("/api/audit/checkpoint")
    ledger = Ledger(tmp_path / "audit" / "checkpoints.jsonl")
    lines = [line + b"\n" for line in ledger.lines()]
    async with receiver([503]) as (url, kept):
        publisher = Publisher(ledger, Place(url + path, "a-token").send)
        with pytest.raises(NotPublished, match="answered 503"):
            await asyncio.to_thread(publisher.run)
        assert not await asyncio.to_thread(publisher.run)
        assert not await asyncio.to_thread(publisher.run)

    assert [content for _, _, content in kept] == [lines[0], *lines]
    assert {verb for verb, _, _ in kept} == {method}
    assert kept[-1][1] == path.replace("{number}", str(len(lines)))


async def test_given_an_address_with_a_secret_when_it_is_told_then_the_secret_is_not() -> None:
    place = Place("https://example.com/in?sig=secret", "a-token")
    assert place.shown == "https://example.com/in"
    assert "secret" not in repr(place) and "a-token" not in repr(place)
