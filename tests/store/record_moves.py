"""Moves of random histories with notes, values under keys and approvals, and what holds after each of them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_swarm.domain import commands
from agent_swarm.domain.approvals import ApprovalStatus, Question, QuestionKind
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.notes import THE_SWARM, NotePlace, NoteScope, NoteSearch
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.words import terms_of
from agent_swarm.store import asking
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families import approvals, kv, notes
from agent_swarm.store.families.approvals import Approval
from agent_swarm.store.families.family import Family
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import AttemptReport

FAMILIES: tuple[Family[Any], ...] = (
    notes.NOTES,
    notes.NOTE_NAMES,
    kv.KV,
    kv.KV_EXPIRIES,
    approvals.APPROVALS,
    approvals.APPROVAL_PLACES,
    approvals.APPROVALS_OF_TASK,
)
PLACES = (NotePlace(NoteScope.SWARM, THE_SWARM), NotePlace(NoteScope.PROJECT, "p"))
TEXTS = ("alpha beta", "alphabet soup", "beta", "Ünïcode 漢字")
QUESTION = Question(id="q1", text="Deploy?", kind=QuestionKind.YES_NO)
_VERSIONS = st.sampled_from([None, None, None, 0, -1])  # any, none there, the one that is there
_NAMES = st.sampled_from(["a", "b", "c"])


class RecordMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    now: int
    memory: MemoryEngine
    other: Engine
    leases: list[tuple[ops.Held, ops.ClaimTask]]
    asked: list[Approval]
    outcomes: dict[str, Approval]
    came: ClassVar[set[str]] = set()  # what happened in any history, so that a test may ask for it

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id of its own."""
        raise NotImplementedError

    def some_leases(self, data: st.DataObject, least: int = 1) -> list[tuple[ops.Held, ops.ClaimTask]]:
        """Leases of this history, most of them still held."""
        raise NotImplementedError

    def begin(self) -> tuple[ops.Held, ops.ClaimTask] | None:
        """An attempt that has just begun to run; None where nobody may."""
        raise NotImplementedError

    # --- notes and values ---------------------------------------------------------------------------------------------

    @rule(name=_NAMES, place=st.sampled_from(PLACES), text=st.sampled_from(TEXTS), by=st.sampled_from(["ada", "bob"]))
    def store_a_note(self, name: str, place: NotePlace, text: str, by: str) -> None:
        note = notes.Note(
            number=0,
            id=self.fresh_id(),
            scope=place.scope,
            scope_id=place.id,
            name=name,
            text=text,
            tags=(text[0].casefold(),),
        )
        self.apply(notes.StoreNote(note=note, actor=f"agent:{by}"))

    @rule(data=st.data(), author_only=st.booleans(), twice=st.booleans())
    def remove_a_note(self, data: st.DataObject, author_only: bool, twice: bool) -> None:
        there = self.memory.read(lambda queries: queries.scan(notes.NOTES, limit=99))
        if there:
            gone = notes.RemoveNote(note=data.draw(st.sampled_from(there)), actor="agent:ada", author_only=author_only)
            for _ in range(1 + twice):
                self.apply(gone)

    @rule(query=st.sampled_from(["alpha", "alp", "be", "beta alpha", "unicode", "漢", "nothing"]), tag=st.booleans())
    def search(self, query: str, tag: bool) -> None:
        wanted = NoteSearch(places=PLACES[:1], terms=terms_of(query), tag="a" if tag else "")

        def found(queries: Queries) -> Any:
            return queries.search_notes(wanted, limit=2)

        assert self.other.read(found) == self.memory.read(found)

    @rule(
        what=st.sampled_from(["set", "set", "add", "add", "remove"]),
        keys=st.lists(_NAMES, min_size=1, max_size=2, unique=True),
        number=st.integers(-2, 2),
        ttl=st.sampled_from([None, None, 3, 30]),
        version=_VERSIONS,
    )
    def touch_values(self, what: str, keys: list[str], number: int, ttl: int | None, version: int | None) -> None:
        self.apply(*(self._touch(what, key, number, ttl, version) for key in keys))

    def _touch(self, what: str, key: str, number: int, ttl: int | None, version: int | None) -> ops.Operation[Any]:
        there = self.memory.read(lambda queries: queries.record(kv.KV, "swarm", key))
        at: dict[str, Any] = {"namespace": "swarm", "key": key, "actor": "agent:ada"}
        wanted = version if version != -1 else 0 if there is None else there.version
        span = None if ttl is None else ttl * SECOND
        match what:
            case "set":
                return kv.SetValue(**at, value=str(number) if number else '"text"', ttl=span, if_version=wanted)
            case "add":
                return kv.AddToValue(**at, by=number, ttl=span)
            case _:
                return kv.RemoveValue(**at, if_version=wanted)

    @rule(limit=st.sampled_from([1, 10]))
    def expire_values(self, limit: int) -> None:
        self.apply(kv.ExpireValues(limit=limit))

    # --- approvals ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), pauses=st.booleans(), again=st.booleans())
    def ask(self, data: st.DataObject, pauses: bool, again: bool) -> None:
        """A lease asks, whether it still holds or not; or asks once more what its task has asked."""
        held, claim = self.some_leases(data)[0]
        known = [one.id for one in self.asked if one.task_id == held.task_id]
        self.ask_with(held, claim, pauses=pauses, known=data.draw(st.sampled_from(known)) if again and known else None)

    def ask_with(self, held: ops.Held, claim: ops.ClaimTask, *, pauses: bool, known: str | None = None) -> None:
        """Ask, in a new approval or in the one that is known."""
        approval = Approval(
            id=known or self.fresh_id(),
            task_id=held.task_id,
            attempt=0,
            agent_id=claim.agent_id,
            title="Deploy",
            details="",
            questions=(QUESTION.stored(),),
            pauses=pauses,
            asked_digest="d",
            status=ApprovalStatus.OPEN,
            asked_at=0,
            expires_at=0,
            answers={},
        )
        actor = f"agent:{claim.agent_id}"
        (reply,) = self.apply(asking.AskApproval(approval=approval, fence=held.fence, lasts=60 * SECOND, actor=actor))
        if not isinstance(reply, SwarmError) and reply.id not in {one.id for one in self.asked}:
            self.asked.append(reply)

    @rule(
        pauses=st.sampled_from([True, True, False]),
        moves=st.lists(
            st.sampled_from(
                ["stop", "stop", "answer", "deny", "expire", "cancel", "lose", "ask", "complete", "resume"]
            ),
            min_size=1,
            max_size=5,
        ),
    )
    def wait_for_an_answer(self, pauses: bool, moves: list[str]) -> None:
        """An attempt of its own asks, and then anything happens to it, in any order."""
        begun = self.begin()
        if begun is None:
            return
        held, claim = begun
        self.ask_with(held, claim, pauses=pauses)
        one = self.asked[-1]
        for move in moves:
            self._go_on_with(move, held, claim, one)
            self.a_task_that_waits_for_an_answer_has_asked_and_nobody_has_answered()
            self.an_approval_is_settled_once_and_stands_in_one_list()

    def _go_on_with(self, move: str, held: ops.Held, claim: ops.ClaimTask, one: Approval) -> None:
        agent = f"agent:{claim.agent_id}"
        match move:
            case "stop":
                stops = commands.Pause(task_id=held.task_id, fence=held.fence, reason=PauseReason.PERSON)
                self.apply(ops.TaskCommand(command=stops, actor=agent, report=AttemptReport(session="s")))
            case "complete":
                ends = commands.Complete(task_id=held.task_id, fence=held.fence, digest="one")
                self.apply(ops.TaskCommand(command=ends, actor=agent, report=AttemptReport(text="one")))
            case "answer" | "deny":
                self.answer_with(one, None if move == "deny" else True, times=2)
            case "cancel" | "resume":
                kind = commands.Cancel if move == "cancel" else commands.Resume
                self.apply(ops.TaskCommand(command=kind(task_id=held.task_id), actor="operator"))
                self.settle_these([one])
            case "expire" | "lose":
                self.now += (60 if move == "expire" else 31) * SECOND
                self.apply(ops.RunTimers(jitter=0.3))
                self.settle_these([one])
            case "ask":
                self.ask_with(held, claim, pauses=one.pauses, known=one.id)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), said=st.sampled_from([True, False, "maybe", None]), times=st.integers(1, 3))
    def answer(self, data: st.DataObject, said: Any, times: int) -> None:
        """Somebody answers; or several do, or one does whose first word was lost: only the first counts."""
        self.answer_with(data.draw(st.sampled_from(self.asked[-6:])), said, times)

    def answer_with(self, one: Approval, said: Any, times: int) -> None:
        """Answer, or with None deny, so many times."""
        given = [
            asking.AnswerApproval(
                approval_id=one.id,
                task_id=one.task_id,
                actor=f"user:{number}",
                answers={} if said is None else {"q1": said},
                denies=said is None,
            )
            for number in range(times)
        ]
        taken = [reply for each in given for reply in self.apply(each) if not isinstance(reply, SwarmError)]
        assert len(taken) <= 1
        assert said != "maybe" or not taken

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), every=st.booleans())
    def settle(self, data: st.DataObject, every: bool) -> None:
        """As the server does by its timer: also for what needs no settling."""
        self.settle_these(self.asked if every else [data.draw(st.sampled_from(self.asked))])

    def settle_these(self, asked: Sequence[Approval]) -> None:
        """Settle those that are due."""
        self.apply(asking.SettleApprovals(asked=tuple((one.id, one.task_id) for one in asked)))

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def records_agree(self) -> None:
        assert self.other.read(_records) == self.memory.read(_records)

    @invariant()
    def a_task_that_waits_for_an_answer_has_asked_and_nobody_has_answered(self) -> None:
        for record in self.memory.records.values():
            state = record.state
            if (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.APPROVAL):
                asked = self.memory.read(partial(approvals.of_task, task_id=state.id))
                assert approvals.keeps_waiting(asked)
                assert not state.is_held
                self.came.add("paused")

    @invariant()
    def an_approval_is_settled_once_and_stands_in_one_list(self) -> None:
        kept: Sequence[Approval] = self.memory.read(lambda queries: queries.scan(approvals.APPROVALS, limit=999))
        places = self.memory.read(lambda queries: queries.scan(approvals.APPROVAL_PLACES, limit=999))
        key = approvals.APPROVAL_PLACES.key_of
        assert sorted(map(key, places)) == sorted(key(approvals.place_of(one)) for one in kept)
        for one in kept:
            assert one.is_open == (one.settled_at is None)
            if not one.is_open:
                self.came.add(one.status.value)
                assert self.outcomes.setdefault(one.id, one) == one


def _records(queries: Queries) -> dict[str, list[Any]]:
    return {family.name: queries.scan(family, limit=10_000) for family in FAMILIES}
