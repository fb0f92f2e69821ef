"""How long a run may take: the `timeout` of its task, from the start of the run on, without the time that it is paused.

The worker ends a run that takes longer, in good order. The server does it where the worker does not, a grace later, by
a timer of the task that moves the fence.
"""

from agent_swarm.domain.tasks import TaskState
from agent_swarm.domain.time import SECOND

# What a worker may take to interrupt the agent, save its work and deliver: as long as two leases.
GRACE = 60 * SECOND
LEAST = 1 * SECOND  # what a run gets that was paused at its very end
TIMED_OUT = "timeout"  # the code of the failure


def left(task: TaskState) -> int | None:
    """How long the next run may take, in microseconds; None where it may take as long as it wants."""
    return None if task.timeout is None else max(LEAST, task.timeout - task.time_used)


def overdue_at(task: TaskState, now: int) -> int | None:
    """When the server ends a run that starts `now`."""
    span = left(task)
    return None if span is None else now + span + GRACE


def ends_at(task: TaskState) -> int | None:
    """When the worker ends the run that goes on; None where none does, or it has no bound."""
    return None if task.overdue_at is None else task.overdue_at - GRACE


def used(task: TaskState, now: int) -> int:
    """How much of its time the task has used, with the run that goes on; for one that is paused now."""
    end = ends_at(task)
    if end is None or task.timeout is None:
        return task.time_used
    return min(task.timeout, max(task.time_used, task.timeout - max(0, end - now)))
