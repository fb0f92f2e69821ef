"""Deliveries move on: a worker has a message, an agent has it, somebody has read it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain.messages import DeliveryStatus
from agent_swarm.store.events import Draft
from agent_swarm.store.families.mail import (
    CALLS,
    CONVERSATIONS,
    DELIVERIES,
    MESSAGES,
    TRAY,
    TRAYS,
    Delivery,
)
from agent_swarm.store.operations import Desk, RecordOperation

MOST = 200  # messages of one operation


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDelivery(RecordOperation[int]):
    """An attempt's worker has these messages (`delivered`), or its agent has (`acknowledged`). Answers how many moved.

    What an agent has, it has, whether or not the lease is over; the same again changes nothing.
    """

    agent_id: str
    task_id: str
    fence: int
    delivered: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mail:agent:{self.agent_id}", f"mail:task:{self.task_id}")

    @property
    def weight(self) -> int:
        return 1 + len(self.delivered) + len(self.acknowledged)

    def carry_out(self, desk: Desk) -> int:
        """One event for all that were delivered, one for all that were acknowledged."""
        handed = [one for one in self._found(desk, self.delivered) if self._is_news(one)]
        for one in handed:
            desk.put(DELIVERIES, self._handed(one, desk.now))
            _hand(desk, one, self.task_id, self.fence)
        had = [one for one in self._found(desk, self.acknowledged) if one.acknowledged_at is None]
        for one in had:
            acknowledge(desk, self._handed(one, desk.now))
        _end_calls(desk, had)
        _raise_hops(desk, self.task_id, [*handed, *had])
        self._tell(desk, "message.delivered", handed)
        self._tell(desk, "message.acknowledged", had)
        return len(handed) + len(had)

    def _found(self, desk: Desk, message_ids: Sequence[str]) -> list[Delivery]:
        found = []
        for message_id in dict.fromkeys(message_ids):
            message = desk.get(MESSAGES, message_id)
            if message is not None:
                for recipient in (f"task:{self.task_id}", f"agent:{self.agent_id}"):
                    one = desk.get(DELIVERIES, recipient, message.number)
                    found += [one] if one is not None else []
        return found

    def _is_news(self, one: Delivery) -> bool:
        return one.acknowledged_at is None and (one.task_id, one.fence) != (self.task_id, self.fence)

    def _handed(self, one: Delivery, now: int) -> Delivery:
        is_new = one.delivered_at is None
        return replace(
            one,
            status=DeliveryStatus.DELIVERED,
            delivered_at=now if is_new else one.delivered_at,
            task_id=self.task_id,
            fence=self.fence,
        )

    def _tell(self, desk: Desk, event: str, moved: Sequence[Delivery]) -> None:
        if moved:
            desk.say(_told(event, f"agent:{self.agent_id}", f"agent:{self.agent_id}", self.task_id, moved))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead(RecordOperation[int]):
    """A recipient has read these messages, by number; answers how many were unread. What it has read, it has."""

    recipient: str
    numbers: tuple[int, ...]
    task_id: str | None = None  # where an attempt reads: its task, in case that is a conversation

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mail:{self.recipient}",)

    @property
    def weight(self) -> int:
        return max(1, len(self.numbers))

    def carry_out(self, desk: Desk) -> int:
        """What was not acknowledged is so now."""
        found = [desk.get(DELIVERIES, self.recipient, number) for number in dict.fromkeys(self.numbers)]
        unread = [one for one in found if one is not None and one.read_at is None]
        had = [one for one in unread if one.acknowledged_at is None]
        _raise_hops(desk, self.task_id, had)
        for one in unread:
            acknowledge(desk, replace(one, read_at=desk.now))
        _end_calls(desk, had)
        if had:
            desk.say(_told("message.acknowledged", self.recipient, self.recipient, self.task_id, had))
        return len(unread)


def acknowledge(desk: Desk, one: Delivery) -> None:
    """The recipient has it: nothing waits any more."""
    at = desk.now if one.acknowledged_at is None else one.acknowledged_at
    delivered_at = at if one.delivered_at is None else one.delivered_at
    desk.put(
        DELIVERIES,
        replace(one, status=DeliveryStatus.ACKNOWLEDGED, delivered_at=delivered_at, acknowledged_at=at),
    )
    desk.remove(TRAYS, one.recipient, one.number)


def _end_calls(desk: Desk, had: Iterable[Delivery]) -> None:
    """Agents need not be woken any more, where nothing is left for which they were to be."""
    for recipient in dict.fromkeys(one.recipient for one in had if one.recipient.startswith("agent:")):
        call = desk.get(CALLS, recipient.removeprefix("agent:"))
        if call is None:
            continue
        left = desk.scan(TRAYS, recipient, limit=TRAY)
        if len(left) < TRAY and not any(one.is_waking for one in left):
            desk.remove(CALLS, call.agent_id)


def _hand(desk: Desk, one: Delivery, task_id: str, fence: int) -> None:
    entry = desk.get(TRAYS, one.recipient, one.number)
    if entry is not None:
        desk.put(TRAYS, replace(entry, task_id=task_id, fence=fence))


def _raise_hops(desk: Desk, task_id: str | None, got: Iterable[Delivery]) -> None:
    """What an agent says in a conversation is one hop further than anything that it has got there."""
    conversation = desk.get(CONVERSATIONS, task_id) if task_id else None
    if conversation is None:
        return
    messages = [desk.get(MESSAGES, one.message_id) for one in got]
    hops = max([conversation.hops, *(one.hops for one in messages if one is not None)])
    if hops > conversation.hops:
        desk.put(CONVERSATIONS, replace(conversation, hops=hops))


def _told(event: str, actor: str, recipient: str, task_id: str | None, moved: Sequence[Delivery]) -> Draft:
    numbers = sorted(one.number for one in moved)
    data: dict[str, Any] = {"recipient": recipient, "messages": numbers}
    return Draft(
        type=event, actor=actor, subject_kind="message", subject_id=moved[0].message_id, task_id=task_id, data=data
    )
