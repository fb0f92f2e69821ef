"""How far the say of a running agent reaches: to the tasks below its own."""

from agent_swarm.domain.errors import Denied
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries


def require_below(queries: Queries, task_id: str, *, by: Identity) -> None:
    """Raise Denied where an attempt's token means a task that is not below its own; people have a say in every task.

    Refuses in the same words whether or not the task exists. A task never changes its parent, so what is found counts.
    """
    if by.task_id is None:
        return
    task = queries.task(task_id)
    while task is not None and task.spec.parent_id:
        if task.spec.parent_id == by.task_id:
            return
        task = queries.task(task.spec.parent_id)
    raise Denied(
        f"task {task_id!r} is not below task {by.task_id!r} of this token",
        hint="a running agent has a say in tasks below its own; to others it can write: POST /api/messages",
        details={"taskId": task_id},
    )
