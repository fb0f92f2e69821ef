"""The operation by which a schedule starts something: once per instant, in the transaction that makes the tasks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_swarm.store.operations.base import Idempotency, Operation
from agent_swarm.store.operations.tasks import Capped, NewTask

if TYPE_CHECKING:
    from agent_swarm.store.families.schedules import ScheduleRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What came of it. `run` is None where nothing was to be done.

    `is_stale` says that the schedule was changed or removed since it was read, `is_held` that the kill switch is on for
    everything, `is_held_alone` that it is on for a swarm of its tasks, `has_more` that something is due at once,
    `lateness` how late a planned run began, in microseconds.
    """

    run: "ScheduleRun | None" = None
    is_stale: bool = False
    is_held: bool = False
    is_held_alone: bool = False
    has_more: bool = False
    is_replayed: bool = False
    lateness: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why what a schedule starts does not fit any more: the code and message of a refusal."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person or a lead wants a run now, beside the plan."""

    by: str
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FireSchedule(Operation[Fired]):
    """Do what is due of a schedule, as far as version `version` of it is still there; or start it now, where `asked`.

    `tasks` are those of one run, ready to be filed; a `problem` stands in their place where they cannot be. Who comes
    second finds that nothing is due any more. A run that was asked for is refused where an earlier one is open.
    """

    schedule_id: str
    version: int
    tasks: tuple[NewTask, ...] = ()
    capped: Capped | None = None
    problem: Problem | None = None
    asked: Asked | None = None

    @property
    def idempotency(self) -> Idempotency | None:
        """The request for a run, under its key."""
        return self.asked.idempotency if self.asked else None

    @property
    def swarms(self) -> frozenset[str | None]:
        """The swarms of the tasks; None for tasks in none."""
        return frozenset(new.spec.swarm_id for new in self.tasks)

    @property
    def keys(self) -> tuple[str, ...]:
        asked = self.idempotency
        once = (f"idempotency:{asked.subject}:{asked.route}:{asked.key}",) if asked else ()
        return (f"schedule:{self.schedule_id}", *once)

    @property
    def weight(self) -> int:
        return max(1, len(self.tasks))

    @property
    def is_alone(self) -> bool:
        return any(task.budgets for task in self.tasks)
