"""`Rows` in SQL: rows are read in sets and locked, changed in memory, and written back in sets (`staging`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from agent_swarm.domain.caps import Cap
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.kill_switch import Switch
from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements
from agent_swarm.domain.swarms import Swarm
from agent_swarm.domain.unserved import Wait
from agent_swarm.store.families.budgets import BUDGET_TARGETS
from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.families.stated_outcomes import STATED_OUTCOMES, StatedOutcome
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.families.switches import SWITCHES
from agent_swarm.store.operations import BookUsage, Idempotency
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    Edge,
    ProjectRecord,
    TaskRecord,
    TokenKind,
    TokenRecord,
)
from agent_swarm.store.rows import ClassRow, Entry, Remembered
from agent_swarm.store.sql import coding, families, statements, tables
from agent_swarm.store.sql.classes import ClassCache
from agent_swarm.store.sql.driver import Driver
from agent_swarm.store.sql.staging import Staging
from agent_swarm.store.sql.writer_memory import Standing, WriterMemory

R = TypeVar("R")

NO_LIMIT = 2**31 - 2
_POLICIES = {policy.value: policy for policy in OnFailure}
_STANDING = (SWITCHES, SWARMS, BUDGET_TARGETS)  # what `Standing` tells of


class LaboriousError(Exception):
    """There is more to do than somebody in a hurry has patience for."""


class SqlRows:
    """One batch's view of the database, over one connection in one transaction.

    `memory` is what need not be read, where nobody else writes; `standing` how the kill switch stands, where that came
    with the beginning of the transaction; `patience` how many edges of a cascade are followed.
    """

    def __init__(
        self,
        driver: Driver,
        classes: ClassCache,
        memory: WriterMemory | None = None,
        *,
        standing: Standing | None = None,
        patience: int | None = None,
    ) -> None:
        self._driver = driver
        self.standing = standing or (memory.standing if memory is not None else None)
        self._classes = classes
        self._memory = memory
        self._patience = patience
        self._staging = Staging()
        self._remembered: dict[tuple[str, str, str], Remembered] = {}
        self._stated: dict[str, StatedOutcome] = {}
        self._edges: dict[str, list[tuple[str, Edge]]] = {}  # from tasks that are locked, and end in this batch
        self.entries: dict[str, Entry] = {}
        self.agents: dict[str, AgentRecord] = {}

    # --- reading in sets --------------------------------------------------------------------------------------------

    def prefetch(
        self,
        *,
        tasks: Iterable[str] = (),
        agents: Iterable[str] = (),
        asked: Iterable[Idempotency] = (),
        stated: Iterable[str] = (),
    ) -> None:
        """Read and lock what is not at hand yet; what agents stated is under the lock of its task."""
        if tasks and (missing := set(tasks).difference(self.entries)):
            self._prefetch_tasks(missing)
        if agents and (missing := set(agents).difference(self.agents)):
            self._prefetch_agents(missing)
        if asked and (keys := {request.key for request in asked}):
            self._prefetch_asked(keys)
        if stated and (ids := sorted(stated)):
            found = self._driver.rows(families.many_of(STATED_OUTCOMES), {"ids": ids})
            self._stated = {row["task_id"]: families.record_of(STATED_OUTCOMES, row) for row in found}

    def stated(self, task_id: str) -> StatedOutcome | None:
        """What an agent of the task has stated."""
        return self._stated.get(task_id)

    def _prefetch_tasks(self, missing: set[str]) -> None:
        if self._memory is not None:
            known = [entry for task_id in missing if (entry := self._memory.task(task_id)) is not None]
            for entry in known:
                self._add(entry)
            missing = missing.difference(entry.state.id for entry in known)
        if missing:
            for row in self._driver.tuples(statements.lock_tasks, {"ids": sorted(missing)}):
                self._add(coding.entry_of(row))

    def _add(self, entry: Entry) -> None:
        self.entries[entry.state.id] = entry
        self._staging.stored(entry)

    def _prefetch_agents(self, missing: set[str]) -> None:
        if self._memory is not None:
            known = self._memory.agents  # thousands: nothing here may look at all of them
            self.agents.update((agent_id, known[agent_id]) for agent_id in missing if agent_id in known)
            missing = {agent_id for agent_id in missing if agent_id not in known}
        if missing:
            rows = self._driver.rows(statements.lock_agents, {"ids": sorted(missing)})
            self.agents.update((row["id"], coding.agent_of(row)) for row in rows)

    def _prefetch_asked(self, keys: set[str]) -> None:
        for row in self._driver.rows(statements.remembered, {"ids": sorted(keys)}):
            task_ids = tuple(coding.load(row["task_ids"]))
            kept = Remembered(row["body_hash"], task_ids, row["created_at"])
            self._remembered[row["subject"], row["route"], row["key"]] = kept

    def entry(self, task_id: str) -> Entry | None:
        """The task as this batch sees it."""
        return self.entries.get(task_id)

    def records(self, task_ids: Sequence[str]) -> dict[str, TaskRecord]:
        """Whole tasks, by id."""
        found = {task_id: record for task_id in task_ids if (record := self.entries[task_id].record()) is not None}
        missing = [task_id for task_id in task_ids if task_id not in found]
        if missing:
            self.flush()
            for row in self._driver.rows(statements.tasks_by_id, {"ids": missing}):
                found[row["id"]] = coding.task_of(row, self.requirements(row["class_id"]))
        return found

    def count_tasks(self, cap: Cap, of: str, *, limit: int) -> int:
        """How many tasks count for this cap."""
        self.flush()
        return int(self._driver.value(statements.counted[cap], {"of": of, "limit": limit}))

    def edges_from(self, upstream_ids: Sequence[str]) -> list[tuple[str, Edge]]:
        """Who waits for these tasks, and how."""
        unknown = [task_id for task_id in upstream_ids if task_id not in self._edges]
        if unknown:
            self._fetch_edges(unknown)
        return [edge for task_id in upstream_ids for edge in self._edges[task_id]]

    def look_ahead(self, task_ids: Sequence[str]) -> None:
        """Lock all that the end of these tasks could end, then read the edges from there.

        Who adds an edge locks the task it waits for. So edges that are read once a task is locked are all there are,
        and what one of them leads to that was not there a moment ago is looked at in turn.
        """
        while ahead := self._not_looked_at(task_ids):
            self._show_new_edges()
            room = NO_LIMIT if self._patience is None else self._patience + len(ahead)
            below = self._driver.values(statements.downstream, {"ids": ahead, "limit": room + 1})
            if len(below) > room:
                raise LaboriousError
            self.prefetch(tasks=below)
            self._fetch_edges([task_id for task_id in below if task_id not in self._edges])
            task_ids = [task_id for upstream_id in below for task_id in self._could_end(upstream_id)]
            self.prefetch(tasks=task_ids)

    def _not_looked_at(self, task_ids: Iterable[str]) -> list[str]:
        return [
            task_id
            for task_id in task_ids
            if task_id not in self._edges and not self.entries[task_id].state.is_terminal
        ]

    def _could_end(self, upstream_id: str) -> list[str]:
        return [task_id for task_id, edge in self._edges[upstream_id] if edge.on_failure is not OnFailure.WAIT]

    def _fetch_edges(self, upstream_ids: Sequence[str]) -> None:
        self._show_new_edges()
        rows = self._driver.tuples(statements.edges_from, {"ids": upstream_ids})
        if self._patience is not None:
            self._patience -= len(rows)
            if self._patience < 0:
                raise LaboriousError
        self._edges.update((upstream_id, []) for upstream_id in upstream_ids)
        for task_id, upstream_id, on_failure in rows:
            self._edges[upstream_id].append((task_id, Edge(upstream_id, _POLICIES[on_failure])))

    def _show_new_edges(self) -> None:
        """A task that was filed in this batch may wait for one that ends in it."""
        if self._staging.has_new_edges:
            self.flush()

    def due(self, now: int, *, leases: bool, limit: int) -> list[str]:
        """Tasks whose timer is due, earliest first."""
        if not leases:
            return self._ids(statements.due_timers_but_leases, {"now": now, "limit": limit})
        self.flush()
        self._driver.run(statements.set_timers_right, {"now": now})
        return self._ids(statements.due_timers, {"now": now, "limit": limit})

    def heads(self, class_ids: Sequence[int], limit: int) -> list[str]:
        """The first ready tasks of these classes."""
        if not class_ids:
            return []
        if len(class_ids) == 1:
            return self._ids(statements.head_of_one, {"class_id": class_ids[0], "limit": limit})
        wanted = {"class_ids": coding.dump(list(class_ids)), "limit": limit}
        return self._ids(statements.heads_of_many(self._driver.dialect), wanted)

    def held_by(self, agent_id: str) -> list[str]:
        """The tasks an agent holds, by id."""
        return self._ids(statements.held_by, {"agent_id": agent_id})

    def held(self) -> list[str]:
        """Every task under a lease, by id."""
        return self._ids(statements.held, {})

    def paused_for(self, agent_id: str) -> list[str]:
        """The tasks that a shutdown of this agent paused, by id."""
        return self._ids(statements.paused_for, {"agent_id": agent_id})

    def offered_to(self, agent_id: str) -> list[str]:
        """The tasks that this agent is asked to take, by id."""
        return self._ids(statements.offered_to, {"agent_id": agent_id})

    def _ids(self, statement: "sa.Select[Any]", parameters: Mapping[str, Any]) -> list[str]:
        self.flush()
        return self._driver.values(statement, parameters)

    def flush(self) -> None:
        """Write what waits."""
        self._staging.flush(self._driver)

    # --- tasks, classes, attempts -----------------------------------------------------------------------------------

    def save(self, entry: Entry) -> None:
        """Have a changed task written back."""
        self._staging.save(entry)

    def rewrite(self, entry: Entry, *, prompt: str | None, labels: tuple[str, ...] | None) -> None:
        """Write another prompt, and other labels for lists; the task's own row is saved with its columns."""
        self.flush()
        task_id = entry.state.id
        if prompt is not None:
            self._driver.run(statements.set_prompt, {"of_task": task_id, "new_text": prompt})
        if labels is not None:
            at = entry.created_at
            for label in set(entry.labels) - set(labels):
                self._driver.run(statements.remove_label, {"of_label": label, "of_instant": at, "of_task": task_id})
            new = [{"label": one, "created_at": at, "task_id": task_id} for one in set(labels) - set(entry.labels)]
            if new:
                self._driver.run_many(statements.insert(tables.task_label), new)

    def add_task(self, record: TaskRecord, edges: Sequence[Edge], entry: Entry) -> None:
        """Have a new task written, with its prompt and edges."""
        entry.whole = record
        self.entries[record.spec.id] = entry
        self._staging.add_task(record, edges, entry)

    def requirements(self, class_id: int) -> Requirements:
        """What the tasks of a class require."""
        return self._classes.requirements(class_id, lambda: self._driver.rows(statements.all_classes))

    def intern(self, needs: Requirements) -> tuple[int, bool]:
        """The class of these requirements, and whether it is new."""
        return self._classes.intern(self._driver, needs)

    def classes_that_wait(self) -> list[ClassRow]:
        """The classes that have claimable tasks or a wait on record, by id, locked."""
        self.flush()
        return [
            ClassRow(
                row["id"],
                Requirements.from_key(row["key"]),
                Wait(row["unserved_since"], row["unserved_told_at"]),
                bool(row["has_tasks"]),
            )
            for row in self._driver.rows(statements.classes_that_wait)
        ]

    def kinds_online(self, since: int) -> list[AgentProfile]:
        """Agents seen since then that have not said goodbye and are not stopped, one of those that are alike, without
        an id.
        """
        self.flush()
        return [
            AgentProfile(
                id="",
                agent_role=AgentRole(row["agent_role"]),
                role=row["role"],
                skills=frozenset(coding.load(row["skills"])),
                tags=frozenset(coding.load(row["tags"])),
                capabilities=frozenset(coding.load(row["capabilities"])),
                swarm_id=row["swarm_id"],
            )
            for row in self._driver.rows(statements.kinds_online, {"since": since})
        ]

    def ready_tasks(self, class_id: int, limit: int) -> list[str]:
        """Claimable tasks of a class, first ones first; none is locked."""
        return self._ids(statements.ready_tasks, {"class_id": class_id, "limit": limit})

    def save_wait(self, class_id: int, wait: Wait) -> None:
        """Write the wait of a class."""
        self._driver.run(statements.save_wait, {"of_class": class_id, "since": wait.since, "told_at": wait.told_at})

    def claimed(self, claim_ids: Sequence[str]) -> dict[str, AttemptRecord]:
        """The attempts that these claims opened."""
        rows = self._driver.rows(statements.claimed, {"ids": claim_ids})
        return {row["claim_id"]: coding.attempt_of(row) for row in rows}

    def has_attempt(self, task_id: str, number: int) -> str | None:
        """Which agent made this attempt."""
        agent_id: str | None = self._driver.value(statements.has_attempt, {"task_id": task_id, "number": number})
        return agent_id

    def add_attempt(self, attempt: AttemptRecord) -> None:
        """Have a new attempt written."""
        self._staging.add_attempt(attempt)

    def update_attempt(self, task_id: str, number: int, columns: Mapping[str, Any]) -> None:
        """Have an attempt changed."""
        self._staging.update_attempt(task_id, number, columns)

    def add_usage(self, usage: BookUsage, now: int) -> bool:
        """Book usage once; whether it was new."""
        row = {"task_id": usage.task_id, "attempt": usage.attempt, "seq": usage.seq}
        if self._driver.value(statements.same_usage, row) is not None:
            return False
        amounts = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_micros": usage.cost_micros,
        }
        self._driver.run(
            statements.insert(tables.usage).by_row, {**row, **amounts, "model": usage.model, "booked_at": now}
        )
        self._driver.run(
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
        return self.agents.get(agent_id)

    def put_agent(self, agent: AgentRecord) -> None:
        """Add or replace an agent."""
        row = coding.agent_row(agent)
        if agent.profile.id in self.agents:
            self._driver.run(statements.update_agent, {**row, "of_agent": row["id"]})
        else:
            self._driver.run(statements.insert(tables.agent).by_row, row)
        self.agents[agent.profile.id] = agent

    def seen(self, agent_id: str, now: int) -> None:
        """The agent gave a sign of life."""
        self._staging.seen(agent_id, now)
        self.agents[agent_id] = replace(self.agents[agent_id], last_seen_at=now, offline_at=None)

    def had_instance(self, agent_id: str, instance_id: str) -> bool:
        """Whether this process of the agent ever had a token."""
        return bool(self._ids(statements.token_of_instance, {"agent_id": agent_id, "instance_id": instance_id}))

    def token_valid(self, token_hash: str) -> bool:
        """Whether a token with this hash counts."""
        return bool(self._ids(statements.valid_token, {"hash": token_hash}))

    def add_token(self, token: TokenRecord) -> None:
        """Have a new token written."""
        self._staging.add_token(token)

    def revoke_tokens(
        self, now: int, *, kind: TokenKind | None = None, agent_id: str = "", label: str = "", token_id: str = ""
    ) -> int:
        """Revoke the valid tokens that meet every condition given; how many."""
        self.flush()
        given = {"kind": kind.value if kind else "", "agent_id": agent_id, "label": label, "id": token_id}
        chosen = {column: value for column, value in given.items() if value}
        values = {f"of_{column}": value for column, value in chosen.items()}
        return self._driver.run(statements.revoke_tokens(tuple(chosen)), {"now": now, **values})

    def project_named(self, name: str) -> ProjectRecord | None:
        """The project with this name."""
        rows = self._driver.rows(statements.project_named, {"name": name})
        return coding.project_of(rows[0]) if rows else None

    def has_project(self, project_id: str) -> bool:
        """Whether there is such a project."""
        return self._driver.value(statements.has_project, {"id": project_id}) is not None

    def add_project(self, project: ProjectRecord) -> None:
        """Put a new project in."""
        row = {name: getattr(project, name) for name in ("id", "name", "repo_url", "default_branch", "created_at")}
        self._driver.run(statements.insert(tables.project).by_row, row)

    # --- the kill switch ----------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """What new tokens of agents and attempts have to carry."""
        return self._standing().epoch

    def raise_epoch(self) -> None:
        """End all tokens of agents and attempts."""
        self._driver.run(statements.raise_epoch)
        self.standing = None

    def killed(self) -> tuple[Switch, ...]:
        """The switches that are on."""
        return self._standing().killed

    def _standing(self) -> Standing:
        if self.standing is None:
            rows = self._driver.rows(statements.killed_switches)
            killed = tuple(families.record_of(SWITCHES, row) for row in rows)
            paused = frozenset(self._driver.values(statements.paused_swarms, {}))
            has_budgets = self._driver.value(statements.any_budget) is not None
            epoch = self._driver.value(statements.the_epoch)
            self.standing = Standing(epoch, killed, paused, has_budgets=has_budgets)
        return self.standing

    # --- swarms -------------------------------------------------------------------------------------------------------

    def paused(self) -> frozenset[str]:
        """The swarms that are paused."""
        return self._standing().paused

    def swarm(self, swarm_id: str) -> Swarm | None:
        """A swarm, not locked."""
        rows = self._driver.rows(families.statements_of(SWARMS).one, {"id": swarm_id})
        return families.record_of(SWARMS, rows[0]) if rows else None

    def agents_in(self, swarm_id: str) -> list[str]:
        """The agents of a swarm, by id."""
        return self._ids(statements.agents_in, {"swarm_id": swarm_id})

    def open_in(self, swarm_id: str, limit: int) -> list[str]:
        """Some tasks of a swarm that have not ended."""
        return self._ids(statements.open_in, {"swarm_id": swarm_id, "limit": limit})

    # --- requests that may come twice ---------------------------------------------------------------------------------

    def prune(self, before: int, limit: int) -> int:
        """Remove idempotency keys and tokens of ended attempts from before that instant; how many."""
        self.flush()
        bounds = {"before": before, "limit": limit}
        return sum(self._driver.run(prune, bounds) for prune in (statements.prune_keys, statements.prune_tokens))

    def drop_events(self, up_to: int, limit: int) -> int:
        """Remove the first `limit` events up to that one; how many."""
        return self._driver.run(statements.drop_events, {"up_to": up_to, "limit": limit})

    def remembered(self, asked: Idempotency) -> Remembered | None:
        """What an earlier request under this key did."""
        return self._remembered.get((asked.subject, asked.route, asked.key))

    def remember(self, asked: Idempotency, task_ids: tuple[str, ...], now: int) -> None:
        """Keep what this request did, in place of one that is too old."""
        slot = {"subject": asked.subject, "route": asked.route, "key": asked.key}
        place = (asked.subject, asked.route, asked.key)
        if place in self._remembered:
            self._driver.run(statements.forget_request, slot)
        row = {**slot, "body_hash": asked.body_hash, "task_ids": coding.dump(task_ids), "created_at": now}
        self._driver.run(statements.insert(tables.idempotency).by_row, row)
        self._remembered[place] = Remembered(asked.body_hash, task_ids, now)

    # --- small records under keys ------------------------------------------------------------------------------------

    def record(self, family: Family[R], key: Key) -> R | None:
        """A small record by its key, locked."""
        rows = self._driver.rows(families.statements_of(family).locked, families.key_values(family, key))
        return families.record_of(family, rows[0]) if rows else None

    def scan(self, family: Family[R], prefix: Key, *, after: Key | None, limit: int) -> list[R]:
        """The first small records whose key begins with `prefix`, by key, locked."""
        page = families.page_of(family, len(prefix), continues=after is not None, locked=True)
        rows = self._driver.rows(page, families.values_of_page(family, prefix, after, limit))
        return [families.record_of(family, row) for row in rows]

    def records_by(self, family: Family[R], keys: Sequence[str]) -> list[R]:
        """Small records whose key is one column, by key, locked."""
        if not keys:
            return []
        rows = self._driver.rows(families.locked_many_of(family), {"ids": sorted(set(keys))})
        return [families.record_of(family, row) for row in rows]

    def has_budgets(self) -> bool:
        """Whether there is any budget."""
        return self._standing().has_budgets

    def under(self, family: Family[R], firsts: Sequence[str]) -> list[R]:
        """The small records whose key begins with one of these, by key."""
        rows = self._driver.rows(families.under(family), {"ids": list(firsts)})
        return [families.record_of(family, row) for row in rows]

    def put_record(self, family: Family[R], record: R) -> None:
        """Add a small record, or replace the one under its key."""
        families.put(self._driver, family, record)
        if family in _STANDING:
            self.standing = None

    def add_records(self, family: Family[R], records: Sequence[R]) -> None:
        """Add new small records in one go."""
        rows = [families.row_of(family, record) for record in records]
        self._driver.run_many(statements.insert(families.table_of(family)), rows)

    def remove_record(self, family: Family[R], key: Key) -> bool:
        """Remove the small record under this key; whether there was one."""
        if family in _STANDING:
            self.standing = None
        return bool(self._driver.run(families.statements_of(family).delete, families.key_values(family, key)))
