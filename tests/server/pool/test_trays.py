"""What a server keeps in mind of who has messages waiting: enough never to miss one, and no more than a bound."""

from typing import Any

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import MessageKind
from agent_swarm.server.pool.trays import PAGE, Trays
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import Event
from agent_swarm.testing.driver import Driver


def posted(seq: int, *to: str, message_id: str = "m") -> Event:
    """News of a message, for these recipients; for so many that they are not named where there are none."""
    data: dict[str, Any] = {"to": list(to)} if to else {}
    return Event(
        id=str(seq),
        seq=seq,
        at=0,
        type="message.posted",
        actor="operator",
        subject_kind="message",
        subject_id=message_id,
        task_id=None,
        attempt=None,
        data=data,
        hash="",
    )


def test_given_a_message_when_it_is_heard_of_then_its_recipients_may_have_mail_and_others_have_none() -> None:
    trays = Trays()
    assert not trays.has_any
    trays.hear(posted(1, "agent:a", "task:t"))

    assert trays.has_any
    assert trays.may_have("agent:a") and trays.may_have("agent:b", "task:t")
    assert not trays.may_have("agent:b", "task:u")


def test_given_a_look_that_found_nothing_when_it_came_after_the_last_message_then_the_recipient_is_forgotten() -> None:
    trays = Trays()
    trays.hear(posted(1, "agent:a"))
    trays.emptied(["agent:a", "agent:b"], as_of=1)

    assert (trays.has_any, len(trays)) == (False, 0)


def test_given_a_look_that_found_nothing_when_a_message_crossed_it_then_the_recipient_is_kept() -> None:
    trays = Trays()
    trays.hear(posted(1, "agent:a"))
    trays.hear(posted(3, "agent:a"))
    trays.emptied(["agent:a"], as_of=2)

    assert trays.may_have("agent:a")


def test_given_a_message_for_many_when_it_is_known_who_gets_it_then_only_they_may_have_mail() -> None:
    trays = Trays()
    trays.hear(posted(5, message_id="m-1"))
    assert trays.may_have("agent:whoever")
    assert trays.unnamed == ("m-1",)
    trays.learn("m-1", ["agent:a"])
    trays.learn("m-2", ["agent:b"])  # which nobody asked for

    assert trays.may_have("agent:a") and not trays.may_have("agent:whoever", "agent:b")
    trays.emptied(["agent:a"], as_of=4)
    assert trays.may_have("agent:a")


def test_given_more_recipients_than_are_kept_when_a_further_one_has_mail_then_everybody_may_and_none_is_kept() -> None:
    trays = Trays(known=10)
    for number in range(25):
        trays.hear(posted(number + 1, f"agent:{number}"))

    assert len(trays) <= 10
    assert all(trays.may_have(f"agent:{number}") for number in range(25))


def test_given_a_task_that_has_ended_when_it_is_forgotten_then_nobody_looks_for_its_messages() -> None:
    trays = Trays()
    trays.hear(posted(1, "task:t"))
    trays.forget("task:t")

    assert not trays.has_any


def test_given_a_store_with_long_trays_when_it_is_loaded_then_every_recipient_is_found() -> None:
    swarm = Driver(MemoryEngine())
    for recipient, number in (("agent:a", PAGE + 5), ("agent:b", 1), ("operator", 2)):
        for _ in range(number):
            message = Message(id=new_id(), kind=MessageKind.DIRECT, sender="o", sender_name="o", text="x")
            swarm.do(PostMessage(message=message, addressees=(Addressee(recipient=recipient),), most_hops=1))
    trays = Trays()
    swarm.engine.read(trays.load)

    assert len(trays) == 3
    assert all(trays.may_have(one) for one in ("agent:a", "agent:b", "operator"))
    assert not trays.may_have("agent:c")
