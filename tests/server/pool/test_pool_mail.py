"""Messages on their way to workers: pushed at once, to one attempt, again where they may be lost; and what is kept."""

from typing import Any

import pytest
from tests.server.pool.house import House, Peer, within

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import AT_ONCE, DeliveryStatus, MessageKind, of_task
from agent_swarm.protocol.pool import Claimed
from agent_swarm.store.families.mail import DELIVERIES, Message
from agent_swarm.store.families.posting import TOLD_AGENTS, Addressee, PostMessage
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def say(house: House, *to: str, **fields: Any) -> Message:
    """Post a message to these recipients."""
    given = {"kind": MessageKind.DIRECT, "sender": "operator", "sender_name": "operator", "text": "hello", **fields}
    message = Message(id=new_id(), **given)
    addressees = tuple(Addressee(recipient=one) for one in to)
    posted = await house.store.apply(PostMessage(message=message, addressees=addressees, most_hops=1))
    return posted.message


async def at_work(house: House, *, tasks: int = 1) -> tuple[Peer, str, list[Claimed]]:
    """An agent with so many attempts under way; the agent's recipient, and its claims, the latest one last."""
    worker = await house.register(slots=tasks)
    peer = await house.connect(worker)
    await peer.credit(tasks)
    claims = []
    for _ in range(tasks):
        await house.create()
        claims.append(await peer.run())
        house.time.advance(1)
    return peer, f"agent:{worker.agent_id}", claims


async def ids_of(peer: Peer, number: int = 1) -> list[str]:
    """The messages of the next frames, until there are so many."""
    found: list[str] = []
    while len(found) < number:
        found += [one.id for one in (await within(peer.mail.get())).messages]
    return found


async def status(house: House, recipient: str, message: Message) -> DeliveryStatus:
    delivery = await house.store.read(lambda queries: queries.record(DELIVERIES, recipient, message.number))
    assert delivery is not None
    return delivery.status


async def test_given_a_running_attempt_when_its_agent_is_written_to_then_it_is_pushed_and_moves_by_the_workers_word(
    house: House,
) -> None:
    peer, ada, (claim,) = await at_work(house)

    message = await say(house, ada)

    pushed = await within(peer.mail.get())
    assert (pushed.task_id, pushed.fence, pushed.messages[0].id) == (claim.task_id, claim.fence, message.id)
    assert await status(house, ada, message) is DeliveryStatus.QUEUED
    lease = {"task_id": claim.task_id, "fence": claim.fence}
    assert await peer.request("received", **lease, delivered=[message.id]) == {"noted": 1}
    assert await status(house, ada, message) is DeliveryStatus.DELIVERED
    assert await peer.request("received", **lease, acknowledged=[message.id.upper()]) == {"noted": 1}
    assert await status(house, ada, message) is DeliveryStatus.ACKNOWLEDGED


async def test_given_a_note_of_delivery_when_it_comes_twice_then_it_counts_once(house: House) -> None:
    peer, ada, (claim,) = await at_work(house)
    message = await say(house, ada)
    note = {"task_id": claim.task_id, "fence": claim.fence, "delivered": [message.id], "acknowledged": [message.id]}

    assert [await peer.request("received", **note) for _ in range(2)] == [{"noted": 2}, {"noted": 0}]


async def test_given_a_worker_whose_word_is_lost_when_it_connects_again_then_the_same_message_is_pushed_again(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit()
    await house.create()
    claim = await peer.run()
    message = await say(house, f"agent:{worker.agent_id}")
    assert await ids_of(peer) == [message.id]
    await peer.vanish()

    again = await house.connect(worker, held=[(claim.task_id, claim.fence)])

    assert await ids_of(again) == [message.id]


async def test_given_an_attempt_that_is_lost_when_the_next_begins_then_its_claim_has_the_message_under_its_id(
    house: House,
) -> None:
    peer, ada, (claim,) = await at_work(house)
    message = await say(house, ada)
    await peer.request("received", task_id=claim.task_id, fence=claim.fence, delivered=[message.id])
    await peer.credit()
    await house.lapse()

    again = await peer.claim()

    assert (again.task_id, again.attempt) == (claim.task_id, 2)
    assert [one.id for one in again.messages] == [message.id]


async def test_given_a_message_that_another_attempt_under_way_has_when_an_attempt_begins_then_its_claim_has_it_not(
    house: House,
) -> None:
    peer, ada, (claim,) = await at_work(house)
    elsewhere = await say(house, ada)
    await peer.request("received", task_id=claim.task_id, fence=claim.fence, delivered=[elsewhere.id])
    waiting = await say(house, ada)
    await peer.credit()
    await house.create()

    assert [one.id for one in (await peer.claim()).messages] == [waiting.id]


async def test_given_two_attempts_when_a_message_is_about_one_then_that_has_it_and_others_go_to_the_latest(
    house: House,
) -> None:
    peer, ada, (first, second) = await at_work(house, tasks=2)

    for about, expected in ((first, first), (second, second), (None, second)):
        await say(house, ada, task_id=about and about.task_id)
        assert (await within(peer.mail.get())).task_id == expected.task_id


async def test_given_an_attempt_that_takes_no_messages_when_its_agent_is_written_to_then_another_one_gets_them(
    house: House,
) -> None:
    peer, ada, (first, second) = await at_work(house, tasks=2)
    await peer.request("received", task_id=second.task_id, fence=second.fence, refused=True)

    await say(house, of_task(second.task_id), kind=MessageKind.STEER, task_id=second.task_id)
    message = await say(house, ada, task_id=second.task_id)

    pushed = await within(peer.mail.get())
    assert (pushed.task_id, [one.id for one in pushed.messages]) == (first.task_id, [message.id])


async def test_given_a_task_when_it_is_steered_then_only_the_agent_that_works_on_it_hears_it(house: House) -> None:
    (ada, _, (claim,)), (bob, _, _) = await at_work(house), await at_work(house)

    message = await say(house, of_task(claim.task_id), kind=MessageKind.STEER, task_id=claim.task_id)

    assert await ids_of(ada) == [message.id]
    assert bob.mail.empty()


async def test_given_a_tray_that_is_longer_than_a_digest_when_the_agent_works_then_it_gets_all_of_it_and_what_is_new(
    house: House,
) -> None:
    worker = await house.register()
    ada = f"agent:{worker.agent_id}"
    waiting = [await say(house, ada) for _ in range(AT_ONCE + 5)]
    peer = await house.connect(worker)
    await peer.credit()
    await house.create()

    claim = await peer.run()
    new = await say(house, ada)

    assert [one.id for one in claim.messages] == [one.id for one in waiting[:AT_ONCE]]
    pushed = await ids_of(peer, len(waiting) + 1)
    assert set(pushed) == {one.id for one in (*waiting, new)}


async def test_given_a_broadcast_to_more_than_its_event_names_when_it_is_posted_then_the_running_agent_has_it(
    house: House,
) -> None:
    peer, ada, _ = await at_work(house)

    message = await say(house, ada, *(f"user:{number}" for number in range(TOLD_AGENTS)))

    assert await ids_of(peer) == [message.id]
    await until(lambda: not house.pool.postman.trays.unnamed)
    assert not house.pool.postman.trays.may_have("agent:somebody-else")


async def test_given_many_attempts_with_messages_when_they_have_ended_then_nothing_of_them_is_kept_in_mind(
    house: House,
) -> None:
    worker = await house.register()
    ada = f"agent:{worker.agent_id}"
    peer = await house.connect(worker)
    postman = house.pool.postman
    kept = []
    for _ in range(5):
        task_id = await house.create()
        await say(house, of_task(task_id), kind=MessageKind.STEER, task_id=task_id)
        await peer.credit()
        claim = await peer.run()
        lease = {"task_id": task_id, "fence": claim.fence}
        message = await say(house, ada)
        ids = {*await ids_of(peer, 2), *(one.id for one in claim.messages), message.id}
        await peer.request("received", **lease, refused=True, acknowledged=sorted(ids))
        await peer.request("complete", **lease, text="done")
        kept.append(postman.remembered)

    assert kept == [kept[0]] * 5
    assert kept[0] <= 1  # the agent, until a claim of its finds nothing


async def test_given_an_agent_whose_tray_is_empty_when_it_claims_then_it_is_forgotten_and_claims_cost_no_look(
    house: House,
) -> None:
    peer, ada, (claim,) = await at_work(house)
    message = await say(house, ada)
    await peer.request("received", task_id=claim.task_id, fence=claim.fence, acknowledged=[message.id])
    assert house.pool.postman.trays.may_have(ada)
    await peer.credit()
    await house.create()
    await peer.claim()

    assert not house.pool.postman.trays.has_any
