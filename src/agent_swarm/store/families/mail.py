"""Messages, channels and deliveries, as they are kept. What is done with them is in `posting`, `channels`, `mailing`.

A message is written once. Each recipient has a delivery, which stays, and as long as the recipient does not have the
message an entry in its tray, which goes. Trays are short, so what waits for somebody is found at once, however many
messages there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain.messages import DeliveryStatus, MessageKind
from agent_swarm.store.families.family import Family

HEAD = "messages"
TRAY = 500  # entries of a tray that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something said. `number` grows without a gap, in the order of commits; `sender` is an actor."""

    id: str
    number: int = 0
    kind: MessageKind
    sender: str
    sender_name: str
    channel: str | None = None
    task_id: str | None = None  # what it is about
    reply_to: str | None = None
    to: tuple[str, ...] = ()  # whom it was addressed to, by recipient
    mentions: tuple[str, ...] = ()  # agents that are mentioned
    mentions_all: bool = False
    is_interrupt: bool = False
    hops: int = 0  # how many agents that were woken stand between a person, or work of its own, and this
    recipients: int = 0
    posted_at: int = 0
    text: str


MESSAGES = Family("message", Message, key=("id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHead:
    """The one row: the number of the last message. Who posts holds it until the commit."""

    name: str
    number: int


MESSAGE_HEAD = Family("message_head", MessageHead, key=("name",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message on its way to one recipient: an actor, or `task:<id>` for whoever works on that task.

    `task_id` and `fence` name the attempt whose worker has it.
    """

    recipient: str
    number: int
    message_id: str
    status: DeliveryStatus = DeliveryStatus.QUEUED
    is_mention: bool = False
    task_id: str | None = None
    fence: int | None = None
    queued_at: int = 0
    delivered_at: int | None = None
    acknowledged_at: int | None = None
    read_at: int | None = None


DELIVERIES = Family("delivery", Delivery, key=("recipient", "number"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An entry of a tray: the recipient does not have this message yet."""

    recipient: str
    number: int
    message_id: str
    is_waking: bool = False  # an idle agent is woken for it
    hops: int = 0
    task_id: str | None = None  # as in its delivery
    fence: int | None = None


TRAYS = Family("waiting_message", Waiting, key=("recipient", "number"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A place where several talk; only its members get what is said there."""

    name: str
    id: str
    description: str = ""
    created_by: str = ""
    created_at: int = 0


CHANNELS = Family("channel", Channel, key=("name",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A member of a channel, an actor."""

    channel: str
    member: str
    joined_at: int = 0


MEMBERSHIPS = Family("channel_member", Membership, key=("channel", "member"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An agent has messages for which it is to be woken.

    `task_id` is the latest conversation task that was made for it, for messages up to that number: whatever became of
    it, the agent is not woken again for those. `last` is the number of the last message that is to wake it.
    """

    agent_id: str
    task_id: str = ""
    up_to: int = 0
    last: int = 0
    since: int = 0

    def is_answered_by(self, tray: Sequence[Waiting]) -> bool:
        """Whether it has been woken for all that wakes it, given what waits after `up_to`, TRAY entries at most."""
        is_cut = len(tray) >= TRAY  # what wakes it may come later
        return not any(one.is_waking for one in tray) and not (is_cut and self.last > self.up_to)


CALLS = Family("wake_call", Call, key=("agent_id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A task in which an agent answers messages; `hops` is the most that any of them had."""

    task_id: str
    agent_id: str
    hops: int = 0


CONVERSATIONS = Family("conversation", Conversation, key=("task_id",))
