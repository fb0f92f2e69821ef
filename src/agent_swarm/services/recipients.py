"""Who gets a message: what a sender names becomes recipients, given what there is. Raises for what reaches nobody."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent_swarm.domain import mentions
from agent_swarm.domain.errors import InvalidInput, TooLarge, UnknownReference
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.mentions import Directory, Mentions, Named
from agent_swarm.domain.messages import MEMBERS, RECIPIENTS
from agent_swarm.services.harnesses import COMMANDED
from agent_swarm.store.base import Queries
from agent_swarm.store.families.accounts import OPERATOR, USERS
from agent_swarm.store.families.mail import MEMBERSHIPS
from agent_swarm.store.families.posting import Addressee
from agent_swarm.store.records import AgentRecord

_USER = "user:"
_AGENT = "agent:"


@dataclass(slots=True)
class People:
    """The agents there are, read once and only where a name, a mention or a broadcast needs them."""

    queries: Queries
    _agents: dict[str, AgentRecord] | None = field(default=None, init=False)
    _directory: Directory | None = field(default=None, init=False)

    @property
    def agents(self) -> dict[str, AgentRecord]:
        """All agents, by id."""
        if self._agents is None:
            self._agents = {agent.profile.id: agent for agent in self.queries.agents()}
        return self._agents

    @property
    def directory(self) -> Directory:
        """The same, by the words that name them."""
        if self._directory is None:
            self._directory = Directory.of(_named(agent) for agent in self.agents.values())
        return self._directory

    def one(self, agent_id: str) -> AgentRecord | None:
        """An agent by its id."""
        return self._agents.get(agent_id) if self._agents is not None else self.queries.agent(agent_id)

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
        found = self.directory.named(text.removeprefix("@"))
        if not found:
            raise _unknown(where, "agent", text)
        if len(found) > 1:
            raise InvalidInput(
                f"{where} names {text!r}, which {len(found)} agents are called",
                hint="name the one you mean by its AGENT_ID",
                details={"field": where, "value": text, "agents": sorted(found)[:20]},
            )
        return found[0]

    def meant_by(self, text: str) -> Mentions:
        """Whom the mentions of a text mean."""
        words = mentions.words_in(text)
        return mentions.resolve(words, self.directory) if words else Mentions()

    def can_converse(self, actor: str) -> bool:
        """Whether it is an agent that can be talked to by a task of its own."""
        agent = self.one(actor.removeprefix(_AGENT)) if actor.startswith(_AGENT) else None
        return agent is not None and agent.harness not in COMMANDED


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
            f"this message would have {len(chosen):,} recipients, at most {RECIPIENTS:,} are reached at once",
            hint="write to a channel, or to fewer",
            details={"recipients": len(chosen), "limit": RECIPIENTS},
        )
    return tuple(chosen)


def everybody(people: People) -> Sequence[str]:
    """All agents."""
    return [f"{_AGENT}{agent_id}" for agent_id in people.agents]


def _named(agent: AgentRecord) -> Named:
    profile = agent.profile
    return Named(id=profile.id, name=agent.name, roles=(profile.role, profile.agent_role.value))


def _unknown(where: str, kind: str, value: str) -> UnknownReference:
    return UnknownReference(
        f"{where} names {kind} {value!r}, which does not exist",
        hint=f"see who there is: agent-swarm {kind} list",
        details={"field": where, "value": value},
    )
