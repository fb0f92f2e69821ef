"""A merge queue moves on: exactly once from where it stands, in the transaction that files what it needs.

The queue's row is locked first; whoever comes second finds another version, and does nothing. What cannot be filed is
no reason to lose what a check has found out: a queue whose check is refused stands still and says why, and a result
goes back without a task that asks for it.
"""

from dataclasses import replace

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.kill_switch import NO_AGENT, stopping
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.tasks import create_tasks
from agent_swarm.store.applying.work import Work
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.merge_queue import (
    MERGE_QUEUES,
    QUEUE_NEWS,
    QUEUE_TASKS,
    MergeQueue,
    put_queue,
    settle,
    told,
    trim,
)
from agent_swarm.store.operations.merge_queues import Return, Stepped, StepQueue


def step_queue(work: Work, op: StepQueue) -> Stepped:
    """Have the queue be as `op` says, where nobody else has moved it on."""
    queue = work.get(MERGE_QUEUES, op.project_id)
    if queue is None or queue.version != op.version:
        return Stepped(is_stale=True)
    swarms = {task.spec.swarm_id for task in op.tasks}
    if op.tasks and stopping(work.rows.killed(), NO_AGENT, *swarms) is not None:
        return Stepped(is_held=True)
    for draft in op.drafts:
        work.say(draft)
    for entry in op.landed:
        settle(work, entry)
    if op.returns is not None:
        _give_back(work, op.returns)
    after = _checked(work, op)
    if op.landed or op.returns:
        trim(work, op.project_id)
    for seen in op.seen:
        work.remove(QUEUE_NEWS, op.project_id, seen)
    if after != queue:
        put_queue(work, after)
    return Stepped()


def _checked(work: Work, op: StepQueue) -> MergeQueue:
    """The queue with its next check filed."""
    if op.check is None or op.of_check is None:
        return op.after
    problem = _file(work, op.check)
    if problem is None:
        work.add(QUEUE_TASKS, [op.of_check])
        of = {"checkId": op.check.spec.id, "taskIds": list(op.of_check.of)}
        work.say(told("mergeQueue.checking", op.project_id, of, actor=SYSTEM))
        return op.after
    halted = replace(op.after, check_task_id=None, check_size=0).halted(problem.code, problem.message)
    why = {"code": problem.code, "message": halted.halt_message}
    work.say(told("mergeQueue.halted", op.project_id, why, actor=SYSTEM))
    return halted


def _give_back(work: Work, op: Return) -> None:
    """Settle a result that does not fit, and file what asks for it once more. Its agent is asked first, if it can."""
    entry, problem = op.entry, op.problem
    if op.task is not None and op.of_queue is not None:
        refused = _file(work, op.task)
        if refused is not None and op.task.offer is not None:
            refused = _file(work, replace(op.task, offer=None))
        if refused is None:
            work.add(QUEUE_TASKS, [op.of_queue])
            entry = replace(entry, followup_id=op.task.spec.id)
        problem = refused.message if refused is not None else ""
    settle(work, entry)
    data: dict[str, object] = {"code": entry.code, "checkId": entry.check_task_id, "message": entry.message[-500:]}
    data |= {"followUpId": entry.followup_id} if entry.followup_id else {"problem": problem[:500]}
    work.say(told("mergeQueue.returned", entry.project_id, data, actor=SYSTEM, task_id=entry.task_id))


def _file(work: Work, new: ops.NewTask) -> SwarmError | None:
    """File a task; why that was refused, before anything of it was written."""
    try:
        create_tasks(work, ops.CreateTasks(tasks=(new,), actor=new.spec.created_by))
    except SwarmError as refused:
        return refused
    return None
