"""Operations: values that say what to write.

A service function builds one, with ids, tokens and jitter already drawn, and hands it to `Store.apply`. The store
collects the operations of a moment, applies them together in the order of `PHASES` below, each kind set-based, and
commits once. Each operation gets its own answer, or its own refusal, and sees nothing of the others.

Within one batch no two operations share a key, so that the result does not depend on their order. Dependency cascades
run after all commands of the batch.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from agent_swarm.domain.caps import Caps
from agent_swarm.domain.commands import Command
from agent_swarm.domain.kill_switch import REQUEST, Activation, Switch, SwitchScope
from agent_swarm.domain.permissions import STANDARD, Profile, Profiles
from agent_swarm.domain.tasks import TaskState
from agent_swarm.store.records import (
    AgentRecord,
    AttemptReport,
    ClaimedTask,
    Edge,
    ProjectRecord,
    TaskRecord,
    TaskSpec,
    TokenRecord,
)

if TYPE_CHECKING:
    from agent_swarm.store.events import Draft
    from agent_swarm.store.families.family import Family

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Operation(Generic[R_co]):
    """Something to write; `R_co` is its answer."""

    __slots__ = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What it touches; of two operations with a common key only one fits into a batch."""
        return ()

    @property
    def weight(self) -> int:
        """About how many rows it decides on."""
        return 1

    @property
    def is_urgent(self) -> bool:
        """It goes before everything that waits, and is taken however much that is."""
        return False


class Desk(Protocol):
    """Where an operation on small records works: in the transaction of its batch."""

    @property
    def now(self) -> int:
        """The instant of the batch."""
        ...

    def get(self, family: "Family[T]", *key: Any) -> T | None:
        """The record under this key, locked where others could write it."""
        ...

    def scan(self, family: "Family[T]", *prefix: Any, after: tuple[Any, ...] | None = None, limit: int) -> list[T]:
        """The first records whose key begins with `prefix`, in the order of keys; `after` is the rest of a key."""
        ...

    def put(self, family: "Family[T]", record: T) -> None:
        """Add a record, or replace the one under its key."""
        ...

    def remove(self, family: "Family[T]", *key: Any) -> bool:
        """Remove the record under this key; whether there was one."""
        ...

    def say(self, draft: "Draft") -> None:
        """Have an event of what was done."""
        ...


class RecordOperation(Operation[R_co]):
    """An operation on records that are kept under keys (`store/families`); it says itself what it does."""

    __slots__ = ()

    @abstractmethod
    def carry_out(self, desk: Desk) -> R_co:
        """Do it, or refuse by raising a SwarmError before anything is put or removed."""


class ApprovalOperation(Operation[R_co]):
    """An operation on what tasks ask people, and on the tasks that wait for it (`store/asking`)."""

    __slots__ = ()

    @property
    @abstractmethod
    def task_ids(self) -> tuple[str, ...]:
        """The tasks that asked."""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f"task:{task_id}" for task_id in sorted(set(self.task_ids)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """The same request twice acts once: per (subject, route), for 24 h; another body under the same key is refused."""

    subject: str
    route: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An attempt a worker says it holds."""

    task_id: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchReply:
    """Answer of what uses the kill switch; `repeated` where it was so already, `resumed` how many tasks go on."""

    switch: Switch
    repeated: bool = False
    resumed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOperation(Operation[SwitchReply]):
    """Something about one switch; no other batch is under way while it is applied."""

    scope: SwitchScope
    scope_id: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return ("killSwitch",)

    @property
    def is_urgent(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateKillSwitch(SwitchOperation):
    """End every attempt that the switch covers, its tokens with it, and let nothing be claimed until it is lifted."""

    asked: Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftKillSwitch(SwitchOperation):
    """Let work go on; with `resume` also the tasks that the latest activation paused and nobody has decided about."""

    by: str
    source: str = REQUEST
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeKill(Operation[bool]):
    """A worker has ended everything that ran; answers whether somebody waited for that."""

    activation: str
    agent_id: str
    runs: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"killSwitch:{self.agent_id}",)


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
    """

    agent: AgentRecord
    token: TokenRecord
    held: tuple[Held, ...] = ()
    jitter: float = 0.0
    profiles: Profiles = STANDARD

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateProject(Operation[ProjectRecord]):
    """Add a project; refused with AlreadyExists where the name is taken by another repository, else the same again."""

    project: ProjectRecord
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"project:{self.project.name}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to create, with its edges. `backlog` keeps it out of the queue; `not_before` is its start time."""

    spec: TaskSpec
    edges: tuple[Edge, ...] = ()
    backlog: bool = False
    not_before: int | None = None
    max_attempts: int = 3
    max_losses: int = 10

    @property
    def is_claimable(self) -> bool:
        """It waits for nothing but a worker."""
        return not self.edges and not self.backlog and self.not_before is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """Answer of CreateTasks: the ids in the order asked for, and the tasks as they were made.

    `replayed` when an earlier request with this key made them; `records` is empty then.
    """

    task_ids: tuple[str, ...]
    replayed: bool = False
    records: tuple[TaskRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capped:
    """An agent files this, and may file no more than `caps` allow."""

    agent_id: str
    caps: Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTasks(Operation[Created]):
    """Create tasks together or not at all; upstreams outside the batch must exist (UnknownReference), as must
    projects and agents. Raises CapReached where an agent would file more than it may.

    `tasks` come after the tasks of the batch they wait for.
    """

    tasks: tuple[NewTask, ...]
    actor: str
    idempotency: Idempotency | None = None
    capped: Capped | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        asked = self.idempotency
        return (f"idempotency:{asked.subject}:{asked.route}:{asked.key}",) if asked else ()

    @property
    def weight(self) -> int:
        return len(self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """Answer of TaskCommand; `repeated` when the same was already done."""

    state: TaskState
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand(Operation[CommandReply]):
    """Carry out one of `domain.commands` on one task. `note` goes into the event, `report` onto the attempt."""

    command: Command
    actor: str
    report: AttemptReport = AttemptReport()
    note: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.command.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprioritize(Operation[CommandReply]):
    """Give a task that has not ended another priority."""

    task_id: str
    priority: int
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimers(Operation[int]):
    """Carry out up to `limit` due timers; answers how many. `leases=False` leaves lapsed leases alone (rule T7)."""

    jitter: float
    leases: bool = True
    limit: int = 500

    @property
    def keys(self) -> tuple[str, ...]:
        return ("timers",)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseVerdict:
    """What became of a lease a worker asked to renew.

    `wants` is `cancel`, `pause` or empty; `current_fence` None: unknown task.
    """

    task_id: str
    fence: int
    renewed: bool
    wants: str = ""
    current_fence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Operation[tuple[LeaseVerdict, ...]]):
    """Renew all leases an instance holds, in one statement; raises Superseded for an instance that is no longer the
    agent's.
    """

    agent_id: str
    instance_id: str
    lease: int
    leases: tuple[Held, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"agent:{self.agent_id}",)

    @property
    def weight(self) -> int:
        return max(1, len(self.leases))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProgress(Operation[CommandReply]):
    """Set the progress text of a running attempt; never changes a status (rule T3)."""

    task_id: str
    fence: int
    text: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookUsage(Operation[bool]):
    """Book money and tokens spent, whatever became of the lease; deduplicated by (task, attempt, seq). Answers
    whether it was new.
    """

    task_id: str
    attempt: int
    seq: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    model: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"usage:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTask(Operation[ClaimedTask | None]):
    """Answer one credit: the first ready task of the classes served, under a new attempt, fence and lease; None when
    there is none.

    The same `claim_id` again answers the same attempt while it is held, under the new token. Raises Superseded for an
    instance that is no longer the agent's.
    """

    claim_id: str
    agent_id: str
    instance_id: str
    class_ids: tuple[int, ...]
    lease: int
    token: TokenRecord  # the attempt's; task, fence and what its profile lets it do are filled in
    profiles: Profiles = STANDARD
    filing: frozenset[str] = frozenset()  # the scopes that only a profile under which agents may file leaves

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"claim:{self.claim_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune(Operation[int]):
    """Remove what can no longer matter: idempotency keys over their day, tokens of attempts that ended a day ago.

    Answers how many rows went, at most `limit` of each kind.
    """

    limit: int = 1_000

    @property
    def keys(self) -> tuple[str, ...]:
        return ("prune",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropArchived(Operation[int]):
    """Remove the rows of the first `limit` events that are archived; answers how many there were."""

    limit: int = 2_000

    @property
    def keys(self) -> tuple[str, ...]:
        return ("checkpoint",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindUnserved(Operation[int]):
    """Find the requirement classes whose claimable tasks no agent that is online could take; answers how many.

    Each gets the event `task.noEligibleAgent` once it has waited for `patience`, and again only after somebody came.
    An agent is online that was seen within `silence` and has not said goodbye.
    """

    patience: int
    silence: int

    @property
    def keys(self) -> tuple[str, ...]:
        return ("unserved",)


PHASES: tuple[type[Operation[Any]], ...] = (
    ActivateKillSwitch,
    LiftKillSwitch,
    AcknowledgeKill,
    RecordOperation,
    PutToken,
    RevokeToken,
    RegisterAgent,
    SetAgentPermissions,
    SignOff,
    CreateProject,
    CreateTasks,
    TaskCommand,
    Reprioritize,
    ApprovalOperation,
    RunTimers,
    Heartbeat,
    ReportProgress,
    BookUsage,
    ClaimTask,
    FindUnserved,
    Prune,
    DropArchived,
)


def phase_of(operation: Operation[Any]) -> type[Operation[Any]]:
    """The phase an operation belongs to."""
    return next((kind for kind in (RecordOperation, ApprovalOperation) if isinstance(operation, kind)), type(operation))
