"""Messages on every store: posted once, numbered in order, handed over, acknowledged, and woken for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain.errors import IdempotencyMismatch, NotFound
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import AT_ONCE, DIGEST_BYTES, DeliveryStatus, MessageKind, of_task
from agent_swarm.store import operations as ops
from agent_swarm.store.families.channels import CreateChannel, SetMember
from agent_swarm.store.families.mail import (
    CALLS,
    CONVERSATIONS,
    DELIVERIES,
    MEMBERSHIPS,
    TRAY,
    TRAYS,
    Channel,
    Delivery,
    Message,
)
from agent_swarm.store.families.mailing import MarkRead, NoteDelivery
from agent_swarm.store.families.posting import TOLD_AGENTS, Addressee, Posted, PostMessage
from agent_swarm.store.records import Event, MessageFilter, TaskSpec
from agent_swarm.testing.driver import Driver

MOST_HOPS = 2


def writing(*to: str, wakes: bool = True, **fields: Any) -> PostMessage:
    """The operation that says something to these recipients."""
    options = {name: fields.pop(name) for name in ("of_task", "idempotency") if name in fields}
    message = {"id": new_id(), "kind": MessageKind.DIRECT, "sender": "operator", "sender_name": "operator"}
    return PostMessage(
        message=Message(**{**message, "text": "hello", "to": to, **fields}),
        addressees=tuple(Addressee(recipient=one, wakes=wakes and one.startswith("agent:")) for one in to),
        most_hops=MOST_HOPS,
        **options,
    )


def post(swarm: Driver, *to: str, **fields: Any) -> Message:
    posted: Posted = swarm.do(writing(*to, **fields))
    return posted.message


def note(swarm: Driver, agent_id: str, held: ops.Held, **ids: Sequence[str]) -> int:
    """What the agent's worker says that it, or its agent, has."""
    told = {name: tuple(one) for name, one in ids.items()}
    moved: int = swarm.do(NoteDelivery(agent_id=agent_id, task_id=held.task_id, fence=held.fence, **told))
    return moved


def delivery(swarm: Driver, recipient: str, message: Message) -> Delivery:
    found = swarm.engine.read(lambda q: q.record(DELIVERIES, recipient, message.number))
    assert found is not None
    return found


def waiting(swarm: Driver, recipient: str) -> list[str]:
    return [one.message_id for one in swarm.engine.read(lambda q: q.scan(TRAYS, recipient, limit=1_000))]


def is_called(swarm: Driver, agent_id: str) -> bool:
    return swarm.engine.read(lambda q: q.record(CALLS, agent_id)) is not None


def told(swarm: Driver, kind: str) -> list[Event]:
    return [one for one in swarm.engine.read(lambda q: q.events_after(0, limit=10_000)) if one.type == kind]


def wake(swarm: Driver, agent_id: str) -> str:
    """The task that the agent is woken by; empty where it is not."""
    spec = TaskSpec(id=new_id(), title="t", prompt="p", requires=replace(TaskSpec.requires, agent_id=agent_id))
    made: str = swarm.do(ops.OpenConversation(agent_id=agent_id, task=ops.NewTask(spec=spec)))
    return made


# --- posting ------------------------------------------------------------------------------------------------------


def test_given_messages_when_they_are_posted_in_one_batch_then_each_has_its_number_and_everybody_has_it_waiting(
    swarm: Driver,
) -> None:
    ada, bob = (f"agent:{swarm.register(name)}" for name in ("ada", "bob"))

    posted = swarm.run(writing(ada), writing(ada, bob), writing("operator"))

    assert [one.message.number for one in posted] == [1, 2, 3]
    ids = [one.message.id for one in posted]
    assert (waiting(swarm, ada), waiting(swarm, bob), waiting(swarm, "operator")) == (ids[:2], ids[1:2], ids[2:])
    assert [event.data["to"] for event in told(swarm, "message.posted")] == [[ada], [ada, bob], ["operator"]]


def test_given_a_request_under_a_key_when_it_comes_again_then_it_is_said_once_and_another_body_is_refused(
    swarm: Driver,
) -> None:
    ada = f"agent:{swarm.register()}"
    asked = ops.Idempotency(subject="operator", route="POST /api/messages", key="k", body_hash="a" * 64)

    first, again = swarm.do(writing(ada, idempotency=asked)), swarm.do(writing(ada, idempotency=asked))

    assert (again.message, again.replayed) == (first.message, True)
    assert waiting(swarm, ada) == [first.message.id]
    with pytest.raises(IdempotencyMismatch):
        swarm.do(writing(ada, idempotency=replace(asked, body_hash="b" * 64)))


def test_given_no_such_channel_when_somebody_writes_to_it_then_nothing_is_said_and_no_number_is_lost(
    swarm: Driver,
) -> None:
    with pytest.raises(NotFound):
        post(swarm, channel="nowhere", kind=MessageKind.CHANNEL)

    assert post(swarm, "operator").number == 1


def test_given_more_recipients_than_an_event_names_when_it_is_posted_then_only_their_number_is_told(
    swarm: Driver,
) -> None:
    crowd = [f"user:{number:03}" for number in range(TOLD_AGENTS + 1)]

    message = post(swarm, *crowd)

    (event,) = told(swarm, "message.posted")
    assert (event.data["recipients"], "to" in event.data) == (len(crowd), False)
    found = swarm.engine.read(lambda q: q.deliveries_of(message.id, after="user:009", limit=2))
    assert [one.recipient for one in found] == ["user:010", "user:011"]


# --- handing over -------------------------------------------------------------------------------------------------


def test_given_a_message_when_its_worker_and_then_its_agent_has_it_then_its_delivery_says_so_and_nothing_waits(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    ada = f"agent:{agent_id}"
    swarm.file()
    held = swarm.take(agent_id)
    message = post(swarm, ada)

    assert delivery(swarm, ada, message).status is DeliveryStatus.QUEUED
    assert note(swarm, agent_id, held, delivered=[message.id]) == 1
    handed = delivery(swarm, ada, message)
    assert (handed.status, handed.task_id, handed.fence) == (DeliveryStatus.DELIVERED, held.task_id, held.fence)
    assert waiting(swarm, ada) == [message.id]
    assert note(swarm, agent_id, held, acknowledged=[message.id]) == 1

    assert delivery(swarm, ada, message).status is DeliveryStatus.ACKNOWLEDGED
    assert (waiting(swarm, ada), is_called(swarm, agent_id)) == ([], False)


def test_given_a_note_of_delivery_when_it_comes_twice_then_the_second_changes_and_tells_nothing(swarm: Driver) -> None:
    agent_id = swarm.register()
    swarm.file()
    held = swarm.take(agent_id)
    message = post(swarm, f"agent:{agent_id}")

    moved = [note(swarm, agent_id, held, delivered=[message.id], acknowledged=[message.id]) for _ in range(2)]
    late = note(swarm, agent_id, held, delivered=[message.id])

    assert (moved, late) == ([2, 0], 0)
    assert len(told(swarm, "message.delivered")) == len(told(swarm, "message.acknowledged")) == 1


def test_given_a_lease_that_is_over_when_its_worker_notes_what_the_agent_has_then_that_counts(swarm: Driver) -> None:
    agent_id = swarm.register()
    swarm.file()
    held = swarm.take(agent_id)
    message = post(swarm, f"agent:{agent_id}")
    swarm.fail(held)

    assert note(swarm, agent_id, held, acknowledged=[message.id]) == 1

    assert waiting(swarm, f"agent:{agent_id}") == []


def test_given_an_attempt_that_was_lost_before_its_agent_had_a_message_when_the_next_has_it_then_that_one_is_named(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    ada = f"agent:{agent_id}"
    task_id = swarm.file()
    lost = swarm.take(agent_id)
    message = post(swarm, ada)
    note(swarm, agent_id, lost, delivered=[message.id])
    swarm.fail(lost)
    swarm.advance(600)
    swarm.timers()
    held = swarm.take(agent_id)

    assert note(swarm, agent_id, held, delivered=[message.id]) == 1

    assert held.task_id == task_id
    assert delivery(swarm, ada, message).fence == held.fence > lost.fence


def test_given_somebody_elses_message_when_a_worker_says_that_it_has_it_then_nothing_moves(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    held = swarm.take(ada)
    message = post(swarm, f"agent:{bob}")

    assert note(swarm, ada, held, acknowledged=[message.id, new_id()]) == 0

    assert waiting(swarm, f"agent:{bob}") == [message.id]


def test_given_a_message_for_whoever_works_on_a_task_when_the_agent_that_does_has_it_then_it_waits_no_more(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    task_id = swarm.file()
    message = post(swarm, of_task(task_id), kind=MessageKind.STEER, task_id=task_id)
    held = swarm.take(agent_id)

    note(swarm, agent_id, held, acknowledged=[message.id])

    assert (waiting(swarm, of_task(task_id)), is_called(swarm, agent_id)) == ([], False)


def test_given_messages_when_some_are_read_then_they_are_acknowledged_and_no_longer_in_the_list_of_unread_ones(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    ada = f"agent:{agent_id}"
    messages = [post(swarm, ada) for _ in range(3)]

    numbers = tuple(message.number for message in messages[:2])
    assert [swarm.do(MarkRead(recipient=ada, numbers=numbers)) for _ in range(2)] == [2, 0]

    unread = swarm.engine.read(lambda q: q.messages(MessageFilter(recipient=ada, unread=True), before=None, limit=9))
    assert [message.id for message, _ in unread] == waiting(swarm, ada) == [messages[2].id]
    assert is_called(swarm, agent_id)


# --- channels -----------------------------------------------------------------------------------------------------


def test_given_a_channel_when_members_join_and_leave_then_each_change_is_told_once(swarm: Driver) -> None:
    swarm.do(CreateChannel(channel=Channel(name="build", id=new_id()), members=("agent:a",)))
    moves = [("agent:b", True), ("agent:b", True), ("agent:a", False), ("agent:a", False)]

    changed = [swarm.do(SetMember(channel="build", member=one, joins=joins, actor="operator")) for one, joins in moves]

    assert changed == [True, False, True, False]
    members = swarm.engine.read(lambda q: q.scan(MEMBERSHIPS, "build", limit=9))
    assert [one.member for one in members] == ["agent:b"]
    assert [len(told(swarm, f"channel.{what}")) for what in ("created", "joined", "left")] == [1, 1, 1]


# --- waking -------------------------------------------------------------------------------------------------------


def test_given_a_call_when_a_conversation_is_opened_twice_then_there_is_one_task_until_something_new_comes(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    assert wake(swarm, agent_id) == ""
    post(swarm, f"agent:{agent_id}")

    first = wake(swarm, agent_id)

    assert first and wake(swarm, agent_id) == ""
    swarm.cancel(first)
    assert wake(swarm, agent_id) == ""
    post(swarm, f"agent:{agent_id}")
    second = wake(swarm, agent_id)
    post(swarm, f"agent:{agent_id}")
    assert second and wake(swarm, agent_id) == ""  # it is told when it takes up the second


def test_given_an_agent_that_is_busy_when_it_is_called_then_it_is_woken_after_its_task(swarm: Driver) -> None:
    agent_id = swarm.register()
    swarm.file()
    held = swarm.take(agent_id)
    post(swarm, f"agent:{agent_id}")

    assert wake(swarm, agent_id) == ""
    swarm.complete(held)
    assert wake(swarm, agent_id)


def test_given_everything_is_stopped_when_an_agent_is_called_then_it_is_woken_once_that_is_lifted(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    post(swarm, f"agent:{agent_id}")
    swarm.kill()

    assert wake(swarm, agent_id) == ""
    swarm.lift()
    assert wake(swarm, agent_id)


def test_given_an_answer_in_a_conversation_when_it_is_posted_then_it_is_a_hop_further_than_what_was_got_there(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    hops, asked = [], post(swarm, f"agent:{ada}")
    for me, other in ((ada, bob), (bob, ada), (ada, bob)):
        conversation = wake(swarm, me)
        held = swarm.take(me)
        assert held.task_id == conversation
        note(swarm, me, held, delivered=[asked.id], acknowledged=[asked.id])
        asked = post(swarm, f"agent:{other}", of_task=conversation)
        hops.append(asked.hops)
        swarm.complete(held)

    assert hops == [1, 2, 3]
    assert wake(swarm, bob) == ""  # beyond MOST_HOPS
    found = swarm.engine.read(lambda q: q.scan(CONVERSATIONS, limit=9))
    assert sorted(one.hops for one in found) == [0, 1, 2]


def test_given_a_message_that_is_only_delivered_beside_one_that_is_acknowledged_then_both_count_for_hops(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    post(swarm, f"agent:{bob}")
    theirs = wake(swarm, bob)
    swarm.take(bob)
    post(swarm, f"agent:{ada}")
    conversation = wake(swarm, ada)
    held = swarm.take(ada)
    near, far = post(swarm, f"agent:{ada}"), post(swarm, f"agent:{ada}", of_task=theirs)

    note(swarm, ada, held, delivered=[far.id], acknowledged=[near.id])

    assert post(swarm, f"agent:{bob}", of_task=conversation).hops == far.hops + 1 == 2


def test_given_more_than_an_agent_is_told_at_once_when_it_had_the_first_part_then_it_is_woken_for_the_rest(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    half = "x" * (DIGEST_BYTES // 2)
    messages = [post(swarm, f"agent:{agent_id}", text=half) for _ in range(3)]
    first = wake(swarm, agent_id)
    held = swarm.take(agent_id)
    note(swarm, agent_id, held, acknowledged=[one.id for one in messages[:2]])
    swarm.complete(held)

    assert first and wake(swarm, agent_id)


def test_given_a_tray_full_of_what_wakes_nobody_when_something_behind_it_does_then_the_agent_is_woken_once_for_it(
    swarm: Driver,
) -> None:
    agent_id = swarm.register()
    ada = f"agent:{agent_id}"
    swarm.run(*(writing(ada, wakes=False) for _ in range(TRAY + 1)))
    assert wake(swarm, agent_id) == ""
    post(swarm, ada)

    tasks = []
    for _ in range(4):
        tasks.append(wake(swarm, agent_id))
        if tasks[-1]:
            swarm.cancel(tasks[-1])  # which tells it nothing: the head of its tray stays

    assert [bool(task) for task in tasks] == [True, True, False, False]
    assert AT_ONCE < TRAY


def test_given_agents_when_they_are_looked_up_by_words_then_names_and_roles_find_the_first_of_them(
    swarm: Driver,
) -> None:
    ids = sorted(swarm.register("Code  Réviewer") for _ in range(3))
    other = swarm.register("ada")

    def found(word: str, limit: int = 9) -> list[str]:
        return [one.profile.id for one in swarm.engine.read(lambda q: q.agents_named(word, limit=limit))]

    assert (found("code-réviewer"), found("code-réviewer", 2), found("ada"), found("bob")) == (
        ids,
        ids[:2],
        [other],
        [],
    )
    workers = swarm.engine.read(lambda q: q.agents_of_role("worker", limit=9))
    assert [one.profile.id for one in workers] == sorted([*ids, other])
