"""Reads in SQL. Every list is bounded and follows an index."""

from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.matching import AgentRole, Requirements
from agent_swarm.domain.notes import NoteSearch
from agent_swarm.domain.tasks import HELD, TaskStatus
from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.families.mail import DELIVERIES, Delivery, Message
from agent_swarm.store.families.notes import FoundNote
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
from agent_swarm.store.sql import coding, families, mail_pages, pages, searching, statements, tables
from agent_swarm.store.sql.classes import ClassCache

R = TypeVar("R")

_AGENT_ROLES = frozenset(AgentRole)

task, dependency, attempt = tables.task, tables.dependency, tables.attempt

_previews = sa.select(
    task, statements.has_upstreams, sa.func.substr(tables.prompt.c.text, 1, PREVIEW_CHARS).label("prompt")
).join_from(task, tables.prompt, tables.prompt.c.task_id == task.c.id)


class SqlQueries:
    """`Queries` over one connection in one transaction."""

    def __init__(self, connection: sa.Connection, classes: ClassCache) -> None:
        self._connection = connection
        self._classes = classes
        self._searching = searching.Searching(connection)

    def task(self, task_id: str) -> TaskRecord | None:
        """One task."""
        found = self.tasks([task_id])
        return found[0] if found else None

    def tasks(self, task_ids: Sequence[str]) -> list[TaskRecord]:
        """The tasks that exist of `task_ids`, in that order."""
        found: dict[str, TaskRecord] = {}
        for start in range(0, len(task_ids), 500):
            ids = list(task_ids[start : start + 500])
            for row in self._connection.execute(statements.tasks_by_id, {"ids": ids}):
                found[row.id] = self._task_of(row)
        return [found[task_id] for task_id in task_ids if task_id in found]

    def list_tasks(self, filters: TaskFilter, *, after: Cursor | None, limit: int) -> list[TaskRecord]:
        """A page, newest first; prompts are cut to PREVIEW_CHARS characters."""
        values = pages.values_of(filters, after, limit)
        form = pages.Form(continues=after is not None, dialect=self._connection.dialect.name)
        lead, *more = leads = pages.leads_of(filters)
        if more:
            counted = self._connection.execute(pages.probe_of(filters, leads, form), values).one()
            lead = min(zip(counted, leads, strict=True), key=lambda one: one[0])[1]
        return [self._task_of(row) for row in self._connection.execute(pages.page_of(filters, lead, form), values)]

    def _task_of(self, row: Any) -> TaskRecord:
        return coding.task_of(row._mapping, self._classes.requirements(row.class_id, self._load_classes))

    def _load_classes(self) -> list[coding.Row]:
        return [row._mapping for row in self._connection.execute(statements.all_classes)]

    def upstreams(self, task_id: str) -> list[DependencyRecord]:
        """What the task waits for, in the order it was asked for."""
        statement = (
            sa.select(task.c.id, task.c.title, task.c.status, task.c.result, dependency.c.on_failure)
            .join(dependency, dependency.c.upstream_id == task.c.id)
            .where(dependency.c.task_id == task_id)
            .order_by(dependency.c.position)
        )
        return [_far_end(row) for row in self._connection.execute(statement)]

    def dependants(self, task_id: str, *, limit: int) -> list[DependencyRecord]:
        """What waits for the task, by id."""
        statement = (
            sa.select(task.c.id, task.c.title, task.c.status, task.c.result, dependency.c.on_failure)
            .join(dependency, dependency.c.task_id == task.c.id)
            .where(dependency.c.upstream_id == task_id)
            .order_by(task.c.id)
            .limit(limit)
        )
        return [_far_end(row) for row in self._connection.execute(statement)]

    def attempts(self, task_id: str, *, after: int = 0, limit: int | None = None) -> list[AttemptRecord]:
        """The tries at a task, first one first, from the one that follows number `after`."""
        of_task = sa.select(attempt).where(attempt.c.task_id == task_id, attempt.c.number > after)
        statement = of_task.order_by(attempt.c.number).limit(limit)
        return [coding.attempt_of(row._mapping) for row in self._connection.execute(statement)]

    def attempt(self, task_id: str, number: int) -> AttemptRecord | None:
        """One try."""
        statement = sa.select(attempt).where(attempt.c.task_id == task_id, attempt.c.number == number)
        row = self._connection.execute(statement).first()
        return coding.attempt_of(row._mapping) if row else None

    def agent(self, agent_id: str) -> AgentRecord | None:
        """One agent."""
        row = self._connection.execute(statements.agents_by_id, {"ids": [agent_id]}).first()
        return coding.agent_of(row._mapping) if row else None

    def agents(
        self, *, swarm_id: str | None = None, after: NameCursor | None = None, limit: int | None = None
    ) -> list[AgentRecord]:
        """Agents by name, of one swarm or all, from the one that follows `after`; all where nothing is said."""
        statement = _by_name(tables.agent, after, limit)
        if swarm_id is not None:
            statement = statement.where(tables.agent.c.swarm_id == swarm_id)
        return [coding.agent_of(row._mapping) for row in self._connection.execute(statement)]

    def stopped_agents(self) -> list[str]:
        """The ids of the agents that are stopped."""
        return list(self._connection.execute(statements.stopped_agents).scalars())

    def agents_named(self, word: str, *, limit: int) -> list[AgentRecord]:
        """The first agents of this name, by id."""
        return self._agents_called(tables.agent.c.name_word, word, limit)

    def agents_of_role(self, word: str, *, limit: int) -> list[AgentRecord]:
        """The first agents of this role, by id."""
        found = self._agents_called(tables.agent.c.role_word, word, limit)
        if word in _AGENT_ROLES:
            found += self._agents_called(tables.agent.c.agent_role, word, limit)
        by_id = {agent.profile.id: agent for agent in found}
        return [by_id[agent_id] for agent_id in sorted(by_id)[:limit]]

    def _agents_called(self, column: "sa.Column[str]", word: str, limit: int) -> list[AgentRecord]:
        """One look into an index, however many agents there are."""
        statement = sa.select(tables.agent).where(column == word).order_by(tables.agent.c.id).limit(limit)
        return [coding.agent_of(row._mapping) for row in self._connection.execute(statement)]

    def held_tasks(self, agent_id: str | None = None) -> list[TaskRecord]:
        """The tasks under a lease, of one agent or of all, by id; prompts are cut."""
        statement = _previews.where(statements.is_held).order_by(task.c.id)
        if agent_id is not None:
            statement = statement.where(task.c.last_agent_id == agent_id, task.c.agent_id == agent_id)
        return [self._task_of(row) for row in self._connection.execute(statement)]

    def claimed_under(self, claim_ids: Sequence[str]) -> list[ClaimedTask]:
        """The claims of `claim_ids` that are still held, in that order."""
        if not claim_ids:
            return []
        same_attempt = sa.and_(attempt.c.task_id == task.c.id, attempt.c.number == task.c.attempt)
        statement = (
            statements.full_tasks.add_columns(attempt.c.claim_id)
            .join(attempt, same_attempt)
            .where(attempt.c.claim_id.in_(list(claim_ids)), task.c.status.in_([status.value for status in HELD]))
        )
        rows = self._connection.execute(statement).all()
        found = {row.claim_id: ClaimedTask(claim_id=row.claim_id, task=self._task_of(row)) for row in rows}
        return [found[claim_id] for claim_id in claim_ids if claim_id in found]

    def token_by_hash(self, token_hash: str) -> TokenRecord | None:
        """The token with this hash, revoked or not."""
        statement = sa.select(tables.token).where(tables.token.c.hash == token_hash)
        row = self._connection.execute(statement.order_by(tables.token.c.created_at)).first()
        return coding.token_of(row._mapping) if row else None

    def tokens(self) -> list[TokenRecord]:
        """All tokens, oldest first."""
        statement = sa.select(tables.token).order_by(tables.token.c.created_at, tables.token.c.id)
        return [coding.token_of(row._mapping) for row in self._connection.execute(statement)]

    def project(self, id_or_name: str) -> ProjectRecord | None:
        """One project, by id or by name."""
        table = tables.project
        for column in (table.c.id, table.c.name):
            row = self._connection.execute(sa.select(table).where(column == id_or_name)).first()
            if row:
                return coding.project_of(row._mapping)
        return None

    def projects(self, *, after: NameCursor | None = None, limit: int | None = None) -> list[ProjectRecord]:
        """Projects by name, from the one that follows `after`; all of them where nothing is said."""
        statement = _by_name(tables.project, after, limit)
        return [coding.project_of(row._mapping) for row in self._connection.execute(statement)]

    def classes(self) -> dict[int, Requirements]:
        """All requirement classes."""
        rows = self._connection.execute(sa.select(tables.requirement_class))
        return {row.id: Requirements.from_key(row.key) for row in rows}

    def ready_classes(self) -> set[int]:
        """The classes that have a claimable task."""
        statement = sa.select(tables.requirement_class.c.id).where(statements.has_ready)
        return set(self._connection.execute(statement).scalars())

    def unserved(self) -> list[UnservedClass]:
        """The classes on record that nobody serves, by id."""
        rows = self._connection.execute(statements.unserved)
        return [
            UnservedClass(Requirements.from_key(row.key), row.unserved_since, row.unserved_told_at, row.tasks)
            for row in rows
        ]

    def counts(self, swarm_id: str | None = None) -> dict[TaskStatus, int]:
        """How many tasks there are of each status, in one swarm or in all."""
        statement = sa.select(task.c.status, sa.func.count()).group_by(task.c.status)
        if swarm_id is not None:
            statement = statement.where(task.c.swarm_id == swarm_id)
        return {TaskStatus(status): number for status, number in self._connection.execute(statement)}

    def events_after(self, seq: int, *, limit: int) -> list[Event]:
        """The events that follow `seq`, in order."""
        table = tables.event
        statement = sa.select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(limit)
        return [coding.event_of(row._mapping) for row in self._connection.execute(statement)]

    def event_rows(self, seq: int, *, limit: int) -> list[tuple[Any, ...]]:
        """The events that follow `seq`, in order, as they are stored."""
        return [tuple(row) for row in self._connection.execute(statements.event_rows, {"after": seq, "limit": limit})]

    def record(self, family: Family[R], *key: Any) -> R | None:
        """A small record by its key."""
        found = self._connection.execute(families.statements_of(family).one, families.key_values(family, key))
        row = found.one_or_none()
        return None if row is None else families.record_of(family, row._mapping)

    def scan(self, family: Family[R], *prefix: Any, after: Key | None = None, limit: int) -> list[R]:
        """The first small records whose key begins with `prefix`, in the order of keys."""
        page = families.page_of(family, len(prefix), continues=after is not None, locked=False)
        found = self._connection.execute(page, families.values_of_page(family, prefix, after, limit))
        return [families.record_of(family, row._mapping) for row in found]

    def messages(
        self, wanted: MessageFilter, *, before: int | None, limit: int
    ) -> list[tuple[Message, Delivery | None]]:
        """A page of messages, newest first."""
        statement = mail_pages.statement_of(wanted, continues=before is not None)
        rows = self._connection.execute(statement, mail_pages.values_of(wanted, before, limit))
        return [mail_pages.loaded(wanted, row._mapping) for row in rows]

    def deliveries_of(self, message_id: str, *, after: str, limit: int) -> list[Delivery]:
        """Who gets a message, by recipient."""
        place = {"message_id": message_id, "after": after, "limit": limit}
        rows = self._connection.execute(mail_pages.deliveries_of, place)
        return [families.record_of(DELIVERIES, row._mapping) for row in rows]

    def search_notes(self, wanted: NoteSearch, *, limit: int) -> list[FoundNote]:
        """The newest notes that `wanted` finds, newest first."""
        return [
            FoundNote(
                number=row.number,
                name=row.name,
                tags=tuple(coding.load(row.tags)),
                words=row.words,
                updated_at=row.updated_at,
            )
            for row in self._searching.found(wanted, limit=limit)
        ]

    def costs(self, by: CostBy, *, since: int | None, until: int | None, limit: int) -> list[CostRow]:
        """What was booked in that time, the most expensive first."""
        rows = self._connection.execute(statements.costs(by, since=since, until=until).limit(limit))
        return [
            CostRow(
                key=str(row.key),
                attempts=int(row.attempts),
                input_tokens=int(row.input_tokens),
                output_tokens=int(row.output_tokens),
                cost_micros=int(row.cost_micros),
                reserved_micros=int(row.reserved_micros),
                reserved_tokens=int(row.reserved_tokens),
                refused=int(row.refused),
            )
            for row in rows
        ]

    def head(self) -> tuple[int, str]:
        """The last event's seq and hash."""
        row = self._connection.execute(sa.select(tables.event_head)).one()
        return row.seq, row.hash

    def next_timer(self, *, leases: bool = True) -> int | None:
        """When the earliest timer is due; without those of leases where they are not judged."""
        timers = [self._connection.execute(statements.next_timer_but_leases).scalar()]
        if leases:
            timers.append(self._connection.execute(statements.next_lapse).scalar())
        return min((timer for timer in timers if timer is not None), default=None)

    def epoch(self) -> int:
        """The kill switch's epoch that agent and attempt tokens have to carry."""
        return int(self._connection.execute(sa.select(tables.event_head.c.epoch)).scalar_one())


def _by_name(table: sa.Table, after: NameCursor | None, limit: int | None) -> "sa.Select[Any]":
    statement = sa.select(table).order_by(table.c.name, table.c.id).limit(limit)
    if after is None:
        return statement
    return statement.where(
        sa.tuple_(table.c.name, table.c.id) > sa.tuple_(sa.literal(after.name), sa.literal(after.id))
    )


def _far_end(row: Any) -> DependencyRecord:
    return DependencyRecord(
        other_id=row.id,
        other_title=row.title,
        other_status=TaskStatus(row.status),
        on_failure=OnFailure(row.on_failure),
        other_result=coding.load(row.result),
    )
