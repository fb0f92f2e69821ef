"""Channels: make them, list them, join and leave."""

from agent_swarm.domain.errors import Denied
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import channel_name
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_messages as rest
from agent_swarm.services import cursors, mail_access, mail_views
from agent_swarm.services.recipients import People
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.channels import CreateChannel, SetMember, unknown_channel
from agent_swarm.store.families.mail import CHANNELS, MEMBERSHIPS, Channel


class Channels:
    """The channels of one store."""

    def __init__(self, store: Store, redactor: Redactor) -> None:
        self._store = store
        self._redactor = redactor

    async def create(self, wanted: rest.ChannelInput, *, by: Identity) -> rest.Channel:
        """Make a channel. Raises InvalidInput, UnknownReference, AlreadyExists."""
        name = channel_name(wanted.name)

        def reading(queries: Queries) -> list[str]:
            people = People(queries)
            return [people.actor_of(who, f"members[{index}]") for index, who in enumerate(wanted.members)]

        members = await self._store.read(reading)
        if by.agent_id is not None:
            members.append(by.actor)
        channel = Channel(
            name=name, id=new_id(), description=self._redactor.text(wanted.description), created_by=by.actor
        )
        made = await self._store.apply(CreateChannel(channel=channel, members=tuple(dict.fromkeys(members))))
        return mail_views.channel(made, is_member=by.actor in members)

    async def page(self, *, cursor: str | None, limit: int, by: Identity) -> rest.ChannelPage:
        """A page of the channels, by name."""
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> rest.ChannelPage:
            found = queries.scan(CHANNELS, after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.name))
            return rest.ChannelPage(
                channels=[
                    mail_views.channel(one, is_member=queries.record(MEMBERSHIPS, one.name, by.actor) is not None)
                    for one in shown
                ],
                next_cursor=following,
            )

        return await self._store.read(reading)

    async def members(self, name: str, *, cursor: str | None, limit: int, by: Identity) -> rest.MemberPage:
        """A page of the members of a channel. Raises NotFound; Denied for an agent that is none of them."""
        channel, after = channel_name(name), cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> rest.MemberPage:
            mail_access.require_member(queries, channel, by)
            found = queries.scan(MEMBERSHIPS, channel, after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.member))
            return rest.MemberPage(
                members=[rest.Member(member=one.member, joined_at=to_wire(one.joined_at)) for one in shown],
                next_cursor=following,
            )

        return await self._store.read(reading)

    async def set_member(self, name: str, who: str, *, joins: bool, by: Identity) -> rest.MembershipReply:
        """Have somebody join or leave. Agents join by themselves, members bring others in, people anybody."""
        channel = channel_name(name)

        def reading(queries: Queries) -> str:
            member = People(queries).actor_of(who, "member")
            if queries.record(CHANNELS, channel) is None:
                raise unknown_channel(channel)
            if by.agent_id is not None and member != by.actor:
                if not joins:
                    raise Denied("an agent leaves channels, it has no other leave", hint="leave that to a person")
                mail_access.require_member(queries, channel, by)
            return member

        member = await self._store.read(reading)
        changed = await self._store.apply(SetMember(channel=channel, member=member, joins=joins, actor=by.actor))
        return rest.MembershipReply(channel=channel, member=member, is_member=joins, changed=changed)
