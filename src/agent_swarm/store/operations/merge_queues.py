"""The operation by which a merge queue moves on: once, in the transaction that files its tasks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_swarm.store.operations.base import Idempotency, Operation
from agent_swarm.store.operations.tasks import Capped, NewTask

if TYPE_CHECKING:
    from agent_swarm.store.events import Draft
    from agent_swarm.store.families.merge_queue import MergeQueue, QueueEntry, QueueTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """What came of it. `is_stale` says that the queue has changed since it was read, `is_held` that the kill switch is
    on for it.
    """

    is_stale: bool = False
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A result goes back to its author. `task` is what asks for it once more, if anything does."""

    entry: "QueueEntry"
    task: NewTask | None = None
    of_queue: "QueueTask | None" = None
    problem: str = ""  # why nothing asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class StepQueue(Operation[Stepped]):
    """Have the queue be `after`, as far as it is still at `version`.

    `landed` and `returns` are settled, `check` is filed as `of_check` says, `seen` are the news that this answers.
    """

    project_id: str
    version: int
    after: "MergeQueue"
    seen: tuple[str, ...] = ()
    landed: "tuple[QueueEntry, ...]" = ()
    returns: Return | None = None
    check: NewTask | None = None
    of_check: "QueueTask | None" = None
    drafts: "tuple[Draft, ...]" = ()

    @property
    def tasks(self) -> tuple[NewTask, ...]:
        """What it files."""
        followup = self.returns.task if self.returns is not None else None
        return tuple(task for task in (followup, self.check) if task is not None)

    @property
    def capped(self) -> Capped | None:
        """None: no agent files this."""
        return None

    @property
    def idempotency(self) -> Idempotency | None:
        """None: the version is its key."""
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mergeQueue:{self.project_id}",)

    @property
    def weight(self) -> int:
        return 1 + len(self.landed) + len(self.tasks)

    @property
    def is_alone(self) -> bool:
        return any(task.budgets for task in self.tasks)
