"""The rules of messages read a true store without complaint, and find each of them broken in a false one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import DeliveryStatus, MessageKind
from agent_swarm.store.families.mail import CALLS, DELIVERIES, MESSAGES, TRAYS, Message
from agent_swarm.store.families.mailing import NoteDelivery
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.testing import mail_rules
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit


@pytest.fixture
def engine() -> MemoryEngine:
    """Two messages, of which an agent at work has one; the other one waits and wakes it."""
    swarm = Driver(MemoryEngine())
    agent_id = swarm.register()
    swarm.file()
    held = swarm.take(agent_id)
    ids = [new_id(), new_id()]
    for message_id in ids:
        message = Message(id=message_id, kind=MessageKind.DIRECT, sender="operator", sender_name="o", text="hello")
        to = Addressee(recipient=f"agent:{agent_id}", wakes=True)
        swarm.do(PostMessage(message=message, addressees=(to,), most_hops=1))
    swarm.do(NoteDelivery(agent_id=agent_id, task_id=held.task_id, fence=held.fence, acknowledged=(ids[0],)))
    assert isinstance(swarm.engine, MemoryEngine)
    return swarm.engine


def skip_a_number(engine: MemoryEngine) -> None:
    key, last = max(engine.kept(MESSAGES).items(), key=lambda entry: entry[1].number)
    engine.kept(MESSAGES)[key] = replace(last, number=last.number + 1)


def lose_a_delivery(engine: MemoryEngine) -> None:
    del engine.kept(DELIVERIES)[next(iter(engine.kept(TRAYS)))]
    engine.kept(TRAYS).clear()
    engine.kept(CALLS).clear()


def lose_what_waits(engine: MemoryEngine) -> None:
    engine.kept(TRAYS).clear()
    engine.kept(CALLS).clear()


def misstate_a_delivery(engine: MemoryEngine) -> None:
    key, one = next(iter(engine.kept(DELIVERIES).items()))
    engine.kept(DELIVERIES)[key] = replace(one, status=DeliveryStatus.QUEUED)


def lose_a_call(engine: MemoryEngine) -> None:
    engine.kept(CALLS).clear()


def test_given_a_true_store_when_it_is_checked_then_nothing_is_found(engine: MemoryEngine) -> None:
    assert engine.read(audit) == []


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        (mail_rules.NUMBERED, skip_a_number),
        (mail_rules.DELIVERED, lose_a_delivery),
        (mail_rules.WAITS, lose_what_waits),
        (mail_rules.STATUS, misstate_a_delivery),
        (mail_rules.CALLED, lose_a_call),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_given_a_store_with_one_fault_when_it_is_checked_then_its_rule_is_named(
    engine: MemoryEngine, rule: str, plant: Callable[[MemoryEngine], None]
) -> None:
    plant(engine)

    assert {found.rule for found in engine.read(audit)} == {rule}
