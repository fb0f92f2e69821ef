"""`Rows` in SQL: rows are read in sets and locked, changed in memory, and written back in sets.

What a batch changes waits here until a statement needs to see it or the batch ends. An update names the fence and
status the row was read with; where it changes no row, somebody else was faster, and the batch is rolled back and
tried again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.priority import sort_key
from agent_swarm.domain.tasks import TaskState
from agent_swarm.store.operations import BookUsage, Idempotency, NewTask
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    Edge,
    ProjectRecord,
    TaskRecord,
    TokenKind,
    TokenRecord,
)
from agent_swarm.store.rows import Entry, Remembered
from agent_swarm.store.sql import coding, statements, tables
from agent_swarm.store.sql.classes import ClassCache

_CHUNK = 500  # ids in one IN list


class ConcurrentChangeError(Exception):
    """A row was changed by another writer between reading and writing it."""


@dataclass(slots=True)
class _Staged:
    """Writes that wait for the next flush."""

    tasks: dict[str, Entry] = field(default_factory=dict)
    new_tasks: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    new_attempts: list[dict[str, Any]] = field(default_factory=list)
    attempts: dict[tuple[str, ...], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    tokens: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)


class SqlRows:
    """One batch's view of the database, over one connection in one transaction."""

    def __init__(self, connection: sa.Connection, classes: ClassCache) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._classes = classes
        self._entries: dict[str, Entry] = {}
        self._written: dict[str, tuple[TaskState, int]] = {}  # state and claim class as the database has them
        self._agents: dict[str, AgentRecord] = {}
        self._remembered: dict[tuple[str, str, str], Remembered] = {}
        self._staged = _Staged()

    # --- reading in sets --------------------------------------------------------------------------------------------

    def prefetch(
        self,
        *,
        tasks: Iterable[str] = (),
        agents: Iterable[str] = (),
        asked: Iterable[Idempotency] = (),
    ) -> None:
        """Read and lock what is not at hand yet."""
        for ids in _chunks(sorted(set(tasks) - self._entries.keys())):
            for row in self._connection.execute(statements.lock_tasks, {"ids": ids}):
                state = coding.state_of(row)
                entry = Entry(state, row.class_id, row.claim_class, row.created_at, row.priority, row.started_at)
                entry.labels = () if row.labels == "[]" else tuple(coding.load(row.labels))
                self._entries[state.id] = entry
                self._written[state.id] = (state, row.claim_class)
        for ids in _chunks(sorted(set(agents) - self._agents.keys())):
            for row in self._connection.execute(statements.agents_by_id, {"ids": ids}):
                self._agents[row.id] = coding.agent_of(row)
        self._prefetch_asked(asked)

    def _prefetch_asked(self, asked: Iterable[Idempotency]) -> None:
        table = tables.idempotency
        keys = sorted({request.key for request in asked})
        for chunk in _chunks(keys):
            for row in self._connection.execute(sa.select(table).where(table.c.key.in_(chunk))):
                self._remembered[row.subject, row.route, row.key] = Remembered(
                    row.body_hash, tuple(coding.load(row.task_ids)), row.created_at
                )

    def entry(self, task_id: str) -> Entry | None:
        """The task as this batch sees it."""
        return self._entries.get(task_id)

    def records(self, task_ids: Sequence[str]) -> dict[str, TaskRecord]:
        """Whole tasks, by id."""
        if not task_ids:
            return {}
        self.flush()
        return {
            row.id: coding.task_of(row, self._classes.requirements(self._connection, row.class_id))
            for ids in _chunks(task_ids)
            for row in self._connection.execute(statements.tasks_by_id, {"ids": ids})
        }

    def edges_from(self, upstream_ids: Sequence[str]) -> list[tuple[str, Edge]]:
        """Who waits for these tasks, and how."""
        return [
            (row.task_id, Edge(upstream_id=row.upstream_id, on_failure=OnFailure(row.on_failure)))
            for ids in _chunks(upstream_ids)
            for row in self._connection.execute(statements.edges_from, {"ids": ids})
        ]

    def due(self, now: int, *, leases: bool, limit: int) -> list[str]:
        """Tasks whose timer is due, earliest first."""
        statement = statements.due_timers if leases else statements.due_timers_but_leases
        return self._ids(statement, {"now": now, "limit": limit})

    def heads(self, class_ids: Sequence[int], limit: int) -> list[str]:
        """The first ready tasks of these classes."""
        if not class_ids:
            return []
        if len(class_ids) == 1:
            return self._ids(statements.head_of_one, {"class_id": class_ids[0], "limit": limit})
        wanted = {"class_ids": coding.dump(list(class_ids)), "limit": limit}
        return self._ids(statements.heads_of_many(self._dialect), wanted)

    def held_by(self, agent_id: str) -> list[str]:
        """The tasks an agent holds, by id."""
        return self._ids(statements.held_by, {"agent_id": agent_id})

    def paused_for(self, agent_id: str) -> list[str]:
        """The tasks that a shutdown of this agent paused, by id."""
        return self._ids(statements.paused_for, {"agent_id": agent_id})

    def _ids(self, statement: "sa.Select[Any]", parameters: Mapping[str, Any]) -> list[str]:
        self.flush()
        return list(self._connection.execute(statement, parameters).scalars())

    # --- tasks ------------------------------------------------------------------------------------------------------

    def save(self, entry: Entry) -> None:
        """Have a changed task written back."""
        self._staged.tasks[entry.state.id] = entry

    def add_task(self, new: NewTask, entry: Entry) -> None:
        """Have a new task written, with its prompt and edges."""
        spec, state = new.spec, entry.state
        row = {
            "id": spec.id,
            "title": spec.title,
            "labels": coding.dump(spec.labels),
            "harness": spec.harness,
            "model": spec.model,
            "project_id": spec.project_id,
            "priority": spec.priority,
            "timeout": spec.timeout,
            "created_by": spec.created_by,
            "parent_id": spec.parent_id,
            "root_id": spec.root_id,
            "depth": spec.depth,
            "retry_of": spec.retry_of,
            "created_at": spec.created_at,
            "class_id": entry.class_id,
            "claim_class": entry.claim_class,
            "sort_key": sort_key(created_at=spec.created_at, priority=spec.priority),
            "timer_at": state.timer_at,
            "progress": "",
            "result": None,
            "failure": None,
            "last_agent_id": None,
            "started_at": None,
            "finished_at": entry.columns.get("finished_at"),
            "updated_at": entry.columns["updated_at"],
        }
        row |= {name: coding.encoded(name, getattr(state, name)) for name in coding.STATE_FIELDS}
        entry.columns.clear()
        self._staged.new_tasks.append(row)
        self._staged.prompts.append({"task_id": spec.id, "text": spec.prompt})
        self._staged.edges.extend(
            {
                "task_id": spec.id,
                "position": position,
                "upstream_id": edge.upstream_id,
                "on_failure": edge.on_failure.value,
            }
            for position, edge in enumerate(new.edges)
        )
        self._entries[spec.id] = entry
        self._written[spec.id] = (state, entry.claim_class)

    def flush(self) -> None:
        """Write what waits, each kind in one go."""
        staged, self._staged = self._staged, _Staged()
        run = self._connection.execute
        if staged.new_tasks:
            run(sa.insert(tables.task), staged.new_tasks)
            run(sa.insert(tables.prompt), staged.prompts)
        if staged.edges:
            run(sa.insert(tables.dependency), staged.edges)
        if staged.tasks:
            self._write_tasks(staged.tasks.values())
        if staged.new_attempts:
            run(sa.insert(tables.attempt), staged.new_attempts)
        for columns, changes in staged.attempts.items():
            run(statements.update_attempts(columns), changes)
        if staged.tokens:
            run(sa.insert(tables.token), staged.tokens)
        if staged.seen:
            run(statements.agent_seen, [{"of_agent": id_, "now": now} for id_, now in staged.seen.items()])

    def _write_tasks(self, entries: Iterable[Entry]) -> None:
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for entry in entries:
            changed = self._changes(entry)
            if not changed:
                continue
            was, _ = self._written[entry.state.id]
            row = {f"new_{column}": value for column, value in changed.items()}
            row |= {"was_id": was.id, "was_fence": was.fence, "was_status": was.status.value}
            groups[tuple(changed)].append(row)
            self._written[entry.state.id] = (entry.state, entry.claim_class)
            entry.columns.clear()
        for columns, rows in groups.items():
            result = self._connection.execute(statements.update_tasks(columns), rows)
            if result.rowcount != len(rows):
                raise ConcurrentChangeError(f"{len(rows) - result.rowcount} of {len(rows)} tasks had changed")

    def _changes(self, entry: Entry) -> dict[str, Any]:
        """The columns of a task that differ from what the database has."""
        was, was_class = self._written[entry.state.id]
        state = entry.state
        changed = {}
        if state is not was:
            for name in coding.STATE_FIELDS:
                value = getattr(state, name)
                if value != getattr(was, name):
                    changed[name] = coding.encoded(name, value)
            if state.timer_at != was.timer_at:
                changed["timer_at"] = state.timer_at
        if entry.claim_class != was_class:
            changed["claim_class"] = entry.claim_class
        for name, value in entry.columns.items():
            changed[name] = coding.encoded(name, value)
        if "priority" in changed:
            changed["sort_key"] = sort_key(created_at=entry.created_at, priority=entry.priority)
        return changed

    # --- classes and attempts ---------------------------------------------------------------------------------------

    def requirements(self, class_id: int) -> Requirements:
        """What the tasks of a class require."""
        return self._classes.requirements(self._connection, class_id)

    def intern(self, needs: Requirements) -> tuple[int, bool]:
        """The class of these requirements, and whether it is new."""
        return self._classes.intern(self._connection, needs)

    def claimed(self, claim_ids: Sequence[str]) -> dict[str, AttemptRecord]:
        """The attempts that these claims opened."""
        found = {}
        for ids in _chunks(claim_ids):
            for row in self._connection.execute(statements.claimed, {"ids": ids}):
                found[row.claim_id] = coding.attempt_of(row)
        return found

    def has_attempt(self, task_id: str, number: int) -> str | None:
        """Which agent made this attempt."""
        table = tables.attempt
        wanted = sa.select(table.c.agent_id).where(table.c.task_id == task_id, table.c.number == number)
        return self._connection.execute(wanted).scalar()

    def add_attempt(self, attempt: AttemptRecord) -> None:
        """Have a new attempt written."""
        self._staged.new_attempts.append(
            {
                "task_id": attempt.task_id,
                "number": attempt.number,
                "fence": attempt.fence,
                "claim_id": attempt.claim_id,
                "agent_id": attempt.agent_id,
                "instance_id": attempt.instance_id,
                "claimed_at": attempt.claimed_at,
                "started_at": None,
                "ended_at": None,
                "outcome": None,
                "session": "",
                "branch": "",
                "commit": "",
                "snapshot": "",
                "text": "",
                "data": None,
                "failure_class": "",
                "failure_code": "",
                "input_tokens": 0,
                "output_tokens": 0,
                "cost_micros": 0,
            }
        )

    def update_attempt(self, task_id: str, number: int, columns: Mapping[str, Any]) -> None:
        """Have an attempt changed."""
        row = {f"new_{name}": coding.encoded(name, value) for name, value in columns.items()}
        self._staged.attempts[tuple(columns)].append(row | {"of_task": task_id, "of_number": number})

    def add_usage(self, usage: BookUsage, now: int) -> bool:
        """Book usage once; whether it was new."""
        table = tables.usage
        same = sa.select(sa.literal(1)).where(
            table.c.task_id == usage.task_id, table.c.attempt == usage.attempt, table.c.seq == usage.seq
        )
        if self._connection.execute(same).scalar():
            return False
        amounts = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_micros": usage.cost_micros,
        }
        row = {"task_id": usage.task_id, "attempt": usage.attempt, "seq": usage.seq, "model": usage.model}
        self._connection.execute(sa.insert(table), {**row, **amounts, "booked_at": now})
        self._connection.execute(
            statements.add_usage_to_attempt,
            {
                "of_task": usage.task_id,
                "of_number": usage.attempt,
                "more_input": usage.input_tokens,
                "more_output": usage.output_tokens,
                "more_cost": usage.cost_micros,
            },
        )
        return True

    # --- agents, tokens, projects -------------------------------------------------------------------------------------

    def agent(self, agent_id: str) -> AgentRecord | None:
        """One agent."""
        return self._agents.get(agent_id)

    def put_agent(self, agent: AgentRecord) -> None:
        """Add or replace an agent."""
        row = coding.agent_row(agent)
        if agent.profile.id in self._agents:
            self._connection.execute(statements.update_agent, {**row, "of_agent": row["id"]})
        else:
            self._connection.execute(sa.insert(tables.agent), row)
        self._agents[agent.profile.id] = agent

    def seen(self, agent_id: str, now: int) -> None:
        """The agent gave a sign of life."""
        self._staged.seen[agent_id] = now

    def had_instance(self, agent_id: str, instance_id: str) -> bool:
        """Whether this process of the agent ever had a token."""
        self.flush()
        table = tables.token
        same = sa.select(sa.literal(1)).where(
            table.c.agent_id == agent_id,
            table.c.kind == TokenKind.AGENT.value,
            table.c.instance_id == instance_id,
        )
        return self._connection.execute(same.limit(1)).scalar() is not None

    def token_valid(self, token_hash: str) -> bool:
        """Whether a token with this hash counts."""
        self.flush()
        table = tables.token
        valid = sa.select(sa.literal(1)).where(table.c.hash == token_hash, table.c.revoked_at.is_(None))
        return self._connection.execute(valid).scalar() is not None

    def add_token(self, token: TokenRecord) -> None:
        """Have a new token written."""
        self._staged.tokens.append(coding.token_row(token))

    def revoke_tokens(
        self, now: int, *, kind: TokenKind | None = None, agent_id: str = "", label: str = "", token_id: str = ""
    ) -> int:
        """Revoke the valid tokens that meet every condition given; how many."""
        self.flush()
        table = tables.token
        statement = sa.update(table).where(table.c.revoked_at.is_(None)).values(revoked_at=now)
        for column, value in (
            (table.c.kind, kind.value if kind else ""),
            (table.c.agent_id, agent_id),
            (table.c.label, label),
            (table.c.id, token_id),
        ):
            statement = statement.where(column == value) if value else statement
        return self._connection.execute(statement).rowcount

    def project_named(self, name: str) -> ProjectRecord | None:
        """The project with this name."""
        row = self._connection.execute(sa.select(tables.project).where(tables.project.c.name == name)).first()
        return coding.project_of(row) if row else None

    def has_project(self, project_id: str) -> bool:
        """Whether there is such a project."""
        wanted = sa.select(sa.literal(1)).where(tables.project.c.id == project_id)
        return self._connection.execute(wanted).scalar() is not None

    def add_project(self, project: ProjectRecord) -> None:
        """Put a new project in."""
        row = {name: getattr(project, name) for name in ("id", "name", "repo_url", "default_branch", "created_at")}
        self._connection.execute(sa.insert(tables.project), row)

    def prune(self, before: int, limit: int) -> int:
        """Remove idempotency keys and tokens of ended attempts from before that instant; how many."""
        self.flush()
        bounds = {"before": before, "limit": limit}
        return sum(
            self._connection.execute(statement, bounds).rowcount
            for statement in (statements.prune_keys, statements.prune_tokens)
        )

    def remembered(self, asked: Idempotency) -> Remembered | None:
        """What an earlier request under this key did."""
        return self._remembered.get((asked.subject, asked.route, asked.key))

    def remember(self, asked: Idempotency, task_ids: tuple[str, ...], now: int) -> None:
        """Keep what this request did, in place of one that is too old."""
        table, slot = tables.idempotency, (asked.subject, asked.route, asked.key)
        if slot in self._remembered:
            same = sa.and_(table.c.subject == slot[0], table.c.route == slot[1], table.c.key == slot[2])
            self._connection.execute(sa.delete(table).where(same))
        row = {"subject": slot[0], "route": slot[1], "key": slot[2], "body_hash": asked.body_hash}
        self._connection.execute(sa.insert(table), {**row, "task_ids": coding.dump(task_ids), "created_at": now})
        self._remembered[slot] = Remembered(asked.body_hash, task_ids, now)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
