"""The rules of messages, checked on what a store holds: nothing is lost, nothing waits for those who have it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agent_swarm.domain.messages import DeliveryStatus
from agent_swarm.store.base import Queries
from agent_swarm.store.families.mail import CALLS, DELIVERIES, MESSAGES, TRAY, TRAYS, Delivery, Message, Waiting

NUMBERED = "messages are numbered without a gap"
DELIVERED = "a message has as many deliveries as recipients"
WAITS = "a message waits for those who have not acknowledged it, and for nobody else"
STATUS = "how far a delivery has come is what its instants say"
CALLED = "who has something waiting that wakes is called, and nobody else is"
_ALL = 1_000_000


def broken(queries: Queries) -> Iterator[tuple[str, str]]:
    """Every rule that a store breaks, and where."""
    messages = sorted(queries.scan(MESSAGES, limit=_ALL), key=lambda one: one.number)
    deliveries, waiting = queries.scan(DELIVERIES, limit=_ALL), queries.scan(TRAYS, limit=_ALL)
    yield from _of_messages(messages, deliveries)
    for one in deliveries:
        if one.status is not _status(one):
            yield STATUS, f"message {one.number} for {one.recipient} is {one.status.value}"
    left = {(one.recipient, one.number, one.message_id) for one in deliveries if one.acknowledged_at is None}
    for recipient, number, _ in left ^ {(one.recipient, one.number, one.message_id) for one in waiting}:
        yield WAITS, f"message {number} for {recipient}"
    yield from _of_calls(queries, waiting)


def _of_messages(messages: Sequence[Message], deliveries: Sequence[Delivery]) -> Iterator[tuple[str, str]]:
    if [one.number for one in messages] != list(range(1, len(messages) + 1)):
        yield NUMBERED, f"{[one.number for one in messages]}"
    reached = Counter(one.message_id for one in deliveries)
    for one in messages:
        if reached[one.id] != one.recipients:
            yield DELIVERED, f"message {one.number} has {reached[one.id]}, expected {one.recipients}"


def _status(one: Delivery) -> DeliveryStatus:
    if one.acknowledged_at is not None:
        return DeliveryStatus.ACKNOWLEDGED
    return DeliveryStatus.QUEUED if one.delivered_at is None else DeliveryStatus.DELIVERED


def _of_calls(queries: Queries, waiting: Sequence[Waiting]) -> Iterator[tuple[str, str]]:
    """Where a tray is long, a call may outlast what it was for."""
    size = Counter(one.recipient for one in waiting)
    woken_for = {one.recipient for one in waiting if one.is_waking}
    called = {f"agent:{one.agent_id}" for one in queries.scan(CALLS, limit=_ALL)}
    for recipient in (woken_for - called) | {one for one in called - woken_for if size[one] < TRAY}:
        yield CALLED, recipient
