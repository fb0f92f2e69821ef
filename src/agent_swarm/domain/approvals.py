"""What agents ask people: questions, what answers them, and what silence means. Silence is no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent_swarm.domain.errors import InvalidInput

TITLE_CHARS = 200
DETAILS_CHARS = 16_000
QUESTIONS = 20
QUESTION_CHARS = 2_000
CHOICES = 20
CHOICE_CHARS = 200
ANSWER_CHARS = 10_000
COMMENT_CHARS = 2_000
EXPIRY_SECONDS = 3_600
MAX_EXPIRY_SECONDS = 30 * 86_400
OPEN_PER_TASK = 20
PER_TASK = 200


class ApprovalStatus(StrEnum):
    """Where an approval stands. All but the first are for good; all but `answered` mean no."""

    OPEN = "open"
    ANSWERED = "answered"
    DENIED = "denied"  # a person said no
    EXPIRED = "expired"  # nobody said anything
    CLOSED = "closed"  # its task ended first


class QuestionKind(StrEnum):
    """What an answer looks like: a text, one of the choices, or yes or no."""

    TEXT = "text"
    CHOICE = "choice"
    YES_NO = "yesNo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of an approval."""

    id: str
    text: str
    kind: QuestionKind
    choices: tuple[str, ...] = ()

    def stored(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"id": self.id, "text": self.text, "kind": self.kind.value, "choices": list(self.choices)}

    @classmethod
    def from_stored(cls, kept: Mapping[str, Any]) -> "Question":
        """What `stored` made."""
        return cls(id=kept["id"], text=kept["text"], kind=QuestionKind(kept["kind"]), choices=tuple(kept["choices"]))


def require_answers(questions: Sequence[Question], answers: Mapping[str, Any]) -> None:
    """Refuse answers that do not fit: InvalidInput, naming the question. Every question has to be answered."""
    known = {question.id for question in questions}
    if unknown := sorted(set(answers) - known):
        raise _misfit(unknown[0], f"there is no question {unknown[0]!r}", f"questions: {', '.join(sorted(known))}")
    for question in questions:
        if question.id not in answers:
            raise _misfit(question.id, f"question {question.id!r} is not answered", "answer every question, or deny")
        answer = answers[question.id]
        match question.kind:
            case QuestionKind.YES_NO if not isinstance(answer, bool):
                raise _misfit(question.id, f"question {question.id!r} wants yes or no", "true or false")
            case QuestionKind.CHOICE if answer not in question.choices:
                raise _misfit(
                    question.id, f"question {question.id!r} wants one of its choices", f"{', '.join(question.choices)}"
                )
            case QuestionKind.TEXT if not isinstance(answer, str) or not 0 < len(answer) <= ANSWER_CHARS:
                raise _misfit(
                    question.id, f"question {question.id!r} wants a text", f"1 to {ANSWER_CHARS:,} characters"
                )


def account(
    title: str, status: ApprovalStatus, questions: Sequence[Question], answers: Mapping[str, Any], comment: str
) -> str:
    """What became of an approval, for the agent that asked."""
    lines = [f"You asked: {title}", f"Outcome: {_OUTCOMES[status]}"]
    if status is ApprovalStatus.ANSWERED:
        lines += [f"- {question.text}\n  Answer: {_said(answers.get(question.id))}" for question in questions]
    if comment:
        lines.append(f"Comment: {comment}")
    return "\n".join(lines)


_OUTCOMES = {
    ApprovalStatus.OPEN: "nobody has answered yet",
    ApprovalStatus.ANSWERED: "a person answered",
    ApprovalStatus.DENIED: "a person denied it: do not do it",
    ApprovalStatus.EXPIRED: "nobody answered in time, which means no: do not do it",
    ApprovalStatus.CLOSED: "the task ended first",
}


def _said(answer: object) -> str:
    return {True: "yes", False: "no"}[answer] if isinstance(answer, bool) else str(answer)


def _misfit(question: str, message: str, expected: str) -> InvalidInput:
    return InvalidInput(message, hint=f"expected: {expected}", details={"field": f"answers.{question}"})
