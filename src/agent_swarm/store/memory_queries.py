"""Reads of the store in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.mentions import word_of
from agent_swarm.domain.notes import NoteSearch
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import DAY
from agent_swarm.store.events import GENESIS, stored
from agent_swarm.store.families.budgets import ADMISSIONS, Admission
from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.families.mail import DELIVERIES, MESSAGES, Delivery, Message
from agent_swarm.store.families.notes import NOTES, FoundNote
from agent_swarm.store.operations import BookUsage
from agent_swarm.store.records import (
    PREVIEW_CHARS,
    AgentRecord,
    AttemptRecord,
    ClaimedTask,
    CostBy,
    CostRow,
    Cursor,
    DependencyRecord,
    Event,
    MessageFilter,
    NameCursor,
    ProjectRecord,
    TaskFilter,
    TaskRecord,
    TokenRecord,
    UnservedClass,
)

if TYPE_CHECKING:
    from agent_swarm.store.memory import MemoryEngine

R = TypeVar("R")


class MemoryQueries:
    """`Queries` over the collections of a `MemoryEngine`."""

    def __init__(self, engine: "MemoryEngine") -> None:
        self._engine = engine

    def task(self, task_id: str) -> TaskRecord | None:
        """One task."""
        return self._engine.records.get(task_id)

    def tasks(self, task_ids: Sequence[str]) -> list[TaskRecord]:
        """The tasks that exist of `task_ids`, in that order."""
        return [self._engine.records[task_id] for task_id in task_ids if task_id in self._engine.records]

    def list_tasks(self, filters: TaskFilter, *, after: Cursor | None, limit: int) -> list[TaskRecord]:
        """A page, newest first; prompts are cut to PREVIEW_CHARS characters."""
        chosen = [record for record in self._engine.records.values() if _matches(record, filters)]
        chosen.sort(key=lambda record: (record.spec.created_at, record.spec.id), reverse=True)
        if after is not None:
            limit_key = (after.created_at, after.id)
            chosen = [record for record in chosen if (record.spec.created_at, record.spec.id) < limit_key]
        return [_preview(record) for record in chosen[:limit]]

    def upstreams(self, task_id: str) -> list[DependencyRecord]:
        """What the task waits for, in the order it was asked for."""
        return [
            _far_end(self._engine.records[edge.upstream_id], edge.on_failure)
            for edge in self._engine.edges.get(task_id, ())
        ]

    def dependants(self, task_id: str, *, limit: int) -> list[DependencyRecord]:
        """What waits for the task, by id."""
        found = sorted(
            (other, edge.on_failure)
            for other, edges in self._engine.edges.items()
            for edge in edges
            if edge.upstream_id == task_id
        )
        return [_far_end(self._engine.records[other], policy) for other, policy in found[:limit]]

    def attempts(self, task_id: str, *, after: int = 0, limit: int | None = None) -> list[AttemptRecord]:
        """The tries at a task, first one first, from the one that follows number `after`."""
        found = (a for a in self._engine.attempts.values() if a.task_id == task_id and a.number > after)
        return sorted(found, key=lambda attempt: attempt.number)[:limit]

    def attempt(self, task_id: str, number: int) -> AttemptRecord | None:
        """One try."""
        return self._engine.attempts.get((task_id, number))

    def agent(self, agent_id: str) -> AgentRecord | None:
        """One agent."""
        return self._engine.agents.get(agent_id)

    def agents(
        self, *, swarm_id: str | None = None, after: NameCursor | None = None, limit: int | None = None
    ) -> list[AgentRecord]:
        """Agents by name, of one swarm or all, from the one that follows `after`; all where nothing is said."""
        agents = (one for one in self._engine.agents.values() if swarm_id in (None, one.profile.swarm_id))
        return _following([(NameCursor(one.name, one.profile.id), one) for one in agents], after)[:limit]

    def stopped_agents(self) -> list[str]:
        """The ids of the agents that are stopped."""
        return sorted(agent_id for agent_id, agent in self._engine.agents.items() if agent.is_stopped)

    def agents_named(self, word: str, *, limit: int) -> list[AgentRecord]:
        """The first agents of this name, by id."""
        return self._agents_by_id(lambda agent: word_of(agent.name) == word)[:limit]

    def agents_of_role(self, word: str, *, limit: int) -> list[AgentRecord]:
        """The first agents of this role, by id."""
        return self._agents_by_id(lambda agent: word in (word_of(agent.profile.role), agent.profile.agent_role))[:limit]

    def _agents_by_id(self, fits: Callable[[AgentRecord], bool]) -> list[AgentRecord]:
        return sorted(filter(fits, self._engine.agents.values()), key=lambda agent: agent.profile.id)

    def held_tasks(self, agent_id: str | None = None) -> list[TaskRecord]:
        """The tasks under a lease, of one agent or of all, by id; prompts are cut."""
        held = [_preview(record) for record in self._engine.records.values() if record.state.is_held]
        return sorted(
            (record for record in held if agent_id is None or record.state.agent_id == agent_id),
            key=lambda record: record.spec.id,
        )

    def claimed_under(self, claim_ids: Sequence[str]) -> list[ClaimedTask]:
        """The claims of `claim_ids` that are still held."""
        found = []
        by_claim = {attempt.claim_id: attempt for attempt in self._engine.attempts.values()}
        for attempt in (by_claim[claim_id] for claim_id in claim_ids if claim_id in by_claim):
            record = self._engine.records[attempt.task_id]
            if record.state.is_held and record.state.attempt == attempt.number:
                found.append(ClaimedTask(claim_id=attempt.claim_id, task=record))
        return found

    def token_by_hash(self, token_hash: str) -> TokenRecord | None:
        """The token with this hash, revoked or not."""
        return next((token for token in self._engine.tokens.values() if token.hash == token_hash), None)

    def tokens(self) -> list[TokenRecord]:
        """All tokens, oldest first."""
        return sorted(self._engine.tokens.values(), key=lambda token: (token.created_at, token.id))

    def project(self, id_or_name: str) -> ProjectRecord | None:
        """One project, by id or by name."""
        by_id = self._engine.projects.get(id_or_name)
        return by_id or next((p for p in self._engine.projects.values() if p.name == id_or_name), None)

    def projects(self, *, after: NameCursor | None = None, limit: int | None = None) -> list[ProjectRecord]:
        """Projects by name, from the one that follows `after`; all of them where nothing is said."""
        placed = [(NameCursor(project.name, project.id), project) for project in self._engine.projects.values()]
        return _following(placed, after)[:limit]

    def classes(self) -> dict[int, Requirements]:
        """All requirement classes."""
        return {number: Requirements.from_key(key) for key, number in self._engine.class_ids.items()}

    def ready_classes(self) -> set[int]:
        """The classes that have a claimable task."""
        return {self._engine.class_of[task_id][1] for task_id, r in self._engine.records.items() if r.state.ready}

    def unserved(self) -> list[UnservedClass]:
        """The classes on record that nobody serves, by id."""
        classes, class_of = self.classes(), self._engine.class_of
        ready = Counter(class_of[task_id][1] for task_id, r in self._engine.records.items() if r.state.ready)
        return [
            UnservedClass(classes[class_id], wait.since, wait.told_at, ready[class_id])
            for class_id, wait in sorted(self._engine.waits.items())
            if wait.since is not None
        ]

    def counts(self, swarm_id: str | None = None) -> dict[TaskStatus, int]:
        """How many tasks there are of each status, in one swarm or in all."""
        records = self._engine.records.values()
        return dict(Counter(one.state.status for one in records if swarm_id in (None, one.spec.swarm_id)))

    def events_after(self, seq: int, *, limit: int) -> list[Event]:
        """The events that follow `seq`, in order."""
        history = self._engine.history
        start = max(0, seq + 1 - history[0].seq) if history else 0  # the first ones may be archived
        return history[start : start + limit]

    def event_rows(self, seq: int, *, limit: int) -> list[tuple[Any, ...]]:
        """The events that follow `seq`, in order, as they would be stored."""
        return [stored(event) for event in self.events_after(seq, limit=limit)]

    def record(self, family: Family[R], *key: Any) -> R | None:
        """A small record by its key."""
        return self._engine.kept(family).get(key)

    def scan(self, family: Family[R], *prefix: Any, after: Key | None = None, limit: int) -> list[R]:
        """The first small records whose key begins with `prefix`, in the order of keys."""
        return self._engine.scan(family, prefix, after=after, limit=limit)

    def search_notes(self, wanted: NoteSearch, *, limit: int) -> list[FoundNote]:
        """The newest notes that `wanted` finds, newest first."""
        newest = sorted(self._engine.kept(NOTES).values(), key=lambda note: note.number, reverse=True)
        found = (note for note in newest if wanted.finds(note.words))
        return [
            FoundNote(number=note.number, name=note.name, tags=note.tags, words=note.words, updated_at=note.updated_at)
            for note in islice(found, limit)
        ]

    def costs(self, by: CostBy, *, since: int | None, until: int | None, limit: int) -> list[CostRow]:
        """What was booked, reserved and refused in that time, the most expensive first."""
        used: dict[str, list[BookUsage]] = {}
        met: dict[str, list[Admission]] = {}
        for key, usage in self._engine.usage.items():
            if _is_between(at := self._engine.booked_at[key], since, until):
                agent_id = self._engine.attempts[usage.task_id, usage.attempt].agent_id
                used.setdefault(self._cost_key(by, usage.task_id, agent_id, usage.model, at), []).append(usage)
        for one in self._engine.kept(ADMISSIONS).values():
            if _is_between(one.at, since, until):
                model = self._engine.records[one.task_id].spec.model or ""
                met.setdefault(self._cost_key(by, one.task_id, one.agent_id, model, one.at), []).append(one)
        rows = [_cost_row(key, used.get(key, []), met.get(key, [])) for key in used.keys() | met.keys()]
        rows.sort(key=lambda row: (-row.cost_micros, -row.reserved_micros, -row.refused, row.key))
        return rows[:limit]

    def _cost_key(self, by: CostBy, task_id: str, agent_id: str, model: str, at: int) -> str:
        spec = self._engine.records[task_id].spec
        return {
            CostBy.TASK: spec.id,
            CostBy.ROOT: spec.root_id,
            CostBy.AGENT: agent_id,
            CostBy.PROJECT: spec.project_id or "",
            CostBy.SWARM: spec.swarm_id or "",
            CostBy.MODEL: model,
            CostBy.DAY: str(at // DAY),
        }[by]

    def head(self) -> tuple[int, str]:
        """The last event's seq and hash."""
        last = self._engine.history[-1] if self._engine.history else None
        return (last.seq, last.hash) if last else (0, GENESIS)

    def messages(
        self, wanted: MessageFilter, *, before: int | None, limit: int
    ) -> list[tuple[Message, Delivery | None]]:
        """A page of messages, newest first."""
        got = {
            one.message_id: one for one in self._engine.kept(DELIVERIES).values() if one.recipient == wanted.recipient
        }
        found = [
            (message, got.get(message.id))
            for message in sorted(self._engine.kept(MESSAGES).values(), key=lambda one: -one.number)
            if (before is None or message.number < before) and _is_wanted(message, got.get(message.id), wanted)
        ]
        return found[:limit]

    def deliveries_of(self, message_id: str, *, after: str, limit: int) -> list[Delivery]:
        """Who gets a message, by recipient."""
        found = [
            one
            for one in self._engine.kept(DELIVERIES).values()
            if one.message_id == message_id and one.recipient > after
        ]
        return sorted(found, key=lambda one: one.recipient)[:limit]

    def next_timer(self, *, leases: bool = True) -> int | None:
        """When the earliest timer is due; without those of leases where they are not judged."""
        states = (record.state for record in self._engine.records.values())
        timers = (state.timer_at for state in states if leases or not state.is_held)
        return min((timer for timer in timers if timer is not None), default=None)

    def epoch(self) -> int:
        """The kill switch's epoch that agent and attempt tokens have to carry."""
        return self._engine.epoch


def _following(placed: list[tuple[NameCursor, R]], after: NameCursor | None) -> list[R]:
    placed.sort(key=lambda entry: entry[0])
    return [record for place, record in placed if after is None or place > after]


def _matches(record: TaskRecord, wanted: TaskFilter) -> bool:
    spec, state = record.spec, record.state
    return (
        (not wanted.statuses or state.status in wanted.statuses)
        and (wanted.agent_id is None or record.last_agent_id == wanted.agent_id)
        and (wanted.project_id is None or spec.project_id == wanted.project_id)
        and (wanted.swarm_id is None or spec.swarm_id == wanted.swarm_id)
        and (wanted.root_id is None or spec.root_id == wanted.root_id)
        and (wanted.parent_id is None or spec.parent_id == wanted.parent_id)
        and (wanted.label is None or wanted.label in spec.labels)
    )


def _is_wanted(message: Message, delivery: Delivery | None, wanted: MessageFilter) -> bool:
    equal = (("channel", wanted.channel), ("task_id", wanted.task_id), ("sender", wanted.sender))
    if any(value is not None and getattr(message, name) != value for name, value in equal):
        return False
    if wanted.since is not None and message.posted_at < wanted.since:
        return False
    if wanted.recipient is None:
        return True
    return (
        delivery is not None
        and (not wanted.unread or delivery.read_at is None)
        and (not wanted.mentions or delivery.is_mention)
    )


def _preview(record: TaskRecord) -> TaskRecord:
    return replace(record, spec=replace(record.spec, prompt=record.spec.prompt[:PREVIEW_CHARS]))


def _far_end(record: TaskRecord, policy: OnFailure) -> DependencyRecord:
    return DependencyRecord(
        other_id=record.spec.id,
        other_title=record.spec.title,
        other_status=record.state.status,
        on_failure=policy,
        other_result=record.result,
    )


def _is_between(at: int, since: int | None, until: int | None) -> bool:
    return (since is None or at >= since) and (until is None or at < until)


def _cost_row(key: str, used: Sequence[BookUsage], met: Sequence[Admission]) -> CostRow:
    return CostRow(
        key=key,
        attempts=len({(one.task_id, one.attempt) for one in used}),
        input_tokens=sum(one.input_tokens for one in used),
        output_tokens=sum(one.output_tokens for one in used),
        cost_micros=sum(one.cost_micros for one in used),
        reserved_micros=sum(one.micros for one in met),
        reserved_tokens=sum(one.tokens for one in met),
        refused=sum(one.refused for one in met),
    )
