"""Tasks that wait for the tasks below them (rule T6): an attempt asks for it, and the server ends it."""

from agent_swarm.domain.commands import RequestPause, Resume
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.transitions import require_lease
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.task_waits import TASK_WAITS, TaskWait


def wait_for_tasks(work: Work, op: ops.WaitForTasks) -> ops.CommandReply:
    """Have the run of this attempt interrupted until the tasks below it have ended."""
    require_lease(work.must(op.task_id).state, op.fence, "wait for tasks")
    reply = work.decide(RequestPause(task_id=op.task_id, reason=PauseReason.TASKS), actor=op.actor)
    if not reply.repeated:
        work.put(TASK_WAITS, TaskWait(task_id=op.task_id, fence=op.fence, asked_at=work.now))
    return reply


def end_wait(work: Work, op: ops.EndWait) -> bool:
    """Let a task go on that still waits; whether it did. What a person or the kill switch paused stays paused."""
    found = work.get(TASK_WAITS, op.task_id)
    if found is None:
        return False
    state = work.must(op.task_id).state
    if found.is_under_way(state):
        return False
    work.remove(TASK_WAITS, op.task_id)
    if (state.status, state.pause_reason) != (TaskStatus.PAUSED, PauseReason.TASKS):
        return False
    work.decide(Resume(task_id=op.task_id), actor=SYSTEM)
    return True
