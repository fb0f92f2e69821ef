"""Events: pages, and streams that resume, replay and reset, over a real socket."""

import asyncio
import socket

import pytest
from tests.server.world import API_KEY, Live, World

from agent_swarm.protocol.limits import EVENT_REPLAY
from agent_swarm.server import stream
from agent_swarm.services import tokens
from agent_swarm.store.operations import PutToken, RevokeToken
from agent_swarm.store.records import TokenKind
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def head(world: World) -> int:
    return (await world.store.read(lambda queries: queries.head()))[0]


async def test_given_events_when_they_are_paged_then_all_are_seen_in_order(world: World) -> None:
    for _ in range(5):
        await world.file()

    seen, after = [], 0
    while (page := await world.get("/api/events", params={"after": after, "limit": 2}))["events"]:
        seen += page["events"]
        after = page["nextAfter"]

    assert [event["seq"] for event in seen] == list(range(1, await head(world) + 1))
    created = seen[-1]
    assert (created["type"], created["actor"], created["subject"]["kind"]) == ("task.created", "operator", "task")
    assert created["taskId"] == created["subject"]["id"]
    assert (created["data"]["title"], created["swarm"], created["v"]) == ("do it", None, 1)


async def test_given_filters_when_events_are_paged_then_an_empty_page_still_moves_on(world: World) -> None:
    for _ in range(4):
        await world.file()
    last = await world.file()

    page = await world.get("/api/events", params={"taskId": last, "types": "task.created,task.failed", "limit": 2})

    assert page == {"events": [], "nextAfter": 2}
    rest = await world.get("/api/events", params={"taskId": last, "after": 2})
    assert [event["taskId"] for event in rest["events"]] == [last]


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={2**63}", "limit=0", "taskId=x", "tasks=1"])
async def test_given_a_bad_parameter_when_events_are_read_then_it_is_refused(world: World, query: str) -> None:
    assert (await world.call("GET", f"/api/events?{query}")).status_code == 422


async def test_given_an_open_stream_when_something_happens_then_it_is_told_with_its_seq_as_id(live: Live) -> None:
    async with live.events() as messages:
        first = await live.world.file("one")
        second = await live.world.file("two")

        told = await messages.take(2)

    assert [message["data"]["taskId"] for message in told] == [first, second]
    assert [int(message["id"]) for message in told] == [message["data"]["seq"] for message in told]
    assert "event" not in told[0]


async def test_given_a_client_that_comes_back_when_it_tells_its_last_id_then_nothing_is_missed_or_repeated(
    live: Live,
) -> None:
    async with live.events() as messages:
        await live.world.file("one")
        last = (await messages.next())["id"]
    missed = [await live.world.file(f"missed {number}") for number in range(2 * stream.REPLAY_EVENTS + 3)]

    async with live.events(last_event_id=last) as messages:
        replayed = await messages.take(len(missed))
        new = await live.world.file("new")
        then = await messages.next()

    assert [message["data"]["taskId"] for message in replayed] == missed
    assert then["data"]["taskId"] == new


async def test_given_a_client_that_was_away_too_long_when_it_comes_back_then_it_has_to_read_anew(live: Live) -> None:
    ring = live.world.app.context.ring
    await live.world.file("one")
    for _ in range(3):
        tasks = [{"prompt": "p"}] * 1000
        await live.world.post("/api/tasks/batch", {"tasks": tasks})
    ring.head += EVENT_REPLAY  # as if so many more had happened; the table is not asked

    async with live.events(last_event_id="1") as messages:
        reset = await messages.next()

    assert (reset["event"], reset["id"], reset["data"]["type"]) == ("reset", str(ring.head), "reset")


async def test_given_an_id_of_another_database_when_it_is_told_then_the_client_has_to_read_anew(live: Live) -> None:
    async with live.events(last_event_id="123456789") as messages:
        assert (await messages.next())["event"] == "reset"
        task_id = await live.world.file()
        assert (await messages.next())["data"]["taskId"] == task_id


async def test_given_filters_when_events_are_streamed_then_only_those_are_told_live_and_replayed(live: Live) -> None:
    wanted = await live.world.file("wanted")
    await live.world.file("other")
    query = f"?taskId={wanted}&types=task.created,task.cancelled&after=0"

    async with live.events(query=query) as messages:
        await live.world.file("another")
        await live.world.post(f"/api/tasks/{wanted}/cancel")
        told = await messages.take(2)

    assert [message["data"]["type"] for message in told] == ["task.created", "task.cancelled"]


async def test_given_many_clients_when_something_happens_then_all_are_told_the_same_bytes_once_encoded(
    live: Live,
) -> None:
    async def follow() -> list[str]:
        async with live.events() as messages:
            ready.release()
            return [message["id"] for message in await messages.take(5)]

    ready = asyncio.Semaphore(0)
    followers = [asyncio.create_task(follow()) for _ in range(20)]
    for _ in followers:
        await ready.acquire()
    for number in range(5):
        await live.world.file(f"t{number}")

    told = await asyncio.gather(*followers)

    assert all(ids == told[0] for ids in told)
    ring = live.world.app.context.ring
    await until(lambda: not ring._followers)
    assert not ring._events


async def test_given_an_open_stream_when_time_passes_then_there_is_a_sign_of_life(live: Live) -> None:
    ring = live.world.app.context.ring
    async with live.events() as messages:
        ring._give_beat()  # 15 s have passed
        await messages.comment("heartbeat")


async def test_given_an_open_stream_when_its_token_is_revoked_then_it_ends_at_the_next_sign_of_life(live: Live) -> None:
    world = live.world
    minted = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="ci")
    await world.store.apply(PutToken(token=minted.record))
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {minted.text}"}
    async with live.client.stream("GET", f"{live.url}/api/events", headers=headers, timeout=20) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == ": connected"
        await world.store.apply(RevokeToken(token_id=minted.record.id, actor="operator"))
        world.app.context.ring._give_beat()

        rest = [line async for line in lines]

    assert "event" not in "".join(rest)


async def test_given_streams_and_long_polls_when_the_server_stops_then_they_end_at_once(live: Live) -> None:
    world = live.world
    await world.file()
    attempt = await world.take(await world.register())
    poll = f"{live.url}/api/tasks/{attempt.task_id}/attempts/1/transcript?waitSeconds=25"
    async with live.events() as messages:
        following = asyncio.create_task(
            live.client.get(poll, headers={"authorization": f"Bearer {API_KEY}"}, timeout=20)
        )
        in_flight = world.app.context.metrics.in_flight
        await until(lambda: in_flight._value.get() == 2)

        live.server.stop()

        assert await messages.ended()
        assert (await following).json()["ended"] is False


@pytest.mark.slow
async def test_given_a_client_that_does_not_read_when_much_happens_then_nothing_piles_up_and_it_is_reset(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = live.world
    host, port = live.url.removeprefix("http://").split(":")
    ring = world.app.context.ring
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (host, int(port)))
        headers = f"Host: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {API_KEY}\r\n"
        await loop.sock_sendall(slow, f"GET /api/events HTTP/1.1\r\n{headers}\r\n".encode())
        await until(lambda: ring._followers)
        for connection in live.server.server_state.connections:  # the kernel must not take it all
            sending = connection.transport.get_extra_info("socket")
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)

        for _ in range(8):
            tasks = [{"prompt": "p", "title": "t" * 200}] * 1000
            await world.post("/api/tasks/batch", {"tasks": tasks})

        assert len(ring._events) <= 4096
        buffered = sum(
            connection.transport.get_write_buffer_size() for connection in live.server.server_state.connections
        )
        assert buffered <= 2 * 256 * 1024 + 65536

        monkeypatch.setattr(stream, "EVENT_REPLAY", 500)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        received = b""
        async with asyncio.timeout(20):
            while b"event: reset" not in received:  # more happened than is told again: it reads the state anew
                received = received[-64:] + await loop.sock_recv(slow, 65536)
        assert world.app.context.metrics.resets._value.get() == 1
    await until(lambda: not ring._followers)
