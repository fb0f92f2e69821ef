"""Operations on projects and tasks: what people and lead agents ask for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_swarm.domain.budgets import Budget
from agent_swarm.domain.caps import Caps
from agent_swarm.domain.commands import Command
from agent_swarm.domain.tasks import TaskState
from agent_swarm.store.operations.base import Idempotency, Operation
from agent_swarm.store.records import AttemptReport, Edge, ProjectRecord, TaskRecord, TaskSpec

if TYPE_CHECKING:
    from agent_swarm.store.families.stated_outcomes import StatedOutcome
    from agent_swarm.store.families.task_terms import TaskTerms
    from agent_swarm.store.families.triggers import TaskTrigger
    from agent_swarm.store.families.workflows import WorkflowPart


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateProject(Operation[ProjectRecord]):
    """Add a project; refused with AlreadyExists where the name is taken by another repository, else the same again."""

    project: ProjectRecord
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"project:{self.project.name}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTo:
    """The agent that a new task is shown to first, for `ttl` microseconds."""

    agent_id: str
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to create, with its edges. `backlog` keeps it out of the queue; `not_before` is its start time."""

    spec: TaskSpec
    edges: tuple[Edge, ...] = ()
    backlog: bool = False
    not_before: int | None = None
    max_attempts: int = 3
    max_losses: int = 10
    offer: OfferedTo | None = None  # of one that waits for nothing
    terms: "TaskTerms | None" = None  # where `spec.has_terms`
    budgets: tuple[Budget, ...] = ()  # its own; with `spec.id`, and `begun` when it is filed
    triggers: "tuple[TaskTrigger, ...]" = ()
    part: "WorkflowPart | None" = None  # of one that is part of a workflow

    @property
    def is_claimable(self) -> bool:
        """It waits for nothing but a worker."""
        return not self.edges and not self.backlog and self.not_before is None and self.offer is None


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

    @property
    def is_alone(self) -> bool:
        return any(task.budgets for task in self.tasks)  # who claims has to know that there are budgets


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConversation(Operation[str]):
    """Give an idle agent one task in which it reads what waits for it; answers its id, empty where none is needed."""

    agent_id: str
    task: NewTask

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mail:agent:{self.agent_id}",)

    @property
    def is_alone(self) -> bool:
        return bool(self.task.budgets)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """Answer of TaskCommand; `repeated` when the same was already done."""

    state: TaskState
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand(Operation[CommandReply]):
    """Carry out one of `domain.commands` on one task. `note` goes into the event, `report` onto the attempt.

    `restated`, pure, says what is to be carried out instead where the attempt's agent has stated an outcome.
    """

    command: Command
    actor: str
    report: AttemptReport = AttemptReport()
    note: Mapping[str, Any] = field(default_factory=dict)
    restated: "Callable[[StatedOutcome], TaskCommand] | None" = None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.command.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditTask(Operation[CommandReply]):
    """Have a task that nobody has taken up say something else; None leaves it. `any_tag` goes with `labels`.

    Raises IllegalTransition for one that is under way or has ended: its agent was told what there was.
    """

    task_id: str
    actor: str
    title: str | None = None
    prompt: str | None = None
    labels: tuple[str, ...] | None = None
    any_tag: bool | None = None  # one of `labels` has to fit whoever runs it; None: whom it is for stays as it is

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)

    @property
    def fields(self) -> tuple[str, ...]:
        """What is to be different."""
        named = (("title", self.title), ("prompt", self.prompt), ("tags", self.labels))
        return tuple(name for name, value in named if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprioritize(Operation[CommandReply]):
    """Give a task that has not ended another priority."""

    task_id: str
    priority: int
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)
