"""Operations on tokens, agents and their nodes."""

from dataclasses import dataclass

from agent_swarm.domain.permissions import STANDARD, Profile, Profiles
from agent_swarm.store.operations.base import Operation
from agent_swarm.store.operations.switches import Held
from agent_swarm.store.records import AgentRecord, TokenRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PutToken(Operation[None]):
    """Add a token; an operator token replaces the one with the same label."""

    token: TokenRecord

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"token:{self.token.label or self.token.id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeToken(Operation[bool]):
    """Revoke a token by id; answers whether it was valid until now."""

    token_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"token:{self.token_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Answer of RegisterAgent.

    `fenced` were held under this AGENT_ID and are no longer; `resumed` were paused and are queued.
    """

    agent: AgentRecord
    superseded: str | None
    fenced: tuple[Held, ...]
    resumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAgent(Operation[Registration]):
    """An agent's process reports for work (rule T11).

    A new instance supersedes the old one, which is refused from then on: its token is revoked and every lease under
    this agent that is not in `held` is fenced. The same instance may register again. Tasks that a shutdown of this
    agent paused are queued for it (rule T6).

    `swarm_id` is a swarm that it would be in; one that is in a swarm already stays there, whoever put it there.
    """

    agent: AgentRecord
    token: TokenRecord
    swarm_id: str | None = None
    held: tuple[Held, ...] = ()
    jitter: float = 0.0
    profiles: Profiles = STANDARD

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent.profile.id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntroduceAgent(Operation[bool]):
    """Have an agent of `origin` known before a process reports for it; answers whether it was unknown till now."""

    agent: AgentRecord
    actor: str
    origin: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent.profile.id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgentPermissions(Operation[AgentRecord]):
    """Give an agent a permission profile from its next attempt on; an empty name takes it away.

    Raises CannotBeEnforced where the agent's worker could not enforce it.
    """

    agent_id: str
    profile: Profile | None
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff(Operation[None]):
    """An agent's process goes, in good order; a later instance is not touched."""

    agent_id: str
    instance_id: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)
