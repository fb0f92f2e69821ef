"""What waits for an agent: whether to look, what there is, and how it travels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_swarm.domain.messages import AT_ONCE, fitting, of_task
from agent_swarm.domain.time import to_wire
from agent_swarm.store.base import Queries
from agent_swarm.store.families.mail import MESSAGES, TRAY, TRAYS, Message, Waiting
from agent_swarm.store.records import Event, TaskRecord

KNOWN = 100_000  # recipients; where more have something waiting, everybody may
PAGE = 1_000  # entries, and
PAGES = 100  # pages that are looked at when a server starts
_LAST = 2**62  # a number behind all messages


class Trays:
    """Which recipients may have messages waiting: whose claims are worth a look. It errs on the side of looking.

    A recipient is forgotten when a look found nothing for it. Looks and news cross each other, so each has its place
    in the order of events: a look that came before the last message does not count.
    """

    def __init__(self, known: int = KNOWN) -> None:
        self._most = known
        self._known: dict[str, int] = {}  # recipient: the event of its last message
        self._unnamed: dict[str, int] = {}  # messages for so many that their events do not say for whom
        self._is_anybody = False

    def __len__(self) -> int:
        return len(self._known) + len(self._unnamed)

    @property
    def has_any(self) -> bool:
        """Whether something may wait for anybody."""
        return self._is_anybody or bool(self._known) or bool(self._unnamed)

    @property
    def unnamed(self) -> Sequence[str]:
        """The messages of which somebody has to look up who gets them."""
        return tuple(self._unnamed)

    def may_have(self, *recipients: str) -> bool:
        """Whether something may wait for one of them."""
        return self._is_anybody or bool(self._unnamed) or any(one in self._known for one in recipients)

    def load(self, queries: Queries) -> None:
        """What waits now."""
        after: tuple[str, int] | None = None
        for _ in range(PAGES):
            found = queries.scan(TRAYS, after=after, limit=PAGE)
            for one in found:
                self._note(one.recipient, 0)
            if len(found) < PAGE:
                return
            after = (found[-1].recipient, _LAST)
        self._is_anybody = True

    def hear(self, event: Event) -> None:
        """A message was posted."""
        to = event.data.get("to")
        if to is None:
            self._unnamed[event.subject_id] = event.seq
        for recipient in to or ():
            self._note(recipient, event.seq)

    def learn(self, message_id: str, recipients: Iterable[str]) -> None:
        """Who gets a message whose event did not say it."""
        seq = self._unnamed.pop(message_id, None)
        for recipient in recipients if seq is not None else ():
            self._note(recipient, seq or 0)

    def emptied(self, recipients: Iterable[str], as_of: int) -> None:
        """A look, as of this event, found nothing for them."""
        for recipient in recipients:
            if self._known.get(recipient, as_of + 1) <= as_of:
                del self._known[recipient]

    def forget(self, recipient: str) -> None:
        """Nobody will ask for what waits for it: its task has ended."""
        self._known.pop(recipient, None)

    def _note(self, recipient: str, seq: int) -> None:
        if not self._is_anybody:
            self._known[recipient] = max(seq, self._known.get(recipient, 0))
        if len(self._known) > self._most:
            self._is_anybody = True
            self._known.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The messages that an attempt begins with, and who has nothing waiting, as of the event `seq`."""

    messages: Sequence[Message]
    empty: Sequence[str]
    seq: int


def entries_for(queries: Queries, recipients: Iterable[str], *, limit: int) -> list[Waiting]:
    """What waits for these recipients, in the order in which it was said; `limit` of each."""
    found = [entry for one in recipients for entry in queries.scan(TRAYS, one, limit=limit)]
    return sorted(found, key=lambda entry: entry.number)


def digest_of(queries: Queries, task: TaskRecord) -> Look:
    """The messages that an attempt which begins now is told: what waits, and no other attempt under way has."""
    state = task.state
    recipients = (f"agent:{state.agent_id}", of_task(state.id))
    entries = entries_for(queries, recipients, limit=TRAY)
    full = {entry.recipient for entry in entries}
    others = {(one.state.id, one.state.fence) for one in queries.held_tasks(state.agent_id)} if entries else set()
    mine = [entry for entry in entries if entry.task_id == state.id or (entry.task_id, entry.fence) not in others]
    found = [message for entry in mine[:AT_ONCE] if (message := queries.record(MESSAGES, entry.message_id))]
    chosen = found[: fitting(len(message.text.encode()) for message in found)]
    empty = [recipient for recipient in recipients if recipient not in full]
    return Look(messages=chosen, empty=empty, seq=queries.head()[0] if empty else 0)


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
