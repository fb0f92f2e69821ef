"""A store in memory: the oracle of the tests, and a real store for those that need no disk.

It carries out operations one at a time with the rules of `domain`, where the SQL store works on sets. Both must give the same answers,
the same rows and the same event chain for the same history.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from agent_swarm.domain.commands import (
    Change,
    Fence,
    Repeat,
    Resume,
    claim,
    decide,
    fail_by_dependency,
    require_lease,
    skip_by_dependency,
    tick,
    unblock,
)
from agent_swarm.domain.dependencies import Consequence, consequence
from agent_swarm.domain.errors import StaleLease, SwarmError, UnknownTask
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.priority import sort_key
from agent_swarm.domain.tasks import PauseReason, TaskState, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import IDEMPOTENCY_SECONDS
from agent_swarm.store import events, refusals, rows
from agent_swarm.store import operations as ops
from agent_swarm.store.base import BatchResult, Committed, Queries
from agent_swarm.store.events import Draft
from agent_swarm.store.memory_queries import MemoryQueries
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    AttemptReport,
    ClaimedTask,
    Edge,
    Event,
    ProjectRecord,
    TaskRecord,
    TokenKind,
    TokenRecord,
)

R = TypeVar("R")

IDEMPOTENCY_TTL = IDEMPOTENCY_SECONDS * SECOND
NO_NOTE: Mapping[str, Any] = MappingProxyType({})
NO_REPORT = AttemptReport()


@dataclass(slots=True)
class _Batch:
    """What one batch has done so far."""

    now: int
    drafts: list[Draft] = field(default_factory=list)
    ready: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    classes: dict[int, Requirements] = field(default_factory=dict)
    timers: list[int] = field(default_factory=list)
    ended: dict[str, TaskStatus] = field(default_factory=dict)  # terminal since the last cascade


class MemoryEngine:
    """An `Engine` without a disk."""

    def __init__(self) -> None:
        self.records: dict[str, TaskRecord] = {}
        self.edges: dict[str, tuple[Edge, ...]] = {}
        self.class_of: dict[str, int] = {}  # the class a task is claimed under
        self.class_ids: dict[str, int] = {}  # by Requirements.key()
        self.attempts: dict[tuple[str, int], AttemptRecord] = {}
        self.by_claim: dict[str, tuple[str, int]] = {}
        self.agents: dict[str, AgentRecord] = {}
        self.tokens: dict[str, TokenRecord] = {}
        self.projects: dict[str, ProjectRecord] = {}
        self.idempotency: dict[tuple[str, str, str], tuple[str, tuple[str, ...], int]] = {}
        self.usage: dict[tuple[str, int, int], ops.BookUsage] = {}
        self.history: list[Event] = []
        self._handlers: Mapping[type, Callable[[Any, _Batch], Any]] = {
            ops.PutToken: self._put_token,
            ops.RevokeToken: self._revoke_token,
            ops.RegisterAgent: self._register_agent,
            ops.SignOff: self._sign_off,
            ops.CreateProject: self._create_project,
            ops.CreateTasks: self._create_tasks,
            ops.TaskCommand: self._command,
            ops.Reprioritize: self._reprioritize,
            ops.RunTimers: self._run_timers,
            ops.Heartbeat: self._heartbeat,
            ops.ReportProgress: self._report_progress,
            ops.BookUsage: self._book_usage,
            ops.ClaimTask: self._claim,
        }

    def open(self) -> int:
        """Nothing to prepare; the latest event tells the last instant."""
        return self.history[-1].at if self.history else 0

    def close(self) -> None:
        """Nothing to free."""

    def read(self, query: Callable[[Queries], R]) -> R:
        """Run `query` on the present state."""
        return query(MemoryQueries(self))

    def apply_batch(self, operations: Sequence[ops.Operation[Any]], now: int) -> BatchResult:
        """Carry out `operations` phase by phase, each phase in the order given, cascades at the end of each phase."""
        batch = _Batch(now)
        replies: list[Any] = [None] * len(operations)
        for phase in ops.PHASES:
            chosen = [(index, op) for index, op in enumerate(operations) if type(op) is phase]
            if phase is ops.ClaimTask:
                chosen = _grouped_by_classes(chosen)
            for index, operation in chosen:
                try:
                    replies[index] = self._handlers[phase](operation, batch)
                except SwarmError as refusal:
                    replies[index] = refusal
            self._cascade(batch)
        last = self.history[-1] if self.history else None
        seq, head = (last.seq, last.hash) if last else (0, events.GENESIS)
        happened = events.chain(batch.drafts, seq=seq, head=head, at=now)
        self.history.extend(happened)
        return BatchResult(
            replies,
            Committed(
                at=now,
                events=tuple(happened),
                ready=dict(batch.ready),
                classes=batch.classes,
                timer_at=min(batch.timers, default=None),
            ),
        )

    # --- tokens, agents, projects -------------------------------------------------------------------------------

    def _put_token(self, op: ops.PutToken, batch: _Batch) -> None:
        if any(token.hash == op.token.hash and token.revoked_at is None for token in self.tokens.values()):
            return
        if op.token.kind is TokenKind.OPERATOR:
            self._revoke(
                batch.now, lambda token: token.kind is TokenKind.OPERATOR and token.label == op.token.label
            )
        self.tokens[op.token.id] = replace(op.token, created_at=batch.now)
        batch.drafts.append(events.token_created(op.token))

    def _revoke_token(self, op: ops.RevokeToken, batch: _Batch) -> bool:
        revoked = self._revoke(batch.now, lambda token: token.id == op.token_id)
        if revoked:
            batch.drafts.append(events.token_revoked(op))
        return revoked > 0

    def _revoke(self, now: int, chosen: Callable[[TokenRecord], bool]) -> int:
        found = [token for token in self.tokens.values() if token.revoked_at is None and chosen(token)]
        for token in found:
            self.tokens[token.id] = replace(token, revoked_at=now)
        return len(found)

    def _register_agent(self, op: ops.RegisterAgent, batch: _Batch) -> ops.Registration:
        agent_id = op.agent.profile.id
        old = self.agents.get(agent_id)
        agent = replace(
            op.agent,
            registered_at=old.registered_at if old else batch.now,
            last_seen_at=batch.now,
            offline_at=None,
        )
        self.agents[agent_id] = agent
        is_new = old is None or old.instance_id != agent.instance_id
        superseded = old.instance_id if old is not None and is_new and old.offline_at is None else None
        if superseded:
            batch.drafts.append(events.agent_superseded(op, superseded))
        if is_new:
            batch.drafts.append(events.agent_registered(op))
        self._revoke(batch.now, lambda token: token.kind is TokenKind.AGENT and token.agent_id == agent_id)
        self.tokens[op.token.id] = replace(op.token, created_at=batch.now)
        fenced = self._fence_leases(op, batch) if is_new else ()
        resumed = self._resume_own(op, batch)
        return ops.Registration(agent=agent, superseded=superseded, fenced=fenced, resumed=resumed)

    def _fence_leases(self, op: ops.RegisterAgent, batch: _Batch) -> tuple[ops.Held, ...]:
        """Take from an earlier instance what the new one does not hold; hand it what it does."""
        agent_id = op.agent.profile.id
        kept = {(held.task_id, held.fence) for held in op.held}
        fenced = []
        for state in sorted(self._states(), key=lambda state: state.id):
            if not state.is_held or state.agent_id != agent_id:
                continue
            if (state.id, state.fence) in kept:
                self._put_state(state, replace(state, instance_id=op.agent.instance_id), batch)
            else:
                fenced.append(ops.Held(task_id=state.id, fence=state.fence))
                self._decide(Fence(task_id=state.id, jitter=op.jitter), events.SYSTEM, batch)
        return tuple(fenced)

    def _resume_own(self, op: ops.RegisterAgent, batch: _Batch) -> tuple[str, ...]:
        agent_id = op.agent.profile.id
        mine = sorted(
            state.id
            for state in self._states()
            if state.status is TaskStatus.PAUSED
            and state.pause_reason is PauseReason.SHUTDOWN
            and state.pinned_agent == agent_id
        )
        for task_id in mine:
            self._decide(Resume(task_id=task_id, agent_id=agent_id), events.of_agent(agent_id), batch)
        return tuple(mine)

    def _sign_off(self, op: ops.SignOff, batch: _Batch) -> None:
        agent = self._current_instance(op.agent_id, op.instance_id)
        self.agents[op.agent_id] = replace(agent, offline_at=batch.now, last_seen_at=batch.now)
        self._revoke(batch.now, lambda token: token.kind is TokenKind.AGENT and token.agent_id == op.agent_id)
        batch.drafts.append(events.agent_signed_off(op))

    def _current_instance(self, agent_id: str, instance_id: str) -> AgentRecord:
        agent = self.agents.get(agent_id)
        if agent is None:
            raise refusals.unknown_agent(agent_id)
        if agent.instance_id != instance_id:
            raise refusals.superseded(agent_id)
        return agent

    def _create_project(self, op: ops.CreateProject, batch: _Batch) -> ProjectRecord:
        for project in self.projects.values():
            if project.name == op.project.name:
                if project.repo_url == op.project.repo_url:
                    return project
                raise refusals.project_exists(project)
        project = replace(op.project, created_at=batch.now)
        self.projects[project.id] = project
        batch.drafts.append(events.project_created(op))
        return project

    # --- tasks ----------------------------------------------------------------------------------------------------

    def _create_tasks(self, op: ops.CreateTasks, batch: _Batch) -> ops.Created:
        asked = op.idempotency
        slot = (asked.subject, asked.route, asked.key) if asked else None
        if asked and slot in self.idempotency:
            body_hash, task_ids, created_at = self.idempotency[slot]
            if batch.now - created_at < IDEMPOTENCY_TTL:
                if body_hash != asked.body_hash:
                    raise refusals.idempotency_mismatch(asked)
                return ops.Created(task_ids=task_ids, replayed=True)
        self._check_references(op)
        for new in op.tasks:
            self._create_task(new, op.actor, batch)
        created = tuple(new.spec.id for new in op.tasks)
        if asked and slot:
            self.idempotency[slot] = (asked.body_hash, created, batch.now)
        return ops.Created(task_ids=created)

    def _check_references(self, op: ops.CreateTasks) -> None:
        made: set[str] = set()
        for new in op.tasks:
            if new.spec.id in self.records or new.spec.id in made:
                raise refusals.task_exists(new.spec.id)
            for edge in new.edges:
                if edge.upstream_id not in self.records and edge.upstream_id not in made:
                    raise refusals.unknown_reference("dependsOn", "task", edge.upstream_id)
            if new.spec.project_id is not None and new.spec.project_id not in self.projects:
                raise refusals.unknown_reference("project", "project", new.spec.project_id)
            if new.spec.requires.agent_id is not None and new.spec.requires.agent_id not in self.agents:
                raise refusals.unknown_reference("agentId", "agent", new.spec.requires.agent_id)
            made.add(new.spec.id)

    def _create_task(self, new: ops.NewTask, actor: str, batch: _Batch) -> None:
        spec = replace(new.spec, created_at=batch.now, root_id=new.spec.root_id or new.spec.id)
        upstream = {edge.upstream_id: self.records[edge.upstream_id].state.status for edge in new.edges}
        state, created = rows.new_state(new, upstream, actor=actor, now=batch.now)
        self.records[spec.id] = TaskRecord(spec=spec, state=state, updated_at=batch.now)
        self.edges[spec.id] = new.edges
        batch.drafts.extend(created)
        self._put_state(None, state, batch)

    def _command(self, op: ops.TaskCommand, batch: _Batch) -> ops.CommandReply:
        return self._decide(op.command, op.actor, batch, report=op.report, note=op.note)

    def _decide(
        self,
        command: Any,
        actor: str,
        batch: _Batch,
        *,
        report: AttemptReport = NO_REPORT,
        note: Mapping[str, Any] = NO_NOTE,
    ) -> ops.CommandReply:
        record = self.records.get(command.task_id)
        if record is None:
            raise UnknownTask(command.task_id)
        decision = decide(record.state, command, now=batch.now)
        if isinstance(decision, Repeat):
            return ops.CommandReply(state=decision.state, repeated=True)
        self._apply(record.state, decision, batch, actor=actor, report=report, note=note)
        return ops.CommandReply(state=decision.state)

    def _apply(
        self,
        before: TaskState,
        change: Change,
        batch: _Batch,
        *,
        actor: str,
        report: AttemptReport = NO_REPORT,
        note: Mapping[str, Any] = NO_NOTE,
    ) -> None:
        record = self.records[before.id]
        self.records[before.id] = rows.task_after(record, before, change, report=report, now=batch.now)
        key = (before.id, before.attempt)
        if key in self.attempts:
            self.attempts[key] = rows.attempt_after(self.attempts[key], change, report=report, now=batch.now)
        draft = events.task_event(before, change, actor=actor, report=report, note=note)
        if draft is not None:
            batch.drafts.append(draft)
        self._put_state(before, change.state, batch)

    def _put_state(self, before: TaskState | None, state: TaskState, batch: _Batch) -> None:
        """Store `state`, and note what others have to know: claimable, due, ended."""
        record = self.records[state.id]
        old_class = self.class_of.get(state.id)
        class_id = self._intern(record.spec.requires.pinned_to(state.pinned_agent), batch)
        self.class_of[state.id] = class_id
        self.records[state.id] = replace(record, state=state)
        if state.ready and (before is None or not before.ready or class_id != old_class):
            batch.ready[class_id] += 1
        if state.timer_at is not None:
            batch.timers.append(state.timer_at)
        if state.is_terminal and (before is None or not before.is_terminal):
            batch.ended[state.id] = state.status

    def _intern(self, needs: Requirements, batch: _Batch) -> int:
        key = needs.key()
        if key not in self.class_ids:
            self.class_ids[key] = len(self.class_ids) + 1
            batch.classes[self.class_ids[key]] = needs
        return self.class_ids[key]

    def _cascade(self, batch: _Batch) -> None:
        """Tell dependants of the tasks that ended, level by level (rule T8)."""
        while batch.ended:
            ended, batch.ended = batch.ended, {}
            told: dict[str, list[tuple[str, Consequence]]] = defaultdict(list)
            for task_id, edges in self.edges.items():
                for edge in edges:
                    if edge.upstream_id in ended:
                        told[task_id].append(
                            (edge.upstream_id, consequence(edge.on_failure, ended[edge.upstream_id]))
                        )
            for task_id in sorted(told):
                self._tell_dependant(task_id, told[task_id], batch)

    def _tell_dependant(self, task_id: str, told: list[tuple[str, Consequence]], batch: _Batch) -> None:
        met = sum(1 for _, what in told if what is Consequence.MET)
        if met and not self.records[task_id].state.is_terminal:
            state = self.records[task_id].state
            self._apply(state, unblock(state, met, now=batch.now), batch, actor=events.SYSTEM)
        for wanted, rule in ((Consequence.FAIL, fail_by_dependency), (Consequence.SKIP, skip_by_dependency)):
            upstream = min((upstream for upstream, what in told if what is wanted), default=None)
            state = self.records[task_id].state
            change = rule(state, upstream) if upstream is not None else None
            if change is not None:
                self._apply(state, change, batch, actor=events.SYSTEM)

    def _reprioritize(self, op: ops.Reprioritize, batch: _Batch) -> ops.CommandReply:
        record = self.records.get(op.task_id)
        if record is None:
            raise UnknownTask(op.task_id)
        refusals.require_open(record.state, "reprioritize")
        if record.spec.priority == op.priority:
            return ops.CommandReply(state=record.state, repeated=True)
        spec = replace(record.spec, priority=op.priority)
        self.records[op.task_id] = replace(record, spec=spec, updated_at=batch.now)
        batch.drafts.append(events.reprioritized(op, record.state))
        return ops.CommandReply(state=record.state)

    def _run_timers(self, op: ops.RunTimers, batch: _Batch) -> int:
        due = sorted(
            (state.timer_at, state.id)
            for state in self._states()
            if state.timer_at is not None and state.timer_at <= batch.now and (op.leases or not state.is_held)
        )[: op.limit]
        for index, (_, task_id) in enumerate(due):
            state = self.records[task_id].state
            change = tick(state, now=batch.now, jitter=rows.spread(op.jitter, index))
            assert isinstance(change, Change)
            self._apply(state, change, batch, actor=events.SYSTEM)
        return len(due)

    # --- leases -----------------------------------------------------------------------------------------------------

    def _heartbeat(self, op: ops.Heartbeat, batch: _Batch) -> tuple[ops.LeaseVerdict, ...]:
        agent = self._current_instance(op.agent_id, op.instance_id)
        self.agents[op.agent_id] = replace(agent, last_seen_at=batch.now, offline_at=None)
        return tuple(self._renew(op, held, batch) for held in op.leases)

    def _renew(self, op: ops.Heartbeat, held: ops.Held, batch: _Batch) -> ops.LeaseVerdict:
        record = self.records.get(held.task_id)
        if record is None:
            return ops.LeaseVerdict(task_id=held.task_id, fence=held.fence, renewed=False)
        state = record.state
        mine = (held.fence, op.agent_id, op.instance_id) == (state.fence, state.agent_id, state.instance_id)
        if not (state.is_held and mine):
            wants = "cancel" if state.status is TaskStatus.CANCELLED else ""
            return ops.LeaseVerdict(
                task_id=state.id, fence=held.fence, renewed=False, wants=wants, current_fence=state.fence
            )
        self._put_state(state, replace(state, lease_expires_at=batch.now + op.lease), batch)
        wants = "pause" if state.pause_wanted is not None else ""
        return ops.LeaseVerdict(
            task_id=state.id, fence=held.fence, renewed=True, wants=wants, current_fence=state.fence
        )

    def _report_progress(self, op: ops.ReportProgress, batch: _Batch) -> ops.CommandReply:
        record = self.records.get(op.task_id)
        if record is None:
            raise UnknownTask(op.task_id)
        require_lease(record.state, op.fence, "report progress of")
        self.records[op.task_id] = replace(record, progress=op.text, updated_at=batch.now)
        batch.drafts.append(events.progressed(op, record.state))
        return ops.CommandReply(state=record.state)

    def _book_usage(self, op: ops.BookUsage, batch: _Batch) -> bool:
        attempt = self.attempts.get((op.task_id, op.attempt))
        if attempt is None:
            raise refusals.unknown_attempt(op.task_id, op.attempt)
        key = (op.task_id, op.attempt, op.seq)
        if key in self.usage:
            return False
        self.usage[key] = op
        self.attempts[op.task_id, op.attempt] = replace(
            attempt,
            input_tokens=attempt.input_tokens + op.input_tokens,
            output_tokens=attempt.output_tokens + op.output_tokens,
            cost_micros=attempt.cost_micros + op.cost_micros,
        )
        batch.drafts.append(events.usage_booked(op, attempt.agent_id))
        return True

    def _claim(self, op: ops.ClaimTask, batch: _Batch) -> ClaimedTask | None:
        self._current_instance(op.agent_id, op.instance_id)
        if op.claim_id in self.by_claim:
            return self._redeliver(op, batch)
        served = set(op.class_ids)
        candidates = (
            record
            for record in self.records.values()
            if record.state.ready and self.class_of[record.spec.id] in served
        )
        best = min(candidates, key=_claim_order, default=None)
        if best is None:
            return None
        change = claim(
            best.state, agent_id=op.agent_id, instance_id=op.instance_id, lease=op.lease, now=batch.now
        )
        state = change.state
        self.attempts[state.id, state.attempt] = rows.new_attempt(op, state, now=batch.now)
        self.by_claim[op.claim_id] = (state.id, state.attempt)
        self._put_attempt_token(op, state, batch)
        self.records[state.id] = replace(best, progress="", last_agent_id=op.agent_id, updated_at=batch.now)
        batch.drafts.append(events.claimed(op, state))
        self._put_state(best.state, state, batch)
        return ClaimedTask(claim_id=op.claim_id, task=self.records[state.id])

    def _redeliver(self, op: ops.ClaimTask, batch: _Batch) -> ClaimedTask:
        task_id, number = self.by_claim[op.claim_id]
        attempt, record = self.attempts[task_id, number], self.records[task_id]
        state = record.state
        if attempt.agent_id != op.agent_id or not state.is_held or state.fence != attempt.fence:
            raise StaleLease(task_id, presented=attempt.fence, current=state.fence)
        self._put_attempt_token(op, state, batch)
        return ClaimedTask(claim_id=op.claim_id, task=record)

    def _put_attempt_token(self, op: ops.ClaimTask, state: TaskState, batch: _Batch) -> None:
        self.tokens[op.token.id] = replace(
            op.token, task_id=state.id, fence=state.fence, agent_id=op.agent_id, created_at=batch.now
        )

    def _states(self) -> Iterable[TaskState]:
        return [record.state for record in self.records.values()]


def _claim_order(record: TaskRecord) -> tuple[int, str]:
    return (sort_key(created_at=record.spec.created_at, priority=record.spec.priority), record.spec.id)


def _grouped_by_classes(
    chosen: list[tuple[int, ops.Operation[Any]]],
) -> list[tuple[int, ops.Operation[Any]]]:
    """Claims that serve the same classes together, groups in the order of their first member."""
    groups: dict[tuple[int, ...], list[tuple[int, ops.Operation[Any]]]] = {}
    for index, operation in chosen:
        assert isinstance(operation, ops.ClaimTask)
        groups.setdefault(operation.class_ids, []).append((index, operation))
    return [member for group in groups.values() for member in group]
