"""Approvals: attempts ask, people answer, time settles.

An attempt asks for its own task and sees what that task has asked. Only people answer, by a scope that no agent has.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from agent_swarm.domain.approvals import EXPIRY_SECONDS, ApprovalStatus, Question, QuestionKind
from agent_swarm.domain.errors import InvalidInput, NotFound
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.protocol import rest_approvals as rest
from agent_swarm.services import cursors
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.asking import AnswerApproval, AskApproval
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.approvals import APPROVAL_PLACES, APPROVALS, Approval, of_task
from agent_swarm.store.records import TokenKind

_NAMES = uuid.UUID("6f0f5a52-7a64-4f0e-9b0c-5d2f3c1f8f6e")  # ids of approvals that were asked under a key
HANDED_CHARS = 24_000


class Approvals:
    """The approvals of one store. `expiry` is how long a question waits that does not say so, in seconds."""

    def __init__(self, store: Store, redactor: Redactor, *, expiry: float = EXPIRY_SECONDS) -> None:
        self._store = store
        self._redactor = redactor
        self.expiry = expiry
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def news(self, approval_id: str) -> "asyncio.Future[None]":
        """A future that is done as soon as something becomes of this approval; shared by all who wait for it."""
        waiting = self._waiting.get(approval_id)
        if waiting is None or waiting.cancelled():
            waiting = self._waiting[approval_id] = asyncio.get_running_loop().create_future()
        return waiting

    def notify(self, approval_id: str) -> None:
        """Wake those who wait for this approval."""
        waiting = self._waiting.pop(approval_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def ask(self, wanted: rest.ApprovalInput, *, key: str | None, by: Identity) -> rest.Approval:
        """Ask people; the same under the same key is asked once per task, over all of its attempts.

        Raises InvalidInput, IdempotencyMismatch, StaleLease, and Conflict where the task asks too often.
        """
        assert by.task_id is not None and by.agent_id is not None and by.fence is not None
        questions = _questions(wanted)
        lasts = self.expiry if wanted.expires_in_seconds is None else wanted.expires_in_seconds
        asked = Approval(
            id=new_id() if key is None else str(uuid.uuid5(_NAMES, f"{by.task_id}\n{key}")),
            task_id=by.task_id,
            attempt=0,
            agent_id=by.agent_id,
            title=self._redactor.text(wanted.title),
            details=self._redactor.text(wanted.details),
            questions=tuple(self._redactor.value(question.stored()) for question in questions),
            pauses=wanted.pause,
            asked_digest=hashlib.sha256(orjson.dumps(wanted.model_dump(mode="json"))).hexdigest(),
            status=ApprovalStatus.OPEN,
            asked_at=0,
            expires_at=0,
            answers={},
        )
        put = AskApproval(approval=asked, fence=by.fence, lasts=round(lasts * SECOND), actor=by.actor)
        return _shown(await self._store.apply(put))

    async def answer(self, approval_id: str, wanted: rest.AnswerInput, *, by: Identity) -> rest.Approval:
        """Answer, or deny. Raises NotFound, InvalidInput, and Conflict where somebody was faster."""
        if wanted.deny and wanted.answers:
            raise InvalidInput(
                "an answer that denies has no answers", hint="leave `answers` out, or `deny`", details={"field": "deny"}
            )
        found = await self._store.read(lambda queries: _visible(queries, approval_id, by))
        answers = self._redactor.value(wanted.answers)
        put = AnswerApproval(
            approval_id=found.id,
            task_id=found.task_id,
            actor=by.actor,
            answers=answers,
            denies=wanted.deny,
            comment=self._redactor.text(wanted.comment),
        )
        return _shown(await self._store.apply(put))

    async def get(self, approval_id: str, *, by: Identity) -> rest.Approval:
        """One approval. Raises NotFound, also for one of another task than the attempt's."""
        return _shown(await self._store.read(lambda queries: _visible(queries, approval_id, by)))

    async def page(
        self, status: ApprovalStatus | None, *, task_id: str | None, cursor: str | None, limit: int, by: Identity
    ) -> rest.ApprovalList:
        """Approvals of one status; or of one task, where `task_id` is given or an attempt asks, of any status."""
        own = by.task_id if by.kind is TokenKind.ATTEMPT else task_id
        after = cursors.read_place(cursor)
        if own is not None:
            return await self._page_of_task(own, status, after=after, limit=limit)
        return await self._page_of(status or ApprovalStatus.OPEN, after=after, limit=limit)

    async def _page_of_task(
        self, task_id: str, status: ApprovalStatus | None, *, after: tuple[int, str] | None, limit: int
    ) -> rest.ApprovalList:
        """The latest first."""
        found = await self._store.read(lambda queries: of_task(queries, task_id))
        placed = sorted((-one.asked_at, one.id, one) for one in found if status in (None, one.status))
        following = [place for place in placed if after is None or place[:2] > after]
        shown, cursor = cursors.page(
            following[: limit + 1], limit, lambda place: cursors.after_place(place[0], place[1])
        )
        return rest.ApprovalList(approvals=[_shown(one) for _, _, one in shown], next_cursor=cursor)

    async def _page_of(self, status: ApprovalStatus, *, after: tuple[int, str] | None, limit: int) -> rest.ApprovalList:
        def reading(queries: Queries) -> tuple[list[Approval], str | None]:
            places = queries.scan(APPROVAL_PLACES, status, after=after, limit=limit + 1)
            shown, following = cursors.page(places, limit, lambda one: cursors.after_place(one.rank, one.id))
            found = [queries.record(APPROVALS, place.id) for place in shown]
            return [one for one in found if one is not None], following

        found, following = await self._store.read(reading)
        return rest.ApprovalList(approvals=[_shown(one) for one in found], next_cursor=following)


def question_for(
    approval_id: str,
    *,
    task_id: str,
    agent_id: str,
    title: str,
    details: str,
    question: tuple[str, str, QuestionKind],
) -> Approval:
    """One question, for which a task pauses, under an id that whoever asks has chosen: asked again it is the same."""
    name, text, kind = question
    told = [task_id, name, text]
    return Approval(
        id=approval_id,
        task_id=task_id,
        attempt=0,
        agent_id=agent_id,
        title=title,
        details=details,
        questions=(Question(id=name, text=text, kind=kind).stored(),),
        pauses=True,
        asked_digest=hashlib.sha256(orjson.dumps(told)).hexdigest(),
        status=ApprovalStatus.OPEN,
        asked_at=0,
        expires_at=0,
        answers={},
    )


def answers_to(queries: Queries, task_id: str) -> str:
    """What became of everything that a task asked, for the agent that goes on with it; the latest, where it is much.

    All of it, every time: the attempt that was to be told may have been lost before it began.
    """
    settled = [one for one in of_task(queries, task_id) if one.settled_at is not None and not one.budget_id]
    settled.sort(key=lambda one: (one.settled_at or 0, one.id), reverse=True)
    told, room = list[str](), HANDED_CHARS
    for one in settled:
        if room <= 0:
            break
        told.append(one.account[:room])
        room -= len(one.account)
    return "\n\n".join(reversed(told))


def _questions(wanted: rest.ApprovalInput) -> tuple[Question, ...]:
    made = tuple(
        Question(
            id=question.id or f"q{number}", text=question.text, kind=question.kind, choices=tuple(question.choices)
        )
        for number, question in enumerate(wanted.questions, start=1)
    )
    if len({question.id for question in made}) < len(made):
        raise _bad("two questions have the same id", "leave ids out, or make them differ")
    for question in made:
        is_choice = question.kind is QuestionKind.CHOICE
        if is_choice != bool(question.choices) or len(set(question.choices)) < len(question.choices):
            raise _bad(
                f"the choices of question {question.id!r} do not fit its kind {question.kind.value}",
                "a choice has at least one, each once; the other kinds have none",
            )
    return made


def _bad(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, details={"field": "questions"})


def _visible(queries: Queries, approval_id: str, by: Identity) -> Approval:
    known = normalize_id(approval_id)
    found = queries.record(APPROVALS, known) if known else None
    if found is None or (by.kind is TokenKind.ATTEMPT and found.task_id != by.task_id):
        raise NotFound(f"no approval has the id {approval_id!r}", hint="see: agent-swarm approval list")
    return found


def _shown(approval: Approval) -> rest.Approval:
    answers: Mapping[str, Any] = approval.answers
    return rest.Approval(
        id=approval.id,
        task_id=approval.task_id,
        attempt=approval.attempt,
        agent_id=approval.agent_id,
        title=approval.title,
        details=approval.details,
        questions=[
            rest.Question(id=one.id, text=one.text, kind=one.kind, choices=list(one.choices)) for one in approval.asked
        ],
        pause=bool(approval.pauses),
        status=approval.status,
        asked_at=to_wire(approval.asked_at),
        expires_at=to_wire(approval.expires_at),
        settled_at=None if approval.settled_at is None else to_wire(approval.settled_at),
        settled_by=approval.settled_by or None,
        answers=dict(answers),
        comment=approval.comment,
        budget_id=approval.budget_id or None,
    )
