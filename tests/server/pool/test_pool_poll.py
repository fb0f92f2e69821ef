"""A worker where no WebSocket gets through."""

import asyncio
from typing import Any

import pytest
from tests.server.pool.house import API_KEY, House, Worker, frame, hello, within

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.pool import Claimed, Command, Frame, FrameType
from agent_swarm.server.pool import poll
from agent_swarm.store.operations import ClaimTask

pytestmark = pytest.mark.anyio


def claims(frames: list[Frame]) -> list[Claimed]:
    return [Claimed.model_validate(one.body) for one in frames if one.type is FrameType.CLAIMED]


def greeting(worker: Worker, *claim_ids: str) -> dict[str, Any]:
    return frame("hello", "h", **hello(worker, claim_ids=claim_ids))


async def waiting(house: House, worker: Worker, *frames: dict[str, Any]) -> "asyncio.Task[list[Frame]]":
    """A poll whose credits are on offer."""
    before = house.pool.dispatcher.waiting
    listening = asyncio.create_task(house.poll(worker, *frames, wait=30))
    async with asyncio.timeout(10):
        while house.pool.dispatcher.waiting == before:  # noqa: ASYNC110  # nothing tells when a request has arrived
            await asyncio.sleep(0)
    return listening


async def test_given_a_credit_in_a_poll_when_a_task_is_created_then_the_poll_brings_it(house: House) -> None:
    worker, claim_id = await house.register(), new_id()
    listening = await waiting(house, worker, greeting(worker), frame("credit", "c", claim_ids=[claim_id]))
    task_id = await house.create()
    frames = await within(listening)
    assert [(one.id, one.type.value) for one in frames[:2]] == [("c", "reply"), ("h", "reply")]
    [claim] = claims(frames)
    assert (claim.claim_id, claim.task_id) == (claim_id, task_id)
    assert await house.is_known(claim.token)


async def test_given_a_worker_that_posts_and_listens_apart_when_a_task_is_created_then_the_listening_poll_brings_it(
    house: House,
) -> None:
    worker, claim_ids = await house.register(), [new_id(), new_id()]
    await house.poll(worker, greeting(worker, claim_ids[0]))
    listening = await waiting(house, worker)
    await house.poll(worker, frame("credit", claim_ids=[claim_ids[1]]))
    tasks = {await house.create(), await house.create()}
    got = claims(await within(listening))
    if len(got) < 2:
        got += claims(await house.poll(worker, wait=30))
    assert {claim.task_id for claim in got} == tasks
    assert {claim.claim_id for claim in got} == set(claim_ids)


async def test_given_several_credits_when_as_many_tasks_come_together_then_one_poll_brings_them_all(
    house: House,
) -> None:
    worker = await house.register()
    claim_ids = [new_id() for _ in range(3)]
    for _ in range(3):
        await house.create()
    frames = await house.poll(worker, greeting(worker), frame("credit", "c", claim_ids=claim_ids), wait=30)
    assert {claim.claim_id for claim in claims(frames)} == set(claim_ids)


async def test_given_a_poll_when_nothing_comes_then_it_is_answered_after_its_time(house: House) -> None:
    worker = await house.register()
    frames = await house.poll(worker, greeting(worker), frame("credit", "c", claim_ids=[new_id()]), wait=0.05)
    assert [one.type.value for one in frames] == ["reply", "reply"]
    assert house.pool.dispatcher.waiting == 0


async def test_given_a_credit_without_a_greeting_when_its_request_is_over_then_it_is_gone(house: House) -> None:
    worker = await house.register()
    await house.poll(worker, frame("credit", claim_ids=[new_id()]), wait=0.01)
    await house.create()
    assert not any(isinstance(operation, ClaimTask) for operation in house.store.applied)
    assert len(house.pool.roster) == 0


async def test_given_reports_in_a_poll_when_they_are_taken_then_it_is_answered_without_waiting(house: House) -> None:
    worker = await house.register()
    task_id = await house.create()
    [claim] = claims(await house.poll(worker, greeting(worker), frame("credit", "c", claim_ids=[new_id()]), wait=30))
    lease = {"task_id": task_id, "fence": claim.fence}
    frames = await house.poll(
        worker,
        frame("start", "1", **lease),
        frame("progress", "2", **lease, text="half way"),
        frame("heartbeat", "3", leases=[lease]),
        frame("complete", "4", **lease, text="done"),
        wait=30,
    )
    assert {(one.id, one.type.value) for one in frames} == {(str(n), "reply") for n in range(1, 5)}
    assert (await house.task(task_id)).state.status is TaskStatus.COMPLETED


# --- requests that are lost ------------------------------------------------------------------------------------------


async def test_given_a_client_that_goes_away_mid_wait_when_a_task_is_created_then_it_is_left_for_others(
    house: House,
) -> None:
    worker, claim_id = await house.register(), new_id()
    listening = await waiting(house, worker, greeting(worker), frame("credit", "c", claim_ids=[claim_id]))
    listening.cancel()
    async with asyncio.timeout(10):
        while house.pool.dispatcher.waiting:  # noqa: ASYNC110  # until the server has noticed
            await asyncio.sleep(0)
    task_id = await house.create()
    assert (await house.task(task_id)).state.status is TaskStatus.PENDING
    [claim] = claims(await house.poll(worker, wait=30))
    assert (claim.claim_id, claim.task_id) == (claim_id, task_id)


async def test_given_a_claim_that_commits_after_its_client_has_gone_when_it_polls_again_then_it_gets_it(
    house: House,
) -> None:
    worker, claim_id = await house.register(), new_id()
    house.store.halt(back=(ClaimTask,))
    listening = await waiting(house, worker, greeting(worker), frame("credit", "c", claim_ids=[claim_id]))
    task_id = await house.create()
    held = await house.until_claimed(task_id)
    listening.cancel()
    async with asyncio.timeout(10):
        while house.pool.dispatcher.seats_of(worker.agent_id):  # noqa: ASYNC110  # until the server has noticed
            await asyncio.sleep(0)
    house.store.go_on()
    [claim] = claims(await house.poll(worker, wait=30))
    assert (claim.task_id, claim.fence, claim.attempt) == (task_id, held.state.fence, 1)
    assert await house.is_known(claim.token)


async def test_given_an_answer_lost_on_its_way_when_the_worker_greets_anew_then_it_gets_the_same_attempt(
    house: House,
) -> None:
    worker, claim_id = await house.register(), new_id()
    task_id = await house.create()
    [first] = claims(await house.poll(worker, greeting(worker, claim_id), wait=30))
    [second] = claims(await house.poll(worker, greeting(worker, claim_id), wait=30))
    assert (second.task_id, second.fence) == (task_id, first.fence)
    assert await house.is_known(second.token)


async def test_given_a_credit_repeated_without_a_greeting_when_it_has_a_claim_then_it_is_answered_again(
    house: House,
) -> None:
    worker, claim_id = await house.register(), new_id()
    await house.create()
    [first] = claims(await house.poll(worker, frame("credit", claim_ids=[claim_id]), wait=30))
    [second] = claims(await house.poll(worker, frame("credit", claim_ids=[claim_id]), wait=30))
    assert (second.task_id, second.fence) == (first.task_id, first.fence)


# --- conversations ---------------------------------------------------------------------------------------------------


async def test_given_no_conversation_when_an_empty_poll_comes_then_the_worker_is_told_to_greet(house: House) -> None:
    worker = await house.register()
    answer = await house.post("poll", {"frames": [], "wait_seconds": 30}, token=worker.token)
    assert (answer.status_code, answer.json()["error"]["hint"]) == (409, "send hello first")


async def test_given_a_conversation_when_no_request_comes_for_long_then_it_is_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll, "IDLE_SECONDS", 0.01)
    worker = await house.register()
    await house.poll(worker, greeting(worker, new_id()))
    async with asyncio.timeout(10):
        while len(house.pool.roster):  # noqa: ASYNC110  # a timer of the server
            await asyncio.sleep(0.001)
    answer = await house.post("poll", {"frames": []}, token=worker.token)
    assert answer.status_code == 409


async def test_given_a_command_between_two_polls_when_the_next_one_comes_then_it_brings_it(house: House) -> None:
    worker = await house.register()
    task_id = await house.create()
    [claim] = claims(await house.poll(worker, greeting(worker, new_id()), wait=30))
    await house.cancel(task_id)
    [told] = await house.poll(worker, wait=30)
    command = Command.model_validate(told.body)
    assert (command.kind, command.task_id, command.fence) == ("cancel", task_id, claim.fence)


async def test_given_two_listening_polls_when_the_second_comes_then_the_first_is_sent_home(house: House) -> None:
    worker = await house.register()
    await house.poll(worker, greeting(worker, new_id()))
    first = await waiting(house, worker)
    second = asyncio.create_task(house.poll(worker, wait=30))
    assert await within(first) == []
    task_id = await house.create()
    assert [claim.task_id for claim in claims(await within(second))] == [task_id]


async def test_given_a_waiting_poll_when_a_newer_process_registers_then_it_is_told_that_it_is_superseded(
    house: House,
) -> None:
    worker = await house.register()
    body = {"frames": [greeting(worker, new_id())], "wait_seconds": 30}
    listening = asyncio.create_task(house.post("poll", body, token=worker.token))
    async with asyncio.timeout(10):
        while not house.pool.dispatcher.waiting:  # noqa: ASYNC110  # nothing tells when a request has arrived
            await asyncio.sleep(0)
    await house.register(agent_id=worker.agent_id)
    answer = await within(listening)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "superseded")


async def test_given_a_socket_when_its_worker_goes_over_to_polling_then_the_socket_is_closed(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await house.poll(worker, greeting(worker))
    assert await peer.closed() == 1000


async def test_given_a_socket_when_the_same_worker_polls_without_a_greeting_then_the_socket_stays(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await house.poll(worker, frame("heartbeat"))
    assert await peer.request("heartbeat") == {"lease_seconds": 30, "leases": []}


async def test_given_a_goodbye_in_a_poll_when_it_is_answered_then_the_conversation_is_over(house: House) -> None:
    worker = await house.register()
    await house.poll(worker, greeting(worker, new_id()))
    [reply] = await house.poll(worker, frame("bye"))
    assert reply.type is FrameType.REPLY
    assert len(house.pool.roster) == 0


async def test_given_a_withdrawal_in_a_poll_when_nobody_listens_then_the_credit_is_not_offered_again(
    house: House,
) -> None:
    worker, claim_id = await house.register(), new_id()
    await house.poll(worker, greeting(worker, claim_id))
    [reply] = await house.poll(worker, frame("withdraw", claim_ids=[claim_id]))
    assert reply.body == {"claimed": []}
    await house.create()
    assert await house.poll(worker, wait=0.05) == []


# --- refusals --------------------------------------------------------------------------------------------------------


async def test_given_a_bad_frame_among_good_ones_when_they_come_then_only_it_is_refused(house: House) -> None:
    worker = await house.register()
    bad: dict[str, Any] = {"id": "2", "type": "dance", "body": {}}
    frames = await house.poll(worker, frame("heartbeat", "1"), bad, frame("heartbeat", "3"), wait=30)
    assert {one.id: one.type.value for one in frames} == {"1": "reply", "2": "error", "3": "reply"}


@pytest.mark.parametrize("bad", [{"frames": [{}]}, {"frames": [7]}, {"frames": "x"}, {"wait_seconds": -1}, []])
async def test_given_a_body_that_is_wrong_when_it_comes_then_the_request_is_refused(house: House, bad: Any) -> None:
    worker = await house.register()
    answer = await house.post("poll", bad, token=worker.token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalidInput")


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("asw_agent_x", 401), (API_KEY, 403)])
async def test_given_a_token_that_is_not_an_agents_when_somebody_polls_then_it_is_refused(
    house: House, token: str | None, status: int
) -> None:
    assert (await house.post("poll", {"frames": []}, token=token)).status_code == status


async def test_given_a_waiting_poll_when_the_server_stops_then_it_is_answered_at_once(house: House) -> None:
    worker = await house.register()
    body = {"frames": [greeting(worker, new_id())], "wait_seconds": 30}
    listening = asyncio.create_task(house.post("poll", body, token=worker.token))
    async with asyncio.timeout(10):
        while not house.pool.dispatcher.waiting:  # noqa: ASYNC110  # nothing tells when a request has arrived
            await asyncio.sleep(0)
    house.pool.stopping.set()
    answer = await within(listening)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shuttingDown")
    await house.stop()


async def test_given_a_frame_with_a_number_of_any_size_when_it_is_polled_then_it_is_refused_and_the_others_are_not(
    house: House,
) -> None:
    worker = await house.register()
    huge = frame("start", "huge", task_id=new_id(), fence=2**100)
    extra = frame("heartbeat", "extra", leases=[], surprise=[2**100])
    frames = await house.poll(worker, greeting(worker), huge, extra)
    assert {one.id: one.type for one in frames} == {
        "h": FrameType.REPLY,
        "huge": FrameType.ERROR,
        "extra": FrameType.REPLY,
    }
