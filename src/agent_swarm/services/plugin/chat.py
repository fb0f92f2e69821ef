"""The chat of a swarm: the channel that has its id, whose members are its agents."""

from agent_swarm.domain.errors import AlreadyExists, Denied
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import MEMBERS
from agent_swarm.domain.swarms import Swarm
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.protocol.rest_messages import MessageInput
from agent_swarm.services import cursors
from agent_swarm.services.messages import Messages, instant_since
from agent_swarm.services.plugin import looks, views
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.channels import CreateChannel, SetMember
from agent_swarm.store.families.mail import CHANNELS, MEMBERSHIPS, MESSAGES, Channel, Message
from agent_swarm.store.families.swarms import swarm_named
from agent_swarm.store.operations import Idempotency
from agent_swarm.store.records import MessageFilter


class Chat:
    """The chats of one store's swarms."""

    def __init__(self, store: Store, messages: Messages) -> None:
        self._store = store
        self._messages = messages

    async def page(
        self, named: str, *, since: str | None, cursor: str | None, limit: int, by: Identity
    ) -> rest.PluginMessagePage:
        """A page of the messages, newest first. Raises NotFound, and Denied for an agent of another swarm."""
        before, instant = cursors.read_back(cursor), instant_since(since)

        def reading(queries: Queries) -> rest.PluginMessagePage:
            swarm = _own(queries, named, by)
            found = queries.messages(MessageFilter(channel=swarm.id, since=instant), before=before, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.back_from(one[0].number))
            return rest.PluginMessagePage(
                messages=[views.message(message) for message, _ in shown], next_cursor=following
            )

        return await self._store.read(reading)

    async def post(
        self, named: str, wanted: rest.PluginMessageInput, *, by: Identity, idempotency: Idempotency | None
    ) -> tuple[rest.PluginPosted, bool]:
        """Say something to the swarm; a mention wakes whom it names. Raises as `services.messages.Messages.post`."""
        swarm = await self._store.read(lambda queries: _own(queries, named, by))
        await self._have_all_in(swarm)
        asked = MessageInput.model_validate(
            {"text": _text(wanted), "channel": swarm.id, **({"replyTo": wanted.reply_to} if wanted.reply_to else {})}
        )
        posted, replayed = await self._messages.post(asked, by=by, idempotency=idempotency)
        message = await self._store.read(lambda queries: queries.record(MESSAGES, posted.id))
        assert message is not None  # durable
        return rest.PluginPosted(**views.message_fields(message), unresolved=posted.unresolved), replayed

    async def _have_all_in(self, swarm: Swarm) -> None:
        """Who is in the swarm is in the channel, and nobody else."""

        def reading(queries: Queries) -> tuple[bool, set[str], set[str]]:
            agents = queries.agents(swarm_id=swarm.id, limit=MEMBERS)
            members = queries.scan(MEMBERSHIPS, swarm.id, limit=MEMBERS)
            is_there = queries.record(CHANNELS, swarm.id) is not None
            return is_there, {f"agent:{one.profile.id}" for one in agents}, {one.member for one in members}

        is_there, wanted, members = await self._store.read(reading)
        if not is_there:
            channel = Channel(name=swarm.id, id=new_id(), description=f"swarm {swarm.name}", created_by=SYSTEM)
            try:
                await self._store.apply(CreateChannel(channel=channel, members=tuple(sorted(wanted))))
            except AlreadyExists:  # made by somebody in the same moment
                return
        for member in sorted(wanted ^ members) if is_there else ():
            move = SetMember(channel=swarm.id, member=member, joins=member in wanted, actor=SYSTEM)
            await self._store.apply(move)


def recent(queries: Queries, swarm: Swarm) -> list[Message]:
    """The last messages, oldest first."""
    found = queries.messages(MessageFilter(channel=swarm.id), before=None, limit=rest.RECENT)
    return [message for message, _ in reversed(found)]


def _own(queries: Queries, named: str, by: Identity) -> Swarm:
    """The swarm; for an agent the one that it is in, in the same words whether or not there is another."""
    if by.agent_id is None:
        return looks.there(queries, named)
    agent = queries.agent(by.agent_id)
    swarm = swarm_named(queries, named)
    if agent is None or swarm is None or agent.profile.swarm_id != swarm.id:
        raise Denied(
            f"this agent is not in swarm {named[:64]!r}",
            hint="an agent reads and writes in the chat of its own swarm",
            details={"swarm": named[:64]},
        )
    return swarm


def _text(wanted: rest.PluginMessageInput) -> str:
    """The message, with the mentions before it that it does not have."""
    words = [f"@{one.removeprefix('@').strip().replace(' ', '-')}" for one in wanted.mentions]
    missing = [word for word in dict.fromkeys(words) if word not in wanted.message.split()]
    return " ".join([*missing, wanted.message])
