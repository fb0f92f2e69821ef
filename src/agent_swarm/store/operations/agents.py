"""Operations on tokens, agents and their nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.agent_tree import AgentCaps
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
class FirstProfile:
    """What a template says of an agent whose process registers for the first time.

    `fields` are those of a profile that it says something of; `permissions` is the name of a profile, or empty.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    permissions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAgent(Operation[Registration]):
    """An agent's process reports for work (rule T11).

    A new instance supersedes the old one, which is refused from then on: its token is revoked and every lease under
    this agent that is not in `held` is fenced. The same instance may register again. Tasks that a shutdown of this
    agent paused are queued for it (rule T6).

    `swarm_id` is a swarm that it would be in; one that is in a swarm already stays there, whoever put it there. `first`
    counts where no process of the agent has registered before.
    """

    agent: AgentRecord
    token: TokenRecord
    swarm_id: str | None = None
    held: tuple[Held, ...] = ()
    jitter: float = 0.0
    profiles: Profiles = STANDARD
    first: FirstProfile | None = None

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
class AgentAdded:
    """Answer of AddAgent; `repeated` where it was there already."""

    agent: AgentRecord
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAgent(Operation[AgentAdded]):
    """Have an agent known before a process reports for it, below the parent that its record names, if any.

    With `caps` an agent asks: one of this name below the same parent is answered instead of another one, and beyond
    the caps it is refused. Below a stopped agent it is stopped, too, and it joins the swarm that its profile names.
    Raises AlreadyExists, UnknownReference, CapReached, Denied for a permission profile wider than the parent's, and
    Killed while its swarm is stopped.
    """

    agent: AgentRecord
    actor: str
    caps: AgentCaps | None = None
    profiles: Profiles = STANDARD

    @property
    def keys(self) -> tuple[str, ...]:
        parent_id = self.agent.parent_id
        return (f"agent:{self.agent.profile.id}", *((f"agentsBelow:{parent_id}",) if parent_id else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged:
    """Answer of ChangeAgentProfile: the version in force; `repeated` where nothing was changed."""

    version: int
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAgentProfile(Operation[ProfileChanged]):
    """Write the next version of an agent's profile: `fields` of the one before, or all of the one `restored`.

    `expected` is the version that was read, `is_own` says that the agent itself asks. What changes nothing is no
    version, whatever was expected: it may be a repetition. Raises NotFound, Conflict, Denied, TooLarge.
    """

    agent_id: str
    expected: int
    actor: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    restored: int | None = None
    note: str = ""
    is_own: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsStopped:
    """Answer of StopAgent and StartAgent: the agents it made a difference to, and the tasks it interrupts."""

    agents: tuple[str, ...]
    interrupted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAgent(Operation[AgentsStopped]):
    """Let an agent claim nothing until it is started, and have its runs interrupted: their tasks go to others.

    With `recursive` also all agents below it, in the same transaction. Raises NotFound.
    """

    agent_id: str
    actor: str
    recursive: bool = False
    reason: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAgent(Operation[AgentsStopped]):
    """Let an agent that was stopped claim again, with `recursive` also those below it, however they were stopped.

    What a person stopped is not for agents to start: Denied, and passed over below. Raises NotFound.
    """

    agent_id: str
    actor: str
    recursive: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgentPermissions(Operation[AgentRecord]):
    """Give an agent a permission profile from its next attempt on; an empty name takes it away.

    Agents below it that would be allowed more get the same. Raises CannotBeEnforced where the agent's worker could not
    enforce it, and Denied for a profile wider than that of the agent above.
    """

    agent_id: str
    profile: Profile | None
    actor: str
    profiles: Profiles = STANDARD

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
