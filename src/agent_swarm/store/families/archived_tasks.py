"""Tasks that somebody has put aside: they stay in the history, and lists of a swarm's tasks leave them out."""

from dataclasses import dataclass

from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedTask:
    """When a task was put aside, and by whom."""

    task_id: str
    archived_at: int
    archived_by: str


ARCHIVED_TASKS = Family("archived_task", ArchivedTask, key=("task_id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveTask(RecordOperation[ArchivedTask]):
    """Put a task aside; the same again is no change."""

    task_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"archive:{self.task_id}",)

    def carry_out(self, desk: Desk) -> ArchivedTask:
        """Once is enough."""
        known = desk.get(ARCHIVED_TASKS, self.task_id)
        if known is None:
            known = ArchivedTask(task_id=self.task_id, archived_at=desk.now, archived_by=self.actor)
            desk.put(ARCHIVED_TASKS, known)
            desk.say(
                Draft(
                    type="task.archived",
                    actor=self.actor,
                    subject_kind="task",
                    subject_id=self.task_id,
                    task_id=self.task_id,
                    data={},
                )
            )
        return known
