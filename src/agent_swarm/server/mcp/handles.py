"""Our tasks as tasks of the protocol: the extension `io.modelcontextprotocol/tasks` in the revision 2026-07-28.

A task of the protocol ends with the answer of the tool call that began it. So one that has failed here is completed
there, with an answer that says `isError`; `failed` is for a call that broke, which a task that was filed never does.
"""

from typing import Any

from agent_swarm.domain.tasks import TERMINAL, TaskStatus
from agent_swarm.protocol import rest
from agent_swarm.server.mcp.catalogue import rendered

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS = 2000


def handle(task: rest.Task) -> dict[str, Any]:
    """What is said of every task."""
    status = TaskStatus(task.status)
    said = {
        "taskId": task.id,
        "status": _status(status),
        "statusMessage": f"{task.status}: {task.progress}" if task.progress and status not in TERMINAL else task.status,
        "createdAt": task.created_at,
        "lastUpdatedAt": task.updated_at,
        "ttlMs": None,
    }
    return said if status in TERMINAL else {**said, "pollIntervalMs": POLL_MS}


def with_result(task: rest.Task) -> dict[str, Any]:
    """A task with what came of it, where it has ended."""
    match TaskStatus(task.status):
        case TaskStatus.COMPLETED:
            return {**handle(task), "result": _answer(task.result or {}, is_error=False)}
        case TaskStatus.FAILED:
            return {**handle(task), "result": _answer(task.failure or {}, is_error=True)}
        case _:
            return handle(task)


def _status(status: TaskStatus) -> str:
    if status is TaskStatus.CANCELLED:
        return "cancelled"
    return "completed" if status in TERMINAL else "working"


def _answer(said: dict[str, Any], *, is_error: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": rendered(said)}], "isError": is_error}
