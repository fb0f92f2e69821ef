"""The REST shapes of approvals: what agents ask, and what people answer."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain import approvals as bounds
from agent_swarm.domain.approvals import ApprovalStatus, QuestionKind
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Output, Text, at_most

QuestionId = Annotated[Text, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Choice = Annotated[Text, Field(min_length=1, max_length=bounds.CHOICE_CHARS)]


class QuestionInput(Input):
    """One question; `choices` are for the kind `choice`. Without an id it is `q1`, `q2` and so on, by its place."""

    id: QuestionId | None = None
    text: Annotated[Text, Field(min_length=1, max_length=bounds.QUESTION_CHARS)]
    kind: QuestionKind = QuestionKind.YES_NO
    choices: Annotated[list[Choice], Field(default_factory=list, max_length=bounds.CHOICES)]


class ApprovalInput(Input):
    """Body of `POST /api/approvals`: what people are asked. Without questions they approve or deny.

    With `pause` the task stops until there is an answer, and its next attempt is told; without, the attempt goes on
    and looks. Where nobody answers in time, that means no.
    """

    title: Annotated[Text, Field(min_length=1, max_length=bounds.TITLE_CHARS)]
    details: Annotated[Text, Field(max_length=bounds.DETAILS_CHARS)] = ""
    questions: Annotated[list[QuestionInput], Field(default_factory=list, max_length=bounds.QUESTIONS)]
    expires_in_seconds: Annotated[float, Field(ge=1, le=bounds.MAX_EXPIRY_SECONDS, strict=True)] | None = None
    pause: Annotated[bool, Field(strict=True)] = False


class AnswerInput(Input):
    """Body of `POST /api/approvals/{id}/answer`: an answer to every question by its id, or `deny`."""

    answers: Annotated[dict[str, Any], Field(default_factory=dict, max_length=bounds.QUESTIONS)]
    deny: Annotated[bool, Field(strict=True)] = False
    comment: Annotated[Text, Field(max_length=bounds.COMMENT_CHARS)] = ""


class Question(Output):
    """One question."""

    id: str
    text: str
    kind: QuestionKind
    choices: Annotated[list[str], at_most(bounds.CHOICES)]


class Approval(Output):
    """What an agent asks people. `answers` are by the id of their question; all but `answered` mean no."""

    id: str
    task_id: str
    attempt: int
    agent_id: str
    title: str
    details: str
    questions: Annotated[list[Question], at_most(bounds.QUESTIONS)]
    pause: bool
    status: ApprovalStatus
    asked_at: str
    expires_at: str
    settled_at: str | None
    settled_by: str | None
    answers: dict[str, Any]
    comment: str
    budget_id: str | None  # of a question about a budget that is used up: no agent asked it


class ApprovalList(Output):
    """Some approvals: open ones by their expiry, others the latest first."""

    approvals: Annotated[list[Approval], at_most(limits.PAGE_MAX)]
    next_cursor: str | None
