"""What waits for an agent: whether to look, what there is, and how it travels."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent_swarm.domain.messages import AT_ONCE, of_task
from agent_swarm.domain.time import to_wire
from agent_swarm.store.base import Queries
from agent_swarm.store.families.mail import MESSAGES, TRAYS, Message, Waiting
from agent_swarm.store.records import Event, TaskRecord

DIGEST_BYTES = 256 * 1024
TRAY_ROWS = 10_000  # looked at when a server starts


class Trays:
    """Which recipients may have messages waiting: whose claims are worth a look. It errs on the side of looking."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._is_anybody = False

    @property
    def has_any(self) -> bool:
        """Whether something may wait for anybody."""
        return self._is_anybody or bool(self._known)

    def may_have(self, *recipients: str) -> bool:
        """Whether something may wait for one of them."""
        return self._is_anybody or not self._known.isdisjoint(recipients)

    def load(self, queries: Queries) -> None:
        """What waits now."""
        found = queries.scan(TRAYS, limit=TRAY_ROWS)
        self._known.update(one.recipient for one in found)
        self._is_anybody = self._is_anybody or len(found) == TRAY_ROWS

    def hear(self, event: Event) -> None:
        """A message was posted."""
        to = event.data.get("to")
        if to is None:
            self._is_anybody = True
        else:
            self._known.update(to)


def waiting_for(queries: Queries, agent_id: str, task_ids: Iterable[str]) -> list[tuple[Waiting, Message]]:
    """What waits for an agent, and for whoever works on these tasks, in the order in which it was said."""
    entries = queries.scan(TRAYS, f"agent:{agent_id}", limit=AT_ONCE)
    for task_id in task_ids:
        entries += queries.scan(TRAYS, of_task(task_id), limit=AT_ONCE)
    found = [(entry, message) for entry in entries if (message := queries.record(MESSAGES, entry.message_id))]
    return sorted(found, key=lambda one: one[0].number)


def digest_of(queries: Queries, task: TaskRecord) -> list[Message]:
    """The messages that an attempt which begins now is told: what waits, and no other attempt under way has."""
    state = task.state
    if state.agent_id is None:
        return []
    others = {(one.state.id, one.state.fence) for one in queries.held_tasks(state.agent_id)}
    chosen: list[Message] = []
    room = DIGEST_BYTES
    for entry, message in waiting_for(queries, state.agent_id, [state.id]):
        is_elsewhere = entry.task_id != state.id and (entry.task_id, entry.fence) in others
        room -= len(message.text.encode())
        if room < 0 or len(chosen) == AT_ONCE:
            break
        if not is_elsewhere:
            chosen.append(message)
    return chosen


def message_body(message: Message) -> Mapping[str, Any]:
    """A `protocol.pool.MessageText`."""
    return {
        "id": message.id,
        "number": message.number,
        "kind": message.kind.value,
        "sender": message.sender,
        "sender_name": message.sender_name,
        "channel": message.channel,
        "task_id": message.task_id,
        "reply_to": message.reply_to,
        "interrupt": message.is_interrupt,
        "posted_at": to_wire(message.posted_at),
        "text": message.text,
    }
