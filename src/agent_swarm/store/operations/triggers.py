"""The operation by which a firing files a task or posts a message: once, in the transaction that settles it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_swarm.store.operations.base import Idempotency, Operation
from agent_swarm.store.operations.schedules import Problem
from agent_swarm.store.operations.tasks import Capped, NewTask

if TYPE_CHECKING:
    from agent_swarm.store.families.posting import PostMessage
    from agent_swarm.store.families.triggers import Firing


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of it: the firing as it is now; None where somebody else has settled it, or it is gone.

    `is_held` says that the kill switch is on for it.
    """

    firing: "Firing | None" = None
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFiring(Operation[Settled]):
    """Do what a firing says, where it is still pending: file `tasks` (one), or `post`.

    A `problem` stands in their place where that cannot be. `swarm_id` is that of the task that has ended.
    """

    firing_id: str
    swarm_id: str | None = None
    tasks: tuple[NewTask, ...] = ()
    capped: Capped | None = None
    post: "PostMessage | None" = None
    problem: Problem | None = None

    @property
    def idempotency(self) -> Idempotency | None:
        """None: a firing is its own key."""
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"firing:{self.firing_id}",)

    @property
    def weight(self) -> int:
        return 1 if self.post is None else self.post.weight

    @property
    def is_alone(self) -> bool:
        return any(task.budgets for task in self.tasks)
