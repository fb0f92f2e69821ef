"""A message is posted: written with all its deliveries, numbered, and told of, in one go."""

from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain.errors import NotFound
from agent_swarm.store.events import Draft
from agent_swarm.store.families.mail import (
    CALLS,
    CHANNELS,
    CONVERSATIONS,
    DELIVERIES,
    HEAD,
    MESSAGE_HEAD,
    MESSAGES,
    TRAYS,
    Call,
    Delivery,
    Message,
    MessageHead,
    Waiting,
)
from agent_swarm.store.operations import Desk, Idempotency, RecordOperation

TOLD_AGENTS = 50  # named in the event; of more only the number is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Somebody who gets a message; `wakes` says that it is reason to wake an agent."""

    recipient: str
    is_mention: bool = False
    wakes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Answer of PostMessage; `replayed` when an earlier request under this key posted it."""

    message: Message
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMessage(RecordOperation[Posted]):
    """Write a message for `addressees`. Past `most_hops` nobody is woken for it.

    `of_task` is the task of the attempt that writes it: in a conversation it is one hop further than what that answers.
    """

    message: Message
    addressees: tuple[Addressee, ...]
    most_hops: int
    of_task: str | None = None
    idempotency: Idempotency | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        asked = self.idempotency
        return (f"idempotency:{asked.subject}:{asked.route}:{asked.key}",) if asked else ()

    @property
    def weight(self) -> int:
        return 1 + len(self.addressees)

    def carry_out(self, desk: Desk) -> Posted:
        """The head is taken first: who posts elsewhere waits for it, so numbers are in the order of commits."""
        head = desk.get(MESSAGE_HEAD, HEAD) or MessageHead(name=HEAD, number=0)
        earlier = desk.earlier(self.idempotency)
        if earlier is not None:
            posted = desk.get(MESSAGES, earlier[0])
            assert posted is not None  # messages are never removed
            return Posted(message=posted, replayed=True)
        if self.message.channel is not None and desk.get(CHANNELS, self.message.channel) is None:
            raise NotFound(f"there is no channel {self.message.channel!r}", hint="see: agent-swarm chat channels")
        message = replace(
            self.message,
            number=head.number + 1,
            hops=_hops(desk, self.of_task),
            recipients=len(self.addressees),
            posted_at=desk.now,
        )
        desk.put(MESSAGE_HEAD, replace(head, number=message.number))
        desk.add(MESSAGES, [message])
        wakes = message.hops <= self.most_hops
        desk.add(DELIVERIES, [_delivery(message, one, desk.now) for one in self.addressees])
        desk.add(TRAYS, [_waiting(message, one, wakes=wakes) for one in self.addressees])
        for one in self.addressees:
            if one.wakes and wakes:
                _call(desk, one.recipient.removeprefix("agent:"), message.number)
        desk.remember(self.idempotency, (message.id,))
        desk.say(_told(message, self.addressees))
        return Posted(message=message)


def _hops(desk: Desk, task_id: str | None) -> int:
    conversation = desk.get(CONVERSATIONS, task_id) if task_id else None
    return conversation.hops + 1 if conversation else 0


def _delivery(message: Message, to: Addressee, now: int) -> Delivery:
    return Delivery(
        recipient=to.recipient,
        number=message.number,
        message_id=message.id,
        is_mention=to.is_mention,
        queued_at=now,
    )


def _waiting(message: Message, to: Addressee, *, wakes: bool) -> Waiting:
    return Waiting(
        recipient=to.recipient,
        number=message.number,
        message_id=message.id,
        is_waking=to.wakes and wakes,
        hops=message.hops,
    )


def _call(desk: Desk, agent_id: str, number: int) -> None:
    call = desk.get(CALLS, agent_id) or Call(agent_id=agent_id, since=desk.now)
    desk.put(CALLS, replace(call, last=number))


def _told(message: Message, addressees: tuple[Addressee, ...]) -> Draft:
    """One event per message; who gets it stands in it, as long as they are few."""
    data: dict[str, Any] = {
        "kind": message.kind.value,
        "number": message.number,
        "recipients": len(addressees),
        **({"channel": message.channel} if message.channel else {}),
        **({"replyTo": message.reply_to} if message.reply_to else {}),
        **({"interrupt": True} if message.is_interrupt else {}),
    }
    if len(addressees) <= TOLD_AGENTS:
        data["to"] = [one.recipient for one in addressees]
    return Draft(
        type="message.posted",
        actor=message.sender,
        subject_kind="message",
        subject_id=message.id,
        task_id=message.task_id,
        data=data,
    )
