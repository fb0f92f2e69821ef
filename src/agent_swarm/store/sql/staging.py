"""What a batch changes waits here until a statement needs to see it or the batch ends, and is then written in sets.

An update names the fence and status the row was read with; where it changes no row, somebody else was faster, and the
batch is rolled back and tried again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.priority import sort_key
from agent_swarm.domain.tasks import TaskState
from agent_swarm.faults import crash_point
from agent_swarm.store.records import AttemptRecord, Edge, TaskRecord, TokenRecord
from agent_swarm.store.rows import Entry
from agent_swarm.store.sql import coding, statements, tables
from agent_swarm.store.sql.driver import Driver

NewRows = dict[sa.Table, list[dict[str, Any]]]

_FRESH_TASK = {"progress": "", "result": None, "failure": None, "last_agent_id": None, "started_at": None}
_FRESH_ATTEMPT = {
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
    "enforced": "",
    "denials": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cost_micros": 0,
}


class ConcurrentChangeError(Exception):
    """A row was changed by another writer between reading and writing it."""


@dataclass(slots=True)
class Staging:
    """Writes that wait for the next flush."""

    _new: NewRows = field(default_factory=lambda: defaultdict(list))
    _tasks: dict[str, Entry] = field(default_factory=dict)
    _attempts: dict[tuple[str, ...], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _seen: dict[str, int] = field(default_factory=dict)
    _stored: dict[str, tuple[TaskState, int]] = field(default_factory=dict)  # state and claim class in the database

    @property
    def has_new_edges(self) -> bool:
        """Tasks wait to be written that wait for others."""
        return tables.dependency in self._new

    def stored(self, entry: Entry) -> None:
        """The database has the task like this."""
        self._stored[entry.state.id] = (entry.state, entry.claim_class)

    def save(self, entry: Entry) -> None:
        """Have a changed task written back."""
        self._tasks[entry.state.id] = entry

    def add_task(self, record: TaskRecord, edges: Sequence[Edge], entry: Entry) -> None:
        """Have a new task written, with its prompt and edges."""
        spec = record.spec
        self._new[tables.task].append(task_row(record, entry))
        self._new[tables.prompt].append({"task_id": spec.id, "text": spec.prompt})
        for position, edge in enumerate(edges):
            row = {"task_id": spec.id, "position": position, "upstream_id": edge.upstream_id}
            self._new[tables.dependency].append({**row, "on_failure": edge.on_failure.value})
        for label in dict.fromkeys(spec.labels):
            row = {"label": label, "created_at": spec.created_at, "task_id": spec.id}
            self._new[tables.task_label].append(row)
        self.stored(entry)

    def add_attempt(self, attempt: AttemptRecord) -> None:
        """Have a new attempt written."""
        row = {
            "task_id": attempt.task_id,
            "number": attempt.number,
            "fence": attempt.fence,
            "claim_id": attempt.claim_id,
            "agent_id": attempt.agent_id,
            "instance_id": attempt.instance_id,
            "claimed_at": attempt.claimed_at,
            "permissions": attempt.permissions,
        }
        self._new[tables.attempt].append(row | _FRESH_ATTEMPT)

    def update_attempt(self, task_id: str, number: int, columns: Mapping[str, Any]) -> None:
        """Have an attempt changed."""
        row = {f"new_{name}": coding.encoded(name, value) for name, value in columns.items()}
        self._attempts[tuple(columns)].append(row | {"of_task": task_id, "of_number": number})

    def add_token(self, token: TokenRecord) -> None:
        """Have a new token written."""
        self._new[tables.token].append(coding.token_row(token))

    def seen(self, agent_id: str, now: int) -> None:
        """Have an agent's sign of life written."""
        self._seen[agent_id] = now

    def flush(self, driver: Driver) -> None:
        """Write what waits, each kind in one go."""
        new, self._new = self._new, defaultdict(list)
        tasks, self._tasks = self._tasks, {}
        attempts, self._attempts = self._attempts, defaultdict(list)
        seen, self._seen = self._seen, {}
        for table, rows in new.items():
            driver.run_many(statements.insert(table), rows)
            crash_point("store.staging")
        if tasks:
            self._write_tasks(driver, tasks.values())
        for columns, rows in attempts.items():
            driver.run_many(statements.update_attempts(columns), rows)
        if seen:
            driver.run_many(statements.agent_seen, [{"of_agent": id_, "now": now} for id_, now in seen.items()])

    def _write_tasks(self, driver: Driver, entries: Iterable[Entry]) -> None:
        groups: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for entry in entries:
            was, was_class = self._stored[entry.state.id]
            changed = _changes(entry, was, was_class)
            if not changed:
                continue
            groups[tuple(changed)].append((was.id, was.fence, str(was.status), *changed.values()))
            self.stored(entry)
            entry.written()
        for columns, rows in groups.items():
            met = driver.run_tuples(statements.update_tasks(columns), rows)
            if met != len(rows):
                raise ConcurrentChangeError(f"{len(rows) - met} of {len(rows)} tasks had changed")


def task_row(record: TaskRecord, entry: Entry) -> dict[str, Any]:
    """The columns of a new task."""
    spec, state = record.spec, record.state
    return {
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
        "permissions": spec.permissions,
        "swarm_id": spec.swarm_id,
        "has_terms": int(spec.has_terms),
        "schedule_id": spec.schedule_id,
        "planned_at": spec.planned_at,
        "created_at": spec.created_at,
        "class_id": entry.class_id,
        "claim_class": entry.claim_class,
        "sort_key": sort_key(created_at=spec.created_at, priority=spec.priority),
        "timer_at": state.timer_at,
        "finished_at": record.finished_at,
        "updated_at": record.updated_at,
        **_FRESH_TASK,
        **coding.state_row(state),
    }


def _changes(entry: Entry, was: TaskState, was_class: int) -> dict[str, Any]:
    """The columns of a task that differ from what the database has."""
    state = entry.state
    changed: dict[str, Any] = {}
    if state is not was:
        now, before = vars(state), vars(was)  # both in the order of the fields
        others = compress(coding.STATE_FIELDS, map(is_not, now.values(), before.values()))  # most is the very same
        changed = {name: coding.encoded(name, now[name]) for name in others if now[name] != before[name]}
        if _moves_timer(was, state):
            changed["timer_at"] = state.timer_at
    if entry.claim_class != was_class:
        changed["claim_class"] = entry.claim_class
    for name, value in entry.columns.items():
        changed[name] = coding.encoded(name, value)
    if "priority" in changed:
        changed["sort_key"] = sort_key(created_at=entry.created_at, priority=entry.priority)
    return changed


def _moves_timer(was: TaskState, state: TaskState) -> bool:
    """Whether the column `timer_at` has to be written.

    A renewed lease leaves it where it was, so that heartbeats touch no index: `Rows.due` puts right what it finds too
    early. So the column of a held task is not later than its timer, and written anew as soon as nobody holds it.
    """
    if not was.is_held:
        return state.timer_at != was.timer_at
    before, after = was.timer_at, state.timer_at
    return not state.is_held or before is None or after is None or after < before
