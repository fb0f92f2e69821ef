"""What people and agents tell a task to do; each function is one command, which the store carries out or refuses."""

from agent_swarm.domain import commands
from agent_swarm.domain.errors import Denied
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.operations import ReportProgress, Reprioritize, TaskCommand


def cancel(task_id: str, reason: str, *, by: Identity) -> TaskCommand:
    """End a task for good, whatever it is doing (rule T11)."""
    note = {"reason": reason} if reason else {}
    return TaskCommand(command=commands.Cancel(task_id=task_id), actor=by.actor, note=note)


def request_pause(task_id: str, *, by: Identity) -> TaskCommand:
    """Have a run interrupted; the worker does it, and the task then waits for `resume` (rule T6)."""
    return TaskCommand(command=commands.RequestPause(task_id=task_id), actor=by.actor)


def resume(task_id: str, *, by: Identity) -> TaskCommand:
    """Put a paused task back into the queue, for any agent."""
    return TaskCommand(command=commands.Resume(task_id=task_id), actor=by.actor)


def shelve(task_id: str, *, by: Identity) -> TaskCommand:
    """Take a task out of the queue until it is promoted."""
    return TaskCommand(command=commands.Shelve(task_id=task_id), actor=by.actor)


def promote(task_id: str, *, by: Identity) -> TaskCommand:
    """Put a task of the backlog into the queue."""
    return TaskCommand(command=commands.Promote(task_id=task_id), actor=by.actor)


def reprioritize(task_id: str, priority: int, *, by: Identity) -> Reprioritize:
    """Give a task another place in the queue."""
    return Reprioritize(task_id=task_id, priority=priority, actor=by.actor)


def report_progress(task_id: str, text: str, redactor: Redactor, *, by: Identity) -> ReportProgress:
    """Say how far an attempt is, with its own token; never changes a status (rule T3)."""
    if by.task_id != task_id or by.fence is None:
        raise Denied(
            "progress is reported with the token of the attempt that runs the task",
            hint="use the token the agent was started with, on its own task",
            details={"taskId": task_id},
        )
    return ReportProgress(task_id=task_id, fence=by.fence, text=redactor.text(text), actor=by.actor)
