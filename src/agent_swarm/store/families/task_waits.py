"""Which tasks wait, or are about to, for the end of the tasks below them. Gone as soon as they go on."""

from dataclasses import dataclass

from agent_swarm.domain.tasks import TaskState
from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWait:
    """The attempt with this fence asked to be paused until all direct children of its task have ended."""

    task_id: str
    fence: int
    asked_at: int

    def is_under_way(self, state: TaskState) -> bool:
        """Whether the attempt that asked is still at work: its worker has yet to stop the run."""
        return state.is_held and state.fence == self.fence


TASK_WAITS = Family("task_wait", TaskWait, key=("task_id",))
