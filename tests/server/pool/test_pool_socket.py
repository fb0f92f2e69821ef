"""A worker on its socket: what it is pushed, and what becomes of the connection."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.server.pool.house import API_KEY, House, Peer, frame, hello, within
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.protocol.limits import FRAME_BYTES
from agent_swarm.protocol.pool import CLOSE_PROTOCOL, CLOSE_SUPERSEDED, CLOSE_UNAUTHENTICATED, Frame
from agent_swarm.server.pool import socket
from agent_swarm.services.agents import get_agent
from agent_swarm.store.operations import ChangeAgentProfile, ClaimTask, Heartbeat, RevokeToken

pytestmark = pytest.mark.anyio


async def test_given_a_credit_when_a_task_is_created_then_it_is_pushed_with_a_token_that_counts(house: House) -> None:
    peer = await house.peer()
    [claim_id] = await peer.credit()
    task_id = await house.create(prompt="say hi", harness="shell", labels=("docs",), timeout=60_000_000)
    claim = await peer.claim()
    assert (claim.claim_id, claim.task_id, claim.attempt, claim.fence) == (claim_id, task_id, 1, 1)
    assert (claim.prompt, claim.harness, claim.labels, claim.timeout_seconds) == ("say hi", "shell", ("docs",), 60)
    assert await house.is_known(claim.token)


async def test_given_a_ready_task_when_a_credit_comes_then_it_is_pushed_at_once(house: House) -> None:
    task_id = await house.create()
    peer = await house.peer(credits=1)
    assert (await peer.claim()).task_id == task_id


async def test_given_instructions_for_an_agent_when_it_claims_then_they_come_along(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit()
    fields = {"instructions": "be brief"}
    await house.store.apply(ChangeAgentProfile(agent_id=worker.agent_id, expected=0, actor="operator", fields=fields))
    await house.create()
    assert (await peer.claim()).instructions == "be brief"


async def test_given_project_dependency_and_earlier_attempt_when_a_task_is_claimed_then_all_of_them_are_told(
    house: House,
) -> None:
    peer = await house.peer(credits=3)
    upstream = await house.create()
    first = await peer.run()
    where = {"session": "s-1", "branch": "swarm/1", "commit": "abc"}
    await peer.request("complete", task_id=upstream, fence=first.fence, text="drawn", **where)
    project = await house.project()
    task_id = await house.create(after=[upstream], project_id=project)
    second = await peer.run()
    await peer.request("fail", task_id=task_id, fence=second.fence, failure="agent", message="no luck", session="s-2")
    await house.lapse()
    third = await peer.claim()
    assert third.project is not None
    assert (third.project.id, third.project.default_branch) == (project, "main")
    [dependency] = third.dependencies
    assert (dependency.task_id, dependency.text, dependency.branch, dependency.commit) == (
        upstream,
        "drawn",
        "swarm/1",
        "abc",
    )
    assert third.previous is not None
    assert (third.previous.number, third.previous.outcome, third.previous.session) == (1, "failed", "s-2")
    assert third.previous.message == "no luck"


# --- lost answers ----------------------------------------------------------------------------------------------------


async def test_given_an_answer_lost_with_its_connection_when_the_worker_comes_back_then_it_gets_the_same_attempt(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    house.store.halt(back=(ClaimTask,))
    [claim_id] = await peer.credit()
    task_id = await house.create()
    held = await house.until_claimed(task_id)
    await peer.vanish()
    house.store.go_on()
    again = await house.connect(worker, claim_ids=[claim_id])
    claim = await again.claim()
    assert (claim.task_id, claim.attempt, claim.fence) == (task_id, 1, held.state.fence)
    assert await house.is_known(claim.token)
    await again.request("start", task_id=task_id, fence=claim.fence)


async def test_given_an_answer_sent_and_not_received_when_the_worker_comes_back_then_it_is_sent_again(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    [claim_id] = await peer.credit()
    task_id = await house.create()
    first = await peer.claim()
    await peer.vanish()  # before it could note down what it got
    again = await house.connect(worker, claim_ids=[claim_id])
    second = await again.claim()
    assert (second.task_id, second.fence, second.attempt) == (task_id, first.fence, first.attempt)
    assert second.token != first.token
    assert await house.is_known(second.token)


async def test_given_a_claim_that_ended_meanwhile_when_the_worker_asks_for_it_then_its_credit_is_refused(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    [claim_id] = await peer.credit()
    task_id = await house.create()
    await peer.claim()
    await peer.vanish()
    await house.cancel(task_id)
    again = await house.connect(worker, claim_ids=[claim_id])
    await house.create()
    stray = await within(again.strays.get())
    assert (stray.id, stray.body["error"]["code"]) == (claim_id, "staleLease")
    assert stray.body["error"]["details"]["claimId"] == claim_id


async def test_given_an_open_credit_when_the_worker_comes_back_with_it_then_it_still_waits(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    [claim_id] = await peer.credit()
    await peer.vanish()
    again = await house.connect(worker, claim_ids=[claim_id])
    task_id = await house.create()
    assert (await again.claim()).task_id == task_id


async def test_given_a_live_socket_when_its_process_connects_again_then_it_is_closed_but_not_as_superseded(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    claim_ids = await peer.credit()
    again = await house.connect(worker, claim_ids=claim_ids)
    assert await peer.closed() == socket.CLOSE_NORMAL
    task_id = await house.create()
    assert (await again.claim()).task_id == task_id


async def test_given_held_leases_when_the_worker_greets_then_they_are_renewed_and_stale_ones_are_named(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit(2)
    kept, lost = await house.create(), await house.create()
    claims = [await peer.run(), await peer.run()]
    await house.cancel(lost)
    await peer.vanish()
    again = await house.dial(worker.token)
    held = [(claim.task_id, claim.fence) for claim in claims]
    reply = await again.request("hello", **hello(worker, held=held))
    assert reply["lease_seconds"] == 30
    assert {lease["task_id"]: (lease["status"], lease["wants"]) for lease in reply["leases"]} == {
        kept: ("ok", ""),
        lost: ("stale", "cancel"),
    }


# --- commands --------------------------------------------------------------------------------------------------------


async def test_given_a_running_task_when_it_is_cancelled_then_its_worker_is_told_at_once(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    await house.cancel(task_id)
    command = await within(peer.commands.get())
    assert (command.kind, command.task_id, command.fence) == ("cancel", task_id, claim.fence)
    reply = await peer.request("heartbeat", leases=[{"task_id": task_id, "fence": claim.fence}])
    assert reply["leases"] == [{"task_id": task_id, "fence": claim.fence, "status": "stale", "wants": "cancel"}]
    refusal = await peer.refused("complete", task_id=task_id, fence=claim.fence, text="too late")
    assert refusal["code"] == "staleLease"


async def test_given_a_running_task_when_a_pause_is_asked_for_then_its_worker_is_told_and_pauses(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    lease = {"task_id": task_id, "fence": claim.fence}
    await house.request_pause(task_id)
    command = await within(peer.commands.get())
    assert (command.kind, command.fence) == ("pause", claim.fence)
    assert (await peer.request("heartbeat", leases=[lease]))["leases"][0]["wants"] == "pause"
    await peer.request("pause", **lease, reason="person", session="s-1")
    assert (await house.task(task_id)).state.status is TaskStatus.PAUSED


async def test_given_a_withdrawal_when_a_credit_has_a_claim_already_then_the_reply_names_it(house: House) -> None:
    peer = await house.peer()
    claim_ids = await peer.credit(2)
    await house.create()
    claim = await peer.claim()
    assert await peer.request("withdraw", claim_ids=claim_ids) == {"claimed": [claim.claim_id]}
    await house.create()
    assert house.pool.dispatcher.waiting == 0


async def test_given_a_withdrawal_to_rest_when_agents_are_asked_for_then_it_is_known_until_when_and_of_that_process(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    claim_ids = await peer.credit()
    for _ in range(2):  # the second time on a new connection
        await peer.request("withdraw", claim_ids=claim_ids, rest_seconds=60, reason="rateLimit")
    await house.create()
    assert house.pool.dispatcher.waiting == 0

    now = house.time()
    agent = await house.store.read(get_agent(worker.agent_id, now=now))
    assert (agent.resting_until, agent.resting_reason) == (to_wire(now + 60 * SECOND), "rateLimit")
    told = await house.store.read(lambda queries: queries.events_after(0, limit=1_000))
    assert [dict(event.data) for event in told if event.type == "agent.resting"] == [
        {"reason": "rateLimit", "until": to_wire(now + 60 * SECOND)}
    ]
    later = await house.store.read(get_agent(worker.agent_id, now=now + 60 * SECOND))
    assert later.resting_until is None
    await house.register(agent_id=worker.agent_id)
    restarted = await house.store.read(get_agent(worker.agent_id, now=now))
    assert restarted.resting_until is None


# --- the end of a connection -----------------------------------------------------------------------------------------


async def test_given_a_socket_when_a_newer_process_of_the_agent_registers_then_it_is_closed_as_superseded(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await house.register(agent_id=worker.agent_id)
    assert await peer.closed() == CLOSE_SUPERSEDED


async def test_given_a_socket_when_its_token_is_revoked_then_it_is_closed(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    [token] = [token for token in await house.store.read(lambda q: q.tokens()) if token.agent_id == worker.agent_id]
    await house.store.apply(RevokeToken(token_id=token.id, actor="operator"))
    assert await peer.closed() == CLOSE_UNAUTHENTICATED


async def test_given_a_token_revoked_during_the_greeting_then_the_socket_is_closed(house: House) -> None:
    worker = await house.register()
    peer = await house.dial(worker.token)
    [token] = [token for token in await house.store.read(lambda q: q.tokens()) if token.agent_id == worker.agent_id]
    await house.store.apply(RevokeToken(token_id=token.id, actor="operator"))
    await peer.send("hello", **hello(worker))
    assert await peer.closed() == CLOSE_UNAUTHENTICATED


async def test_given_a_goodbye_when_it_is_answered_then_the_socket_is_closed_and_the_agent_is_offline(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    assert await peer.request("bye") == {}
    assert await peer.closed() == socket.CLOSE_NORMAL
    agent = await house.store.read(lambda queries: queries.agent(worker.agent_id))
    assert agent is not None and agent.offline_at is not None


async def test_given_open_sockets_when_the_server_stops_then_they_are_closed_as_for_a_restart_and_it_ends_promptly(
    house: House,
) -> None:
    peers = [await house.peer(credits=1) for _ in range(3)]
    silent = await house.dial((await house.register()).token)  # has not greeted
    house.pool.stopping.set()
    assert [await peer.closed() for peer in peers] == [1012, 1012, 1012]
    await house.stop()
    assert await silent.closed() == 1012


async def test_given_a_server_that_stops_when_a_worker_dials_then_it_is_refused(house: House) -> None:
    worker = await house.register()
    house.pool.stopping.set()
    with pytest.raises(InvalidStatus) as refused:
        await house.dial(worker.token)
    assert refused.value.response.status_code == 503


# --- who may come in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"ASP-Version": "1"}, 101), ({}, 101), ({"ASP-Version": "2"}, 426), ({"ASP-Version": "x"}, 426)],
)
async def test_given_a_protocol_version_when_a_worker_dials_then_only_those_spoken_here_come_in(
    house: House, headers: dict[str, str], status: int
) -> None:
    worker = await house.register()
    if status == 101:
        await (await house.dial(worker.token, **headers)).request("hello", **hello(worker))
        return
    with pytest.raises(InvalidStatus) as refused:
        await house.dial(worker.token, **headers)
    assert refused.value.response.status_code == status
    error = orjson.loads(refused.value.response.body or b"")["error"]
    assert (error["code"], error["details"]) == ("protocolVersion", {"supported": [1]})


@pytest.mark.parametrize(("kind", "status"), [("none", 401), ("unknown", 401), ("operator", 403), ("attempt", 403)])
async def test_given_a_token_of_another_kind_when_somebody_dials_then_the_handshake_is_refused(
    house: House, kind: str, status: int
) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    tokens = {"none": None, "unknown": "asw_agent_x", "operator": API_KEY, "attempt": (await peer.claim()).token}
    with pytest.raises(InvalidStatus) as refused:
        await house.dial(tokens[kind])
    assert refused.value.response.status_code == status


async def test_given_another_frame_than_hello_when_it_is_the_first_then_it_is_refused_and_the_socket_closed(
    house: House,
) -> None:
    peer = await house.dial((await house.register()).token)
    answer = await peer.send("credit", claim_ids=[new_id()])
    assert await peer.closed() == CLOSE_PROTOCOL
    assert (await within(answer)).body["error"]["code"] == "invalidInput"


async def test_given_no_hello_when_its_time_is_over_then_the_socket_is_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "HELLO_SECONDS", 0.02)
    peer = await house.dial((await house.register()).token)
    assert await peer.closed() == CLOSE_PROTOCOL


async def test_given_a_hello_of_another_process_when_the_token_is_not_its_own_then_it_has_to_register(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.dial(worker.token)
    answer = await peer.send("hello", instance_id=new_id())
    assert await peer.closed() == CLOSE_UNAUTHENTICATED
    assert (await within(answer)).body["error"]["code"] == "unauthenticated"


# --- frames that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["{", "[]", "{}", '{"id": 7, "type": "bye"}', '"hello"', b"\xff\xfe", "null"])
async def test_given_a_message_without_a_readable_envelope_when_it_comes_then_the_socket_is_closed(
    house: House, sent: str | bytes
) -> None:
    peer = await house.peer()
    await peer.socket.send(sent)
    assert await peer.closed() == CLOSE_PROTOCOL


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"id": "x", "type": "dance"}', "invalidInput"),
        ('{"id": "x"}', "invalidInput"),
        ('{"id": "x", "type": "reply"}', "invalidInput"),
        ('{"id": "x", "type": "claimed", "body": {}}', "invalidInput"),
        ('{"id": "x", "type": "start", "body": {"fence": 1}}', "invalidInput"),
        ('{"id": "x", "type": "start", "body": []}', "invalidInput"),
        ('{"id": "x", "type": "start", "body": {"task_id": "' + "\\u0000" * 36 + '", "fence": 1}}', "unknownTask"),
        ('{"id": "x", "type": "credit", "body": {"claim_ids": ["' + "A" * 36 + '"]}}', "invalidInput"),
        ('{"id": "x", "v": 2, "type": "bye"}', "protocolVersion"),
    ],
)
async def test_given_a_frame_that_is_wrong_when_its_id_can_be_read_then_it_is_refused_and_the_socket_stays(
    house: House, sent: str, code: str
) -> None:
    peer = await house.peer()
    await peer.socket.send(sent)
    stray = await within(peer.strays.get())
    assert (stray.id, stray.type.value, stray.body["error"]["code"]) == ("x", "error", code)
    assert await peer.request("heartbeat") == {"lease_seconds": 30, "leases": []}


async def test_given_unknown_fields_when_a_newer_worker_sends_them_then_they_are_ignored(house: House) -> None:
    peer = await house.peer()
    await peer.socket.send('{"v": 1, "id": "x", "type": "heartbeat", "body": {"mood": "good"}, "session": 7}')
    assert (await within(peer.strays.get())).type.value == "reply"


async def test_given_a_frame_over_the_limit_when_it_comes_then_the_socket_is_closed(house: House) -> None:
    peer = await house.peer()
    with contextlib.suppress(ConnectionClosed):  # it may be closed before all of it is sent
        await peer.send("progress", task_id=new_id(), fence=1, text="x" * FRAME_BYTES)
    assert await peer.closed() == socket.CLOSE_TOO_BIG


# --- load ------------------------------------------------------------------------------------------------------------


async def test_given_a_flood_of_frames_when_the_store_is_slow_then_reading_stops_and_later_all_are_answered_in_order(
    house: House,
) -> None:
    peer = await house.peer()
    house.store.halt(there=(Heartbeat,))
    before = len(house.store.applied)
    answers = [await peer.send("heartbeat") for _ in range(2_000)]
    await _until(lambda: len(house.store.applied) - before >= socket.FRAMES_UNDER_WAY)
    await _turns(50)
    assert len(house.store.applied) - before == socket.FRAMES_UNDER_WAY
    house.store.go_on()
    for answer in answers:
        assert (await within(answer)).type.value == "reply"
    assert peer.answered[1:] == [str(number) for number in range(2, 2_002)]


async def test_given_a_worker_that_does_not_read_when_too_much_waits_for_it_then_its_socket_is_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "OUTBOX_BYTES", 2_000_000)
    worker = await house.register()
    headers = {"authorization": f"Bearer {worker.token}"}
    address = f"ws{house.url.removeprefix('http')}/v1/pool/socket"
    async with connect(address, additional_headers=headers, max_queue=1, max_size=None, compression=None) as deaf:
        claim_ids = [new_id() for _ in range(30)]
        await deaf.send(json.dumps(frame("hello", **hello(worker, claim_ids=claim_ids))))
        for _ in range(30):
            await house.create(prompt="x" * 900_000)
        await _until(lambda: not house.pool.dispatcher.seats_of(worker.agent_id))
        deaf.transport.abort()


async def test_given_a_claim_whose_background_cannot_be_read_then_the_worker_connects_again_and_gets_it(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    [claim_id] = await peer.credit()
    project_id = await house.project()
    house.store.failing_reads = 1
    task_id = await house.create(project_id=project_id)
    assert await peer.closed() == socket.CLOSE_AGAIN_LATER
    again = await house.connect(worker, claim_ids=[claim_id])
    claim = await again.claim()
    assert (claim.task_id, claim.attempt) == (task_id, 1)


async def test_given_a_frame_that_fails_in_the_server_when_it_is_answered_then_the_socket_stays(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.claim()
    house.pool.owners._known.clear()
    house.store.failing_reads = 1
    refusal = await peer.refused("start", task_id=task_id, fence=claim.fence)
    assert (refusal["code"], "fire" in refusal["message"]) == ("internal", False)
    await peer.request("start", task_id=task_id, fence=claim.fence)


async def test_given_big_frames_when_the_store_is_slow_then_reading_stops_by_their_size(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "BYTES_UNDER_WAY", 20_000)
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.run()
    house.store.halt(there=(object,))
    before = len(house.store.applied)
    data = {"blob": "x" * 8_000}
    sending = asyncio.create_task(_send_many(peer, 8, task_id=claim.task_id, fence=claim.fence, data=data))
    await _until(lambda: len(house.store.applied) - before >= 3)
    await _turns(50)
    assert len(house.store.applied) - before == 3
    house.store.go_on()
    answers = await within(sending)
    assert [(await within(answer)).type.value for answer in answers] == ["reply"] * 8


async def _send_many(peer: Peer, count: int, **body: Any) -> list["asyncio.Future[Frame]"]:
    return [await peer.send("complete", **body) for _ in range(count)]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # nothing tells when the server has read something
            await asyncio.sleep(0)


async def _turns(count: int) -> None:
    """Give whatever would come a chance to come."""
    for _ in range(count):
        await asyncio.sleep(0)
