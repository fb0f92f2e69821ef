"""A store in memory: the oracle of the tests, and a real store for those that need no disk.

It keeps whole records in dictionaries and finds them by looking at all of them, where the SQL store uses statements
and indexes. Both must give the same answers, the same rows and the same event chain for the same history.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from agent_swarm.domain.caps import Cap
from agent_swarm.domain.kill_switch import Switch
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.priority import sort_key
from agent_swarm.domain.swarms import Swarm, SwarmStatus
from agent_swarm.domain.tasks import PauseReason, TaskState, TaskStatus
from agent_swarm.domain.unserved import NO_WAIT, Wait
from agent_swarm.store import events
from agent_swarm.store import operations as ops
from agent_swarm.store.base import BatchResult, Decided, Queries
from agent_swarm.store.batch import Batch
from agent_swarm.store.families.budgets import BUDGET_TARGETS
from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.families.stated_outcomes import STATED_OUTCOMES, StatedOutcome
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.families.switches import SWITCHES
from agent_swarm.store.memory_queries import MemoryQueries
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    AttemptReport,
    Edge,
    Event,
    ProjectRecord,
    TaskRecord,
    TokenKind,
    TokenRecord,
)
from agent_swarm.store.rows import SPEC_COLUMNS, ClassRow, Entry, Remembered

R = TypeVar("R")

_REPORT_FIELDS = frozenset(field.name for field in fields(AttemptReport))


class MemoryEngine:
    """An `Engine` without a disk. The collections are read by `MemoryQueries` and by tests."""

    is_shared = False

    def __init__(self) -> None:
        self.records: dict[str, TaskRecord] = {}
        self.edges: dict[str, tuple[Edge, ...]] = {}
        self.class_of: dict[str, tuple[int, int]] = {}  # task -> class of its requirements, class it is claimed under
        self.class_ids: dict[str, int] = {}  # by Requirements.key()
        self.waits: dict[int, Wait] = {}  # by class; of those that nobody serves
        self.attempts: dict[tuple[str, int], AttemptRecord] = {}
        self.usage: dict[tuple[str, int, int], ops.BookUsage] = {}
        self.booked_at: dict[tuple[str, int, int], int] = {}  # of `usage`
        self.agents: dict[str, AgentRecord] = {}
        self.tokens: dict[str, TokenRecord] = {}
        self.projects: dict[str, ProjectRecord] = {}
        self.idempotency: dict[tuple[str, str, str], Remembered] = {}
        self.families: dict[Family[Any], dict[Key, Any]] = {}  # small records, by key
        self.epoch = 0
        self.history: list[Event] = []

    def open(self) -> int:
        """Nothing to prepare; the latest event tells the last instant."""
        return self.history[-1].at if self.history else 0

    def close(self) -> None:
        """Nothing to free."""

    def kept(self, family: Family[R]) -> dict[Key, R]:
        """The records of a family."""
        return self.families.setdefault(family, {})

    def scan(self, family: Family[R], prefix: Key, *, after: Key | None, limit: int) -> list[R]:
        """The first records of a family whose key begins with `prefix`, by key."""
        begins = len(prefix)
        chosen = sorted(
            key for key in self.kept(family) if key[:begins] == prefix and (after is None or key[begins:] > after)
        )
        return [self.kept(family)[key] for key in chosen[:limit]]

    def read(self, query: Callable[[Queries], R]) -> R:
        """Run `query` on the present state."""
        return query(MemoryQueries(self))

    def apply_batch(self, operations: Sequence[ops.Operation[Any]], now: int) -> BatchResult:
        """Apply a batch; it cannot fail half way, because nothing here does I/O."""
        batch = Batch(MemoryRows(self), now)
        replies = batch.apply(operations)
        last = self.history[-1] if self.history else None
        seq, head = (last.seq, last.hash) if last else (0, events.GENESIS)
        happened = events.chain(batch.drafts, seq=seq, head=head, at=now)
        self.history.extend(happened)
        return batch.result(replies, happened)

    def decide_quickly(self, operations: Sequence[ops.Operation[Any]], now: int) -> Decided | None:
        """There is nothing to wait for: `apply_batch` is quick."""
        return None


class MemoryRows:
    """`Rows` over the collections of a `MemoryEngine`."""

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    def prefetch(
        self,
        *,
        tasks: Iterable[str] = (),
        agents: Iterable[str] = (),
        asked: Iterable[ops.Idempotency] = (),
        stated: Iterable[str] = (),
    ) -> None:
        """Everything is at hand."""

    def stated(self, task_id: str) -> StatedOutcome | None:
        """What an agent of the task has stated."""
        return self.record(STATED_OUTCOMES, (task_id,))

    def entry(self, task_id: str) -> Entry | None:
        """The task as it stands."""
        record = self._engine.records.get(task_id)
        if record is None:
            return None
        class_id, claim_class = self._engine.class_of[task_id]
        spec = record.spec
        return Entry(
            record.state,
            class_id,
            claim_class,
            spec.created_at,
            spec.priority,
            record.started_at,
            spec.labels,
            spec.permissions,
            spec.root_id,
            spec.project_id,
        )

    def save(self, entry: Entry) -> None:
        """Put a changed task back."""
        record = self._engine.records[entry.state.id]
        told = {name: entry.columns.pop(name) for name in SPEC_COLUMNS & entry.columns.keys()}
        if entry.columns.pop("class_id", None) is not None:
            told["requires"] = self.requirements(entry.class_id)
        spec = replace(record.spec, **told)
        self._engine.records[entry.state.id] = replace(record, spec=spec, state=entry.state, **entry.columns)
        self._engine.class_of[entry.state.id] = (entry.class_id, entry.claim_class)
        entry.columns.clear()

    def rewrite(self, entry: Entry, *, prompt: str | None, labels: tuple[str, ...] | None) -> None:
        """Replace the prompt; labels are found where they are."""
        record = self._engine.records[entry.state.id]
        if prompt is not None:
            self._engine.records[entry.state.id] = replace(record, spec=replace(record.spec, prompt=prompt))

    def add_task(self, record: TaskRecord, edges: Sequence[Edge], entry: Entry) -> None:
        """Put a new task in."""
        task_id = record.spec.id
        self._engine.records[task_id] = record
        self._engine.edges[task_id] = tuple(edges)
        self._engine.class_of[task_id] = (entry.class_id, entry.claim_class)

    def records(self, task_ids: Sequence[str]) -> dict[str, TaskRecord]:
        """Whole tasks, by id."""
        return {task_id: self._engine.records[task_id] for task_id in task_ids}

    def count_tasks(self, cap: Cap, of: str, *, limit: int) -> int:
        """How many tasks count for this cap."""
        below = [record for record in self._engine.records.values() if record.spec.parent_id is not None]
        match cap:
            case Cap.CHILDREN:
                counted = [record for record in below if record.spec.parent_id == of]
            case Cap.TASKS_PER_ROOT:
                counted = [record for record in below if record.spec.root_id == of]
            case _:
                counted = [record for record in below if record.spec.created_by == of and record.finished_at is None]
        return min(limit, len(counted))

    def edges_from(self, upstream_ids: Sequence[str]) -> list[tuple[str, Edge]]:
        """Who waits for these tasks, and how."""
        wanted = set(upstream_ids)
        return [
            (task_id, edge)
            for task_id, edges in self._engine.edges.items()
            for edge in edges
            if edge.upstream_id in wanted
        ]

    def look_ahead(self, task_ids: Sequence[str]) -> None:
        """Everything is at hand."""

    def due(self, now: int, *, leases: bool, limit: int) -> list[str]:
        """Tasks whose timer is due, earliest first."""
        due = sorted(
            (state.timer_at, state.id)
            for state in self._states()
            if state.timer_at is not None and state.timer_at <= now and (leases or not state.is_held)
        )
        return [task_id for _, task_id in due[:limit]]

    def heads(self, class_ids: Sequence[int], limit: int) -> list[str]:
        """The first ready tasks of these classes."""
        served = set(class_ids)
        ready = sorted(
            (sort_key(created_at=record.spec.created_at, priority=record.spec.priority), record.spec.id)
            for record in self._engine.records.values()
            if record.state.ready and self._engine.class_of[record.spec.id][1] in served
        )
        return [task_id for _, task_id in ready[:limit]]

    def held_by(self, agent_id: str) -> list[str]:
        """The tasks an agent holds, by id."""
        return sorted(state.id for state in self._states() if state.is_held and state.agent_id == agent_id)

    def held(self) -> list[str]:
        """Every task under a lease, by id."""
        return sorted(state.id for state in self._states() if state.is_held)

    def paused_for(self, agent_id: str) -> list[str]:
        """The tasks that a shutdown of this agent paused, by id."""
        return sorted(
            state.id
            for state in self._states()
            if state.status is TaskStatus.PAUSED
            and state.pause_reason is PauseReason.SHUTDOWN
            and state.pinned_agent == agent_id
        )

    def offered_to(self, agent_id: str) -> list[str]:
        """The tasks that this agent is asked to take, by id."""
        return sorted(
            state.id
            for state in self._states()
            if state.status is TaskStatus.OFFERED and state.pinned_agent == agent_id
        )

    def requirements(self, class_id: int) -> Requirements:
        """What the tasks of a class require."""
        key = next(key for key, number in self._engine.class_ids.items() if number == class_id)
        return Requirements.from_key(key)

    def intern(self, needs: Requirements) -> tuple[int, bool]:
        """The class of these requirements, and whether it is new."""
        key = needs.key()
        if key in self._engine.class_ids:
            return self._engine.class_ids[key], False
        self._engine.class_ids[key] = len(self._engine.class_ids) + 1
        return self._engine.class_ids[key], True

    def classes_that_wait(self) -> list[ClassRow]:
        """The classes that have claimable tasks or a wait on record, by id."""
        ready = MemoryQueries(self._engine).ready_classes()
        return [
            ClassRow(
                class_id, self.requirements(class_id), self._engine.waits.get(class_id, NO_WAIT), class_id in ready
            )
            for class_id in sorted(ready | self._engine.waits.keys())
        ]

    def kinds_online(self, since: int) -> list[AgentProfile]:
        """Agents seen since then that have not said goodbye, and are not stopped."""
        agents = (agent for agent in self._engine.agents.values() if not agent.is_stopped)
        return [agent.profile for agent in agents if agent.offline_at is None and agent.last_seen_at >= since]

    def ready_tasks(self, class_id: int, limit: int) -> list[str]:
        """Claimable tasks of a class, first ones first."""
        return self.heads([class_id], limit)

    def save_wait(self, class_id: int, wait: Wait) -> None:
        """Put the wait of a class, or take it away."""
        self._engine.waits.pop(class_id, None)
        if wait != NO_WAIT:
            self._engine.waits[class_id] = wait

    def claimed(self, claim_ids: Sequence[str]) -> dict[str, AttemptRecord]:
        """The attempts that these claims opened."""
        wanted = set(claim_ids)
        return {a.claim_id: a for a in self._engine.attempts.values() if a.claim_id in wanted}

    def has_attempt(self, task_id: str, number: int) -> str | None:
        """Which agent made this attempt."""
        attempt = self._engine.attempts.get((task_id, number))
        return attempt.agent_id if attempt else None

    def add_attempt(self, attempt: AttemptRecord) -> None:
        """Put a new attempt in."""
        self._engine.attempts[attempt.task_id, attempt.number] = attempt

    def update_attempt(self, task_id: str, number: int, columns: Mapping[str, Any]) -> None:
        """Change an attempt."""
        attempt = self._engine.attempts[task_id, number]
        report = replace(attempt.report, **{name: v for name, v in columns.items() if name in _REPORT_FIELDS})
        others = {name: value for name, value in columns.items() if name not in _REPORT_FIELDS}
        self._engine.attempts[task_id, number] = replace(attempt, report=report, **others)

    def add_usage(self, usage: ops.BookUsage, now: int) -> bool:
        """Book usage once; whether it was new."""
        key = (usage.task_id, usage.attempt, usage.seq)
        if key in self._engine.usage:
            return False
        self._engine.usage[key] = usage
        self._engine.booked_at[key] = now
        attempt = self._engine.attempts[usage.task_id, usage.attempt]
        self._engine.attempts[usage.task_id, usage.attempt] = replace(
            attempt,
            input_tokens=attempt.input_tokens + usage.input_tokens,
            output_tokens=attempt.output_tokens + usage.output_tokens,
            cost_micros=attempt.cost_micros + usage.cost_micros,
        )
        return True

    def agent(self, agent_id: str) -> AgentRecord | None:
        """One agent."""
        return self._engine.agents.get(agent_id)

    def put_agent(self, agent: AgentRecord) -> None:
        """Add or replace an agent."""
        self._engine.agents[agent.profile.id] = agent

    def seen(self, agent_id: str, now: int) -> None:
        """The agent gave a sign of life."""
        self._engine.agents[agent_id] = replace(self._engine.agents[agent_id], last_seen_at=now, offline_at=None)

    def had_instance(self, agent_id: str, instance_id: str) -> bool:
        """Whether this process of the agent ever had a token."""
        wanted = (TokenKind.AGENT, agent_id, instance_id)
        return any((t.kind, t.agent_id, t.instance_id) == wanted for t in self._engine.tokens.values())

    def token_valid(self, token_hash: str) -> bool:
        """Whether a token with this hash counts."""
        return any(t.hash == token_hash and t.revoked_at is None for t in self._engine.tokens.values())

    def add_token(self, token: TokenRecord) -> None:
        """Put a new token in."""
        self._engine.tokens[token.id] = token

    def revoke_tokens(
        self, now: int, *, kind: TokenKind | None = None, agent_id: str = "", label: str = "", token_id: str = ""
    ) -> int:
        """Revoke the valid tokens that meet every condition given; how many."""
        chosen = [
            token
            for token in self._engine.tokens.values()
            if token.revoked_at is None
            and (kind is None or token.kind is kind)
            and (not agent_id or token.agent_id == agent_id)
            and (not label or token.label == label)
            and (not token_id or token.id == token_id)
        ]
        for token in chosen:
            self._engine.tokens[token.id] = replace(token, revoked_at=now)
        return len(chosen)

    def project_named(self, name: str) -> ProjectRecord | None:
        """The project with this name."""
        return next((p for p in self._engine.projects.values() if p.name == name), None)

    def has_project(self, project_id: str) -> bool:
        """Whether there is such a project."""
        return project_id in self._engine.projects

    def add_project(self, project: ProjectRecord) -> None:
        """Put a new project in."""
        self._engine.projects[project.id] = project

    def epoch(self) -> int:
        """What new tokens of agents and attempts have to carry."""
        return self._engine.epoch

    def raise_epoch(self) -> None:
        """End all tokens of agents and attempts."""
        self._engine.epoch += 1

    def killed(self) -> tuple[Switch, ...]:
        """The switches that are on."""
        return tuple(switch for switch in self._engine.kept(SWITCHES).values() if switch.is_killed)

    def paused(self) -> frozenset[str]:
        """The swarms that are paused."""
        swarms = self._engine.kept(SWARMS).values()
        return frozenset(swarm.id for swarm in swarms if swarm.status is SwarmStatus.PAUSED)

    def swarm(self, swarm_id: str) -> Swarm | None:
        """A swarm."""
        return self._engine.kept(SWARMS).get((swarm_id,))

    def agents_in(self, swarm_id: str) -> list[str]:
        """The agents of a swarm, by id."""
        agents = self._engine.agents.values()
        return sorted(agent.profile.id for agent in agents if agent.profile.swarm_id == swarm_id)

    def open_in(self, swarm_id: str, limit: int) -> list[str]:
        """Some tasks of a swarm that have not ended."""
        records = self._engine.records.values()
        found = (r for r in records if r.spec.swarm_id == swarm_id and not r.state.is_terminal)
        return sorted(record.spec.id for record in found)[:limit]

    def record(self, family: Family[R], key: Key) -> R | None:
        """A small record by its key."""
        return self._engine.kept(family).get(key)

    def scan(self, family: Family[R], prefix: Key, *, after: Key | None, limit: int) -> list[R]:
        """The first small records whose key begins with `prefix`, by key."""
        return self._engine.scan(family, prefix, after=after, limit=limit)

    def records_by(self, family: Family[R], keys: Sequence[str]) -> list[R]:
        """Small records by their keys."""
        kept = self._engine.kept(family)
        return [kept[key,] for key in sorted(set(keys)) if (key,) in kept]

    def has_budgets(self) -> bool:
        """Whether there is any budget."""
        return bool(self._engine.kept(BUDGET_TARGETS))

    def under(self, family: Family[R], firsts: Sequence[str]) -> list[R]:
        """The small records whose key begins with one of these, by key."""
        kept, wanted = self._engine.kept(family), set(firsts)
        return [kept[key] for key in sorted(key for key in kept if key[0] in wanted)]

    def put_record(self, family: Family[R], record: R) -> None:
        """Add a small record, or replace the one under its key."""
        self._engine.kept(family)[family.key_of(record)] = record

    def add_records(self, family: Family[R], records: Sequence[R]) -> None:
        """Add new small records."""
        self._engine.kept(family).update((family.key_of(record), record) for record in records)

    def remove_record(self, family: Family[R], key: Key) -> bool:
        """Remove the small record under this key; whether there was one."""
        return self._engine.kept(family).pop(key, None) is not None

    def prune(self, before: int, limit: int) -> int:
        """Remove idempotency keys and tokens of ended attempts from before that instant; how many."""
        keys = [slot for slot, kept in self._engine.idempotency.items() if kept.created_at < before]
        over = [
            token.id for token in self._engine.tokens.values() if token.created_at < before and self._is_over(token)
        ]
        for slot in sorted(keys)[:limit]:
            del self._engine.idempotency[slot]
        for token_id in sorted(over)[:limit]:
            del self._engine.tokens[token_id]
        return len(keys[:limit]) + len(over[:limit])

    def drop_events(self, up_to: int, limit: int) -> int:
        """Remove the first `limit` events up to that one; how many."""
        gone = sum(1 for event in self._engine.history[:limit] if event.seq <= up_to)
        del self._engine.history[:gone]
        return gone

    def _is_over(self, token: TokenRecord) -> bool:
        if token.kind is not TokenKind.ATTEMPT or token.task_id is None:
            return False
        state = self._engine.records[token.task_id].state
        return not (state.is_held and state.fence == token.fence)

    def remembered(self, asked: ops.Idempotency) -> Remembered | None:
        """What an earlier request under this key did."""
        return self._engine.idempotency.get((asked.subject, asked.route, asked.key))

    def remember(self, asked: ops.Idempotency, task_ids: tuple[str, ...], now: int) -> None:
        """Keep what this request did."""
        slot = (asked.subject, asked.route, asked.key)
        self._engine.idempotency[slot] = Remembered(asked.body_hash, task_ids, now)

    def _states(self) -> list[TaskState]:
        return [record.state for record in self._engine.records.values()]
