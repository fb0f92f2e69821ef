"""Our tasks as tasks of the protocol: the extension `io.modelcontextprotocol/tasks` in the revision 2026-07-28.

A task of the protocol ends with the answer of the tool call that began it. So one that has failed here is completed
there, with an answer that says `isError`; `failed` is for a call that broke, which a task that was filed never does.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from agent_swarm.domain.approvals import QuestionKind
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.tasks import TERMINAL, TaskStatus
from agent_swarm.protocol import rest, rest_approvals
from agent_swarm.server import problems
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


def with_result(task: rest.Task, *, asks: Sequence[rest_approvals.Approval] = ()) -> dict[str, Any]:
    """A task with what came of it, where it has ended, or with what it asks people."""
    if asks:
        return {**handle(task), "status": "input_required", "inputRequests": {one.id: _request(one) for one in asks}}
    match TaskStatus(task.status):
        case TaskStatus.COMPLETED:
            return {**handle(task), "result": _answer(task.result or {}, is_error=False)}
        case TaskStatus.FAILED:
            return {**handle(task), "result": _answer(task.failure or {}, is_error=True)}
        case _:
            return handle(task)


def answer_to(approval: rest_approvals.Approval, response: Any) -> rest_approvals.AnswerInput | None:
    """What a person said to an approval in the words of the protocol; None where they said nothing.

    Raises InvalidInput for a response that is none.
    """
    action = response.get("action") if isinstance(response, dict) else None
    match action:
        case None if response is None:
            return None
        case "cancel":  # dismissed without a choice
            return None
        case "decline":
            return rest_approvals.AnswerInput(answers={}, deny=True)
        case "accept":
            content = response.get("content") or {}
            if isinstance(content, dict):
                return _accepted(content)
    raise InvalidInput(
        f"the response to {approval.id} has neither action accept with content, nor decline, nor cancel",
        hint="answer as elicitation/create asks",
        details={"field": f"inputResponses.{approval.id}"},
    )


def _accepted(content: dict[str, Any]) -> rest_approvals.AnswerInput:
    try:
        return rest_approvals.AnswerInput(answers=content)
    except ValidationError as exc:
        raise problems.from_validation(exc) from None


def _request(approval: rest_approvals.Approval) -> dict[str, Any]:
    """An approval as a form for people."""
    said = [approval.title, approval.details]
    asked = {question.id: _field(question) for question in approval.questions}
    return {
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": "\n\n".join(text for text in said if text),
            "requestedSchema": {"type": "object", "properties": asked, "required": list(asked)},
        },
    }


def _field(question: rest_approvals.Question) -> dict[str, Any]:
    match question.kind:
        case QuestionKind.YES_NO:
            return {"type": "boolean", "description": question.text}
        case QuestionKind.CHOICE:
            return {"type": "string", "description": question.text, "enum": list(question.choices)}
        case QuestionKind.TEXT:
            return {"type": "string", "description": question.text}


def _status(status: TaskStatus) -> str:
    if status is TaskStatus.CANCELLED:
        return "cancelled"
    return "completed" if status in TERMINAL else "working"


def _answer(said: dict[str, Any], *, is_error: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": rendered(said)}], "isError": is_error}
