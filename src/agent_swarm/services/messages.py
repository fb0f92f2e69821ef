"""Messages: post, list, show, mark as read, steer. The sender is whoever's token it is, for an attempt its agent."""

from collections.abc import Callable
from dataclasses import dataclass

from agent_swarm.domain.errors import Denied, IllegalTransition, InvalidInput, UnknownReference, UnknownTask
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import HOPS, MessageKind, channel_name, of_task, require_text
from agent_swarm.domain.tasks import verbs_of
from agent_swarm.domain.time import from_wire
from agent_swarm.protocol import rest_messages as rest
from agent_swarm.services import cursors, lineage, mail_access, mail_views, recipients
from agent_swarm.services.recipients import People
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.mailing import MarkRead
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.operations import Idempotency
from agent_swarm.store.records import MessageFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages a list shall show; of `channel`, `task_id`, `sent` and `agent_id` at most one."""

    unread: bool = False
    mentions: bool = False
    channel: str | None = None
    task_id: str | None = None
    sent: bool = False
    agent_id: str | None = None
    since: str | None = None


class Messages:
    """The messages of one store. `count` is told of every message an agent writes, and raises RateLimited."""

    def __init__(
        self, store: Store, redactor: Redactor, count: Callable[[Identity], None], *, most_hops: int = HOPS
    ) -> None:
        self._store = store
        self._redactor = redactor
        self._count = count
        self._most_hops = most_hops

    async def post(
        self, wanted: rest.MessageInput, *, by: Identity, idempotency: Idempotency | None = None
    ) -> tuple[rest.PostedMessage, bool]:
        """Say something; it is durable when this returns. Answers whether an earlier request had said it.

        Raises InvalidInput, TooLarge, UnknownReference, NotFound for a channel, Denied and RateLimited.
        """
        require_text(wanted.text)
        _require_one_way(wanted)
        self._count(by)
        text = self._redactor.text(wanted.text)
        made, unresolved = await self._store.read(lambda queries: self._composed(queries, wanted, text, by))
        posted = await self._store.apply(self._posting(made, by, idempotency))
        return mail_views.posted(posted.message, () if posted.replayed else unresolved), posted.replayed

    async def steer(
        self, task_id: str, wanted: rest.SteerInput, *, by: Identity, idempotency: Idempotency | None = None
    ) -> tuple[rest.PostedMessage, bool]:
        """Tell whoever works on a task; who takes it up next, where nobody does.

        A lead agent's attempt may with tasks below its own. Raises Denied, UnknownTask, IllegalTransition for a task
        that has ended.
        """
        require_text(wanted.message)
        self._count(by)

        def reading(queries: Queries) -> Message:
            task = queries.task(task_id)
            if task is None:
                raise UnknownTask(task_id)
            lineage.require_below(queries, task_id, by=by)
            state = task.state
            if state.is_terminal:
                raise IllegalTransition(task_id, status=state.status, command="steer", allowed=verbs_of(state.status))
            return Message(
                id=new_id(),
                kind=MessageKind.STEER,
                sender=by.actor,
                sender_name=_name_of(queries, by),
                task_id=task_id,
                to=(of_task(task_id),),
                is_interrupt=wanted.interrupt,
                text=self._redactor.text(wanted.message),
            )

        message = await self._store.read(reading)
        made = (message, (Addressee(recipient=of_task(task_id)),))
        posted = await self._store.apply(self._posting(made, by, idempotency))
        return mail_views.posted(posted.message, ()), posted.replayed

    async def page(self, wanted: Wanted, *, cursor: str | None, limit: int, by: Identity) -> rest.MessagePage:
        """A page of messages, newest first: an agent sees what it got, people see everything.

        Raises Denied for what is another agent's, InvalidInput for what does not go together.
        """
        before = cursors.read_back(cursor)

        def reading(queries: Queries) -> rest.MessagePage:
            chosen = _filter(queries, wanted, by)
            found = queries.messages(chosen, before=before, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.back_from(one[0].number))
            return rest.MessagePage(
                messages=[mail_views.listed(message, delivery) for message, delivery in shown], next_cursor=following
            )

        return await self._store.read(reading)

    async def get(self, message_id: str, *, cursor: str | None, limit: int, by: Identity) -> rest.MessageDetail:
        """One message with its deliveries. Raises NotFound, also for what an agent has no part in."""
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> rest.MessageDetail:
            message = mail_access.visible(queries, message_id, by)
            found = queries.deliveries_of(message_id, after=after[0] if after else "", limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.recipient))
            return mail_views.detail(message, shown, following)

        return await self._store.read(reading)

    async def mark_read(self, message_ids: list[str], *, by: Identity) -> int:
        """Whoever asks has read these; answers how many were unread. Raises NotFound."""
        found = await self._store.read(lambda queries: [mail_access.visible(queries, one, by) for one in message_ids])
        numbers = tuple(message.number for message in found)
        told = await self._store.apply(MarkRead(recipient=by.actor, numbers=numbers, task_id=by.task_id))
        if by.task_id is not None and any(message.kind is MessageKind.STEER for message in found):
            told += await self._store.apply(MarkRead(recipient=of_task(by.task_id), numbers=numbers))
        return told

    def _posting(
        self, made: tuple[Message, tuple[Addressee, ...]], by: Identity, idempotency: Idempotency | None
    ) -> PostMessage:
        message, reached = made
        return PostMessage(
            message=message,
            addressees=reached,
            most_hops=self._most_hops,
            of_task=by.task_id,
            idempotency=idempotency,
        )

    def _composed(
        self, queries: Queries, wanted: rest.MessageInput, text: str, by: Identity
    ) -> tuple[tuple[Message, tuple[Addressee, ...]], list[rest.Unresolved]]:
        people = People(queries)
        answered = mail_access.visible(queries, wanted.reply_to, by, field="replyTo") if wanted.reply_to else None
        if wanted.task_id is not None and queries.task(wanted.task_id) is None:
            raise UnknownReference(
                f"taskId names task {wanted.task_id!r}, which does not exist",
                hint="correct it, or leave it out",
                details={"field": "taskId", "value": wanted.task_id},
            )
        kind, channel, to = _way(queries, people, wanted, answered, by)
        meant = people.meant_by(text, channel=channel)
        reached = people.everybody() if kind is MessageKind.BROADCAST else to
        if channel is not None:
            reached = recipients.members_of(queries, channel)
        chosen = recipients.addressees(people, reached, meant, direct=kind is MessageKind.DIRECT, sender=by.actor)
        if kind is MessageKind.DIRECT and not chosen:
            raise InvalidInput("nobody but the sender is named in to", details={"field": "to"})
        message = Message(
            id=new_id(),
            kind=kind,
            sender=by.actor,
            sender_name=_name_of(queries, by),
            channel=channel,
            task_id=wanted.task_id or (answered.task_id if answered else None),
            reply_to=wanted.reply_to,
            to=tuple(to),
            mentions=tuple(sorted(meant.agents))[: rest.ADDRESSED],
            mentions_all=meant.is_all,
            text=text,
        )
        return (message, chosen), mail_views.unresolved(meant)


def _require_one_way(wanted: rest.MessageInput) -> None:
    ways = [
        name
        for name, given in (("to", wanted.to), ("channel", wanted.channel), ("broadcast", wanted.broadcast))
        if given
    ]
    if len(ways) > 1 or (not ways and wanted.reply_to is None):
        said = " and ".join(ways) or "none"
        raise InvalidInput(
            f"a message says one of to, channel and broadcast, this one says {said}",
            hint="an answer to a message (replyTo) may leave all three out",
            details={"field": ways[1] if ways else "to"},
        )


def _way(
    queries: Queries, people: People, wanted: rest.MessageInput, answered: Message | None, by: Identity
) -> tuple[MessageKind, str | None, list[str]]:
    """Which way a message goes: its kind, its channel, whom it is addressed to."""
    channel = channel_name(wanted.channel) if wanted.channel is not None else None
    if channel is None and not wanted.to and not wanted.broadcast and answered is not None:
        if answered.channel is None:
            back = [answered.sender] if answered.sender != by.actor else list(answered.to)
            return MessageKind.DIRECT, None, [one for one in back if not one.startswith("task:")]
        channel = answered.channel
    if channel is not None:
        mail_access.require_member(queries, channel, by)
        return MessageKind.CHANNEL, channel, []
    if wanted.broadcast:
        return MessageKind.BROADCAST, None, []
    named = [people.actor_of(who, f"to[{index}]") for index, who in enumerate(wanted.to or ())]
    return MessageKind.DIRECT, None, list(dict.fromkeys(named))


def _filter(queries: Queries, wanted: Wanted, by: Identity) -> MessageFilter:
    since = instant_since(wanted.since)
    led = [name for name in ("channel", "task_id", "sent", "agent_id") if getattr(wanted, name)]
    is_inbox = wanted.unread or wanted.mentions
    if len(led) > 1 or (is_inbox and led not in ([], ["agent_id"])):
        raise InvalidInput(
            "channel, taskId and sent each make a list of their own",
            hint="ask for one of them; unread and mentions are about what one got",
        )
    if wanted.channel is not None:
        channel = channel_name(wanted.channel)
        mail_access.require_member(queries, channel, by)
        return MessageFilter(channel=channel, since=since)
    if wanted.task_id is not None:
        if not by.may(Scope.MESSAGES_READ) and wanted.task_id != by.task_id:
            raise Denied("an agent reads the messages about its own task", hint="leave taskId out, or name that one")
        return MessageFilter(task_id=wanted.task_id, since=since)
    if wanted.sent:
        return MessageFilter(sender=by.actor, since=since)
    recipient = _inbox(wanted, by, is_inbox=is_inbox)
    return MessageFilter(recipient=recipient, unread=wanted.unread, mentions=wanted.mentions, since=since)


def _inbox(wanted: Wanted, by: Identity, *, is_inbox: bool) -> str | None:
    """Whose messages a list is about; None for all there are."""
    if wanted.agent_id is None:
        return by.actor if by.agent_id is not None or is_inbox else None
    if by.agent_id is not None and wanted.agent_id != by.agent_id:
        raise Denied("an agent reads its own messages", hint="leave agentId out")
    return f"agent:{wanted.agent_id}"


def instant_since(text: str | None) -> int | None:
    """The instant that a list of messages begins at. Raises InvalidInput."""
    try:
        return None if text is None else from_wire(text)
    except ValueError:
        raise InvalidInput(
            "query.since is not a time, expected RFC 3339 such as 2026-11-20T18:44:35Z",
            details={"field": "query.since"},
        ) from None


def _name_of(queries: Queries, by: Identity) -> str:
    agent = queries.agent(by.agent_id) if by.agent_id else None
    return agent.name if agent else by.actor.removeprefix("user:")
