"""Who gets a message: what a sender names becomes recipients, given what there is. Raises for what reaches nobody."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent_swarm.domain import mentions
from agent_swarm.domain.errors import InvalidInput, TooLarge, UnknownReference
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.mentions import Mentions, Named, Register
from agent_swarm.domain.messages import MEMBERS, RECIPIENTS
from agent_swarm.services.harnesses import COMMANDED
from agent_swarm.store.base import Queries
from agent_swarm.store.families.accounts import OPERATOR, USERS
from agent_swarm.store.families.mail import MEMBERSHIPS
from agent_swarm.store.families.posting import Addressee
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.records import AgentRecord

_USER = "user:"
_AGENT = "agent:"


NAMESAKES = 21  # of one name that are looked at: that they are several is enough


@dataclass(slots=True)
class People:
    """The agents there are; each look is bounded, however many they are. A `domain.mentions.Directory`."""

    queries: Queries
    _seen: dict[str, AgentRecord] = field(default_factory=dict, init=False)

    def one(self, agent_id: str) -> AgentRecord | None:
        """An agent by its id."""
        agent = self._seen.get(agent_id) or self.queries.agent(agent_id)
        return None if agent is None else self._noted([agent])[0]

    def named(self, word: str) -> Sequence[str]:
        """The agents that have this name, by id; where they are many, some of them."""
        found = self.queries.agents_named(mentions.word_of(word), limit=NAMESAKES)
        return [agent.profile.id for agent in self._noted(found)]

    def in_role(self, word: str) -> Sequence[str]:
        """The agents that have this role; more than a message may have recipients where they are that many."""
        found = self.queries.agents_of_role(mentions.word_of(word), limit=RECIPIENTS + 2)
        return [agent.profile.id for agent in self._noted(found)]

    def everybody(self) -> Sequence[str]:
        """All agents, as recipients; more than a message may have where they are that many."""
        found = self._noted(self.queries.agents(limit=RECIPIENTS + 2))
        return [f"{_AGENT}{agent.profile.id}" for agent in found if not _is_runner(agent)]

    def _noted(self, agents: Sequence[AgentRecord]) -> Sequence[AgentRecord]:
        self._seen.update((agent.profile.id, agent) for agent in agents)
        return agents

    def actor_of(self, who: str, where: str) -> str:
        """The actor that `who` names: an agent's id or name, `user:<name>`, `operator`."""
        text = who.strip()
        if text == OPERATOR:
            return text
        if text.startswith(_USER):
            if self.queries.record(USERS, text.removeprefix(_USER)) is None:
                raise _unknown(where, "user", text)
            return text
        agent_id = normalize_id(text.removeprefix(_AGENT))
        if agent_id is not None:
            if self.one(agent_id) is None:
                raise _unknown(where, "agent", text)
            return f"{_AGENT}{agent_id}"
        return f"{_AGENT}{self._by_name(text, where)}"

    def _by_name(self, text: str, where: str) -> str:
        found = self.named(text.removeprefix("@"))
        if not found:
            raise _unknown(where, "agent", text)
        if len(found) > 1:
            several = f"{NAMESAKES - 1} and more" if len(found) == NAMESAKES else len(found)
            raise InvalidInput(
                f"{where} names {text!r}, which {several} agents are called",
                hint="name the one you mean by its AGENT_ID",
                details={"field": where, "value": text, "agents": found[: NAMESAKES - 1]},
            )
        return found[0]

    def meant_by(self, text: str, *, channel: str | None = None) -> Mentions:
        """Whom the mentions of a text mean; in the chat of a swarm, the channel that has its id, only who is in it."""
        words = mentions.words_in(text)
        if not words:
            return Mentions()
        if channel is None or self.queries.record(SWARMS, channel) is None:
            return mentions.resolve(words, self)
        there = self._noted(self.queries.agents(swarm_id=channel, limit=MEMBERS))
        return mentions.resolve(words, Register.of(_named(agent) for agent in there))

    def can_converse(self, actor: str) -> bool:
        """Whether it is an agent that can be talked to by a task of its own."""
        agent = self.one(actor.removeprefix(_AGENT)) if actor.startswith(_AGENT) else None
        return agent is not None and agent.harness not in COMMANDED and not _is_runner(agent)


def _named(agent: AgentRecord) -> Named:
    profile = agent.profile
    return Named(id=profile.id, name=agent.name, roles=(profile.role, profile.agent_role.value))


def _is_runner(agent: AgentRecord) -> bool:
    """A server, which reads nothing."""
    return agent.profile.agent_role is AgentRole.RUNNER


def members_of(queries: Queries, channel: str) -> list[str]:
    """The members of a channel."""
    return [one.member for one in queries.scan(MEMBERSHIPS, channel, limit=MEMBERS)]


def addressees(
    people: People, reached: Iterable[str], meant: Mentions, *, direct: bool, sender: str
) -> tuple[Addressee, ...]:
    """Everybody once: those a message reaches, and where it is not direct also those that it mentions.

    Nobody gets what they said themselves. Who is written to directly or mentioned is woken.
    """
    reached = dict.fromkeys(reached)
    mentioned = {f"{_AGENT}{agent_id}" for agent_id in meant.agents}
    if not direct:
        reached |= dict.fromkeys(sorted(mentioned))
    chosen = [
        Addressee(
            recipient=one,
            is_mention=(is_mention := meant.is_all or one in mentioned),
            wakes=(direct or is_mention) and people.can_converse(one),
        )
        for one in reached
        if one != sender
    ]
    if len(chosen) > RECIPIENTS:
        raise TooLarge(
            f"this message would have more than {RECIPIENTS:,} recipients, which is the most that are reached at once",
            hint="write to a channel, or to fewer",
            details={"limit": RECIPIENTS},
        )
    return tuple(chosen)


def _unknown(where: str, kind: str, value: str) -> UnknownReference:
    return UnknownReference(
        f"{where} names {kind} {value!r}, which does not exist",
        hint=f"see who there is: agent-swarm {kind} list",
        details={"field": where, "value": value},
    )
