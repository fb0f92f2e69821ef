"""Channels are made; members join and leave."""

from dataclasses import dataclass, replace

from agent_swarm.domain.errors import AlreadyExists, InvalidInput, NotFound
from agent_swarm.domain.messages import CHANNELS as MOST_CHANNELS
from agent_swarm.domain.messages import MEMBERS
from agent_swarm.store.events import Draft
from agent_swarm.store.families.mail import CHANNELS, MEMBERSHIPS, Channel, Membership
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChannel(RecordOperation[Channel]):
    """Make a channel with its first members; the same again by the same maker is no change. Raises AlreadyExists."""

    channel: Channel
    members: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return ("channels",)

    def carry_out(self, desk: Desk) -> Channel:
        """Names are taken once."""
        old = desk.get(CHANNELS, self.channel.name)
        if old is not None:
            same = (old.description, old.created_by) == (self.channel.description, self.channel.created_by)
            if not same:
                raise AlreadyExists(
                    f"there is a channel {old.name!r} already",
                    hint=f"join it with: agent-swarm chat channels {old.name} --join AGENT, or take another name",
                    details={"channel": old.name},
                )
            return old
        if len(desk.scan(CHANNELS, limit=MOST_CHANNELS)) >= MOST_CHANNELS:
            raise InvalidInput(f"there are {MOST_CHANNELS} channels, no more are made", hint="use one of them")
        made = replace(self.channel, created_at=desk.now)
        desk.put(CHANNELS, made)
        desk.add(MEMBERSHIPS, [Membership(channel=made.name, member=one, joined_at=desk.now) for one in self.members])
        desk.say(_told("channel.created", made, made.created_by, {"members": len(self.members)}))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMember(RecordOperation[bool]):
    """Have somebody join a channel, or leave it; answers whether that was a change. Raises NotFound."""

    channel: str
    member: str
    joins: bool
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return ("channels",)

    def carry_out(self, desk: Desk) -> bool:
        """Membership counts for messages from now on."""
        channel = desk.get(CHANNELS, self.channel)
        if channel is None:
            raise unknown_channel(self.channel)
        is_member = desk.get(MEMBERSHIPS, self.channel, self.member) is not None
        if is_member == self.joins:
            return False
        if self.joins:
            if len(desk.scan(MEMBERSHIPS, self.channel, limit=MEMBERS)) >= MEMBERS:
                raise InvalidInput(f"channel {self.channel!r} has {MEMBERS} members, it takes no more")
            desk.put(MEMBERSHIPS, Membership(channel=self.channel, member=self.member, joined_at=desk.now))
        else:
            desk.remove(MEMBERSHIPS, self.channel, self.member)
        desk.say(
            _told("channel.joined" if self.joins else "channel.left", channel, self.actor, {"member": self.member})
        )
        return True


def unknown_channel(name: str) -> NotFound:
    """There is no such channel."""
    return NotFound(
        f"there is no channel {name!r}",
        hint=f"see: agent-swarm chat channels; make it with: agent-swarm chat create {name}",
        details={"channel": name},
    )


def _told(event: str, channel: Channel, actor: str, data: dict[str, object]) -> Draft:
    told = {"name": channel.name, **data}
    return Draft(type=event, actor=actor, subject_kind="channel", subject_id=channel.id, data=told)
