"""One batch: the operations of a moment, applied phase by phase on the rows of a storage.

For every phase the rows concerned are fetched in one go, each operation is decided by the rules of `domain` on the
rows as they then are, and what changed is written back in sets. The end of each phase tells dependants of the tasks
that ended in it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from agent_swarm.domain.commands import (
    Change,
    Command,
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
from agent_swarm.domain.kill_switch import SwitchScope, refusal, stopping
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.tasks import TaskState, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.values import changed
from agent_swarm.faults import crash_point
from agent_swarm.protocol.limits import IDEMPOTENCY_SECONDS
from agent_swarm.store import events, refusals, rows, unserved
from agent_swarm.store import operations as ops
from agent_swarm.store.base import BatchResult, Committed
from agent_swarm.store.events import Draft
from agent_swarm.store.killing import Killing
from agent_swarm.store.records import (
    AgentRecord,
    AttemptReport,
    ClaimedTask,
    ProjectRecord,
    TaskRecord,
    TokenKind,
)
from agent_swarm.store.rows import Entry, Rows

IDEMPOTENCY_TTL = IDEMPOTENCY_SECONDS * SECOND
NOTHING_TOLD = AttemptReport()
NO_NOTE: Mapping[str, Any] = MappingProxyType({})

Numbered = list[tuple[int, Any]]


class Batch:
    """Applies operations to `rows`; afterwards `drafts` are the events to chain, `committed` the rest of the news."""

    def __init__(self, rows: Rows, now: int) -> None:
        self._rows = rows
        self.now = now
        self.drafts: list[Draft] = []
        self._ready: dict[int, int] = defaultdict(int)
        self._labels: dict[int, list[frozenset[str]]] = defaultdict(list)
        self._classes: dict[int, Requirements] = {}
        self._timer_at: int | None = None
        self._ended: dict[str, TaskStatus] = {}  # terminal since the last cascade

    def apply(self, operations: Sequence[ops.Operation[Any]]) -> list[Any]:
        """The answers, one per operation; a refused one is answered by its SwarmError and has changed nothing."""
        replies: list[Any] = [None] * len(operations)
        by_phase: dict[type, Numbered] = defaultdict(list)
        for index, operation in enumerate(operations):
            by_phase[type(operation)].append((index, operation))
        for phase in ops.PHASES:
            if phase in by_phase:
                self._run_phase(phase, by_phase[phase], replies)
        return replies

    def result(self, replies: list[Any], happened: Sequence[Any]) -> BatchResult:
        """The answers together with the news, once the events are chained."""
        committed = Committed(
            at=self.now,
            events=tuple(happened),
            ready=dict(self._ready),
            labels={class_id: tuple(labels) for class_id, labels in self._labels.items()},
            classes=self._classes,
            timer_at=self._timer_at,
        )
        return BatchResult(replies, committed)

    def _run_phase(self, phase: type, chosen: Numbered, replies: list[Any]) -> None:
        if phase is ops.ClaimTask:
            self._claim_all(chosen, replies)
            return
        self._rows.prefetch(**_rows_of(phase, [operation for _, operation in chosen]))
        handle = _HANDLERS[phase]
        for index, operation in chosen:
            try:
                replies[index] = handle(self, operation)
            except SwarmError as refusal:
                replies[index] = refusal
        self._cascade()

    # --- the kill switch --------------------------------------------------------------------------------------------

    def activate_kill_switch(self, op: ops.ActivateKillSwitch) -> ops.SwitchReply:
        """Stop everything that the switch covers."""
        return self._killing().activate(op)

    def lift_kill_switch(self, op: ops.LiftKillSwitch) -> ops.SwitchReply:
        """Let work go on."""
        return self._killing().lift(op)

    def acknowledge_kill(self, op: ops.AcknowledgeKill) -> bool:
        """A worker has ended everything."""
        return self._killing().acknowledge(op)

    def _killing(self) -> Killing:
        def decide(command: Command, actor: str, note: Mapping[str, Any]) -> None:
            self._decide(command, actor=actor, note=note)

        return Killing(self._rows, self.now, decide, self.drafts.append)

    # --- tokens, agents, projects ---------------------------------------------------------------------------------

    def settle_fact(self, op: ops.SettleFact) -> str:
        """Whoever comes first settles it."""
        return self._rows.settled(op.name, op.value)

    def put_token(self, op: ops.PutToken) -> None:
        """Add a token, unless it counts already; an operator's replaces the one with the same label."""
        if self._rows.token_valid(op.token.hash):
            return
        if op.token.kind is TokenKind.OPERATOR:
            self._rows.revoke_tokens(self.now, kind=TokenKind.OPERATOR, label=op.token.label)
        self._rows.add_token(replace(op.token, created_at=self.now))
        self.drafts.append(events.token_created(op.token))

    def revoke_token(self, op: ops.RevokeToken) -> bool:
        """Revoke a token; whether it counted until now."""
        revoked = self._rows.revoke_tokens(self.now, token_id=op.token_id)
        if revoked:
            self.drafts.append(events.token_revoked(op))
        return revoked > 0

    def register_agent(self, op: ops.RegisterAgent) -> ops.Registration:
        """Rule T11: an agent's process reports for work."""
        agent_id = op.agent.profile.id
        old = self._rows.agent(agent_id)
        registered_at = old.registered_at if old else self.now
        agent = replace(op.agent, registered_at=registered_at, last_seen_at=self.now, offline_at=None)
        is_new = old is None or old.instance_id != agent.instance_id
        if is_new and self._rows.had_instance(agent_id, agent.instance_id):
            raise refusals.superseded(agent_id)  # it was replaced; two processes must not take turns for ever
        self._rows.put_agent(agent)
        superseded = old.instance_id if old is not None and is_new and old.offline_at is None else None
        if superseded:
            self.drafts.append(events.agent_superseded(op, superseded))
        if is_new:
            self.drafts.append(events.agent_registered(op))
        self._rows.revoke_tokens(self.now, kind=TokenKind.AGENT, agent_id=agent_id)
        self._rows.add_token(replace(op.token, epoch=self._rows.epoch(), created_at=self.now))
        fenced = self._fence_leases(op) if is_new else ()
        resumed = self._resume_own(agent_id)
        return ops.Registration(agent=agent, superseded=superseded, fenced=fenced, resumed=resumed)

    def _fence_leases(self, op: ops.RegisterAgent) -> tuple[ops.Held, ...]:
        """Rule T11: take from an earlier process what the new one does not hold; hand over what it does."""
        kept = {(held.task_id, held.fence) for held in op.held}
        held_before = self._rows.held_by(op.agent.profile.id)
        self._rows.prefetch(tasks=held_before)
        fenced = []
        for index, task_id in enumerate(held_before):
            entry = self._must(task_id)
            state = entry.state
            if state.agent_id != op.agent.profile.id:
                continue  # another server was faster, between finding it and locking it
            if (task_id, state.fence) in kept:
                self._put(entry, changed(state, instance_id=op.agent.instance_id))
            else:
                fenced.append(ops.Held(task_id=task_id, fence=state.fence))
                jitter = rows.spread(op.jitter, index)
                self._decide(Fence(task_id=task_id, jitter=jitter), actor=events.SYSTEM)
        return tuple(fenced)

    def _resume_own(self, agent_id: str) -> tuple[str, ...]:
        """Rule T6: what a shutdown of this agent paused is queued for it."""
        mine = self._rows.paused_for(agent_id)
        self._rows.prefetch(tasks=mine)
        resumed = [task_id for task_id in mine if self._must(task_id).state.status is TaskStatus.PAUSED]
        for task_id in resumed:
            self._decide(Resume(task_id=task_id, agent_id=agent_id), actor=events.of_agent(agent_id))
        return tuple(resumed)

    def sign_off(self, op: ops.SignOff) -> None:
        """An agent's process goes, in good order."""
        agent = self._current_instance(op.agent_id, op.instance_id)
        self._rows.put_agent(replace(agent, offline_at=self.now, last_seen_at=self.now))
        self._rows.revoke_tokens(self.now, kind=TokenKind.AGENT, agent_id=op.agent_id)
        self.drafts.append(events.agent_signed_off(op))

    def _current_instance(self, agent_id: str, instance_id: str) -> AgentRecord:
        agent = self._rows.agent(agent_id)
        if agent is None:
            raise refusals.unknown_agent(agent_id)
        if agent.instance_id != instance_id:
            raise refusals.superseded(agent_id)
        return agent

    def create_project(self, op: ops.CreateProject) -> ProjectRecord:
        """Add a project; the same again is no harm."""
        existing = self._rows.project_named(op.project.name)
        if existing is not None:
            if existing.repo_url == op.project.repo_url:
                return existing
            raise refusals.project_exists(existing)
        project = replace(op.project, created_at=self.now)
        self._rows.add_project(project)
        self.drafts.append(events.project_created(op))
        return project

    # --- tasks ------------------------------------------------------------------------------------------------------

    def create_tasks(self, op: ops.CreateTasks) -> ops.Created:
        """Create tasks together or not at all, once per idempotency key."""
        asked = op.idempotency
        earlier = self._rows.remembered(asked) if asked else None
        if asked and earlier and self.now - earlier.created_at < IDEMPOTENCY_TTL:
            if earlier.body_hash != asked.body_hash:
                raise refusals.idempotency_mismatch(asked)
            return ops.Created(task_ids=earlier.task_ids, replayed=True)
        self._refuse_while_killed()
        self._check_references(op)
        records = tuple(self._create_task(new, op.actor) for new in op.tasks)
        created = tuple(record.spec.id for record in records)
        if asked:
            self._rows.remember(asked, created, self.now)
        return ops.Created(task_ids=created, records=records)

    def _refuse_while_killed(self) -> None:
        for switch in self._rows.killed():
            if switch.scope is SwitchScope.ALL:
                raise refusal(switch)

    def _check_references(self, op: ops.CreateTasks) -> None:
        made: set[str] = set()
        for new in op.tasks:
            spec = new.spec
            if spec.id in made:
                raise refusals.task_exists(spec.id)
            for edge in new.edges:
                if edge.upstream_id not in made and self._rows.entry(edge.upstream_id) is None:
                    raise refusals.unknown_reference("dependsOn", "task", edge.upstream_id)
            if spec.project_id is not None and not self._rows.has_project(spec.project_id):
                raise refusals.unknown_reference("project", "project", spec.project_id)
            if spec.requires.agent_id is not None and self._rows.agent(spec.requires.agent_id) is None:
                raise refusals.unknown_reference("agentId", "agent", spec.requires.agent_id)
            made.add(spec.id)

    def _create_task(self, new: ops.NewTask, actor: str) -> TaskRecord:
        spec = changed(new.spec, created_at=self.now, root_id=new.spec.root_id or new.spec.id)
        if new.not_before is not None and new.not_before <= self.now:
            new = replace(new, not_before=None)
        upstream = {edge.upstream_id: self._must(edge.upstream_id).state.status for edge in new.edges}
        state, created = rows.new_state(new, upstream, actor=actor)
        class_id = self._intern(spec.requires)
        entry = Entry(state, class_id, class_id, created_at=self.now, priority=spec.priority, labels=spec.labels)
        finished_at = self.now if state.is_terminal else None
        record = TaskRecord(
            spec=spec, state=state, has_upstreams=bool(new.edges), updated_at=self.now, finished_at=finished_at
        )
        self._rows.add_task(record, new.edges, entry)
        self.drafts.extend(created)
        self._note(None, state, entry)
        return record

    def command(self, op: ops.TaskCommand) -> ops.CommandReply:
        """Carry out one of `domain.commands`."""
        return self._decide(op.command, actor=op.actor, report=op.report, note=op.note)

    def _decide(
        self,
        command: Command,
        *,
        actor: str,
        report: AttemptReport = NOTHING_TOLD,
        note: Mapping[str, Any] = NO_NOTE,
    ) -> ops.CommandReply:
        entry = self._must(command.task_id)
        decision = decide(entry.state, command, now=self.now)
        if isinstance(decision, Repeat):
            return ops.CommandReply(state=decision.state, repeated=True)
        self._change(entry, decision, actor=actor, report=report, note=note)
        return ops.CommandReply(state=decision.state)

    def _change(
        self,
        entry: Entry,
        change: Change,
        *,
        actor: str,
        report: AttemptReport = NOTHING_TOLD,
        note: Mapping[str, Any] = NO_NOTE,
    ) -> None:
        before = entry.state
        entry.columns |= rows.task_columns(entry, change, report=report, now=self.now)
        attempt = rows.attempt_columns(change, report=report, now=self.now)
        if attempt and before.attempt:
            self._rows.update_attempt(before.id, before.attempt, attempt)
        draft = events.task_event(before, change, actor=actor, report=report, note=note)
        if draft is not None:
            self.drafts.append(draft)
        self._put(entry, change.state)

    def _put(self, entry: Entry, state: TaskState) -> None:
        """Save `state`, under the class it is now claimed under."""
        before, entry.state = entry.state, state
        old_class = entry.claim_class
        if state.pinned_agent != before.pinned_agent:
            entry.claim_class = self._intern(self._rows.requirements(entry.class_id).pinned_to(state.pinned_agent))
        self._rows.save(entry)
        self._note(before if entry.claim_class == old_class else None, state, entry)

    def _note(self, before: TaskState | None, state: TaskState, entry: Entry) -> None:
        """Keep what others have to know: claimable, due, ended. `before` None: all of it is news."""
        if state.ready and (before is None or not before.ready):
            self._ready[entry.claim_class] += 1
            if entry.labels:
                self._labels[entry.claim_class].append(frozenset(entry.labels))
        timer = state.timer_at
        if timer is not None and (self._timer_at is None or timer < self._timer_at):
            self._timer_at = timer
        if state.is_terminal and (before is None or not before.is_terminal):
            self._ended[state.id] = state.status

    def _intern(self, needs: Requirements) -> int:
        class_id, is_new = self._rows.intern(needs)
        if is_new:
            self._classes[class_id] = needs
        return class_id

    def _must(self, task_id: str) -> Entry:
        entry = self._rows.entry(task_id)
        if entry is None:
            raise UnknownTask(task_id)
        return entry

    def _cascade(self) -> None:
        """Rule T8: tell the dependants of what ended, level by level."""
        while self._ended:
            ended, self._ended = self._ended, {}
            news: dict[str, list[tuple[str, Consequence]]] = defaultdict(list)
            for task_id, edge in self._rows.edges_from(sorted(ended)):
                what = consequence(edge.on_failure, ended[edge.upstream_id])
                if what is not Consequence.OPEN:
                    news[task_id].append((edge.upstream_id, what))
            dependants = sorted(news)
            self._rows.prefetch(tasks=dependants)
            self._rows.look_ahead([task_id for task_id in dependants if _ends_it(news[task_id])])
            for task_id in dependants:
                crash_point("store.cascading")
                self._tell_dependant(task_id, news[task_id])

    def _tell_dependant(self, task_id: str, news: list[tuple[str, Consequence]]) -> None:
        entry = self._must(task_id)
        if entry.state.is_terminal:
            return
        met = sum(1 for _, what in news if what is Consequence.MET)
        if met:
            self._change(entry, unblock(entry.state, met, now=self.now), actor=events.SYSTEM)
        for wanted, rule in ((Consequence.FAIL, fail_by_dependency), (Consequence.SKIP, skip_by_dependency)):
            culprit = min((upstream for upstream, what in news if what is wanted), default=None)
            change = rule(entry.state, culprit) if culprit is not None else None
            if change is not None:
                self._change(entry, change, actor=events.SYSTEM)

    def reprioritize(self, op: ops.Reprioritize) -> ops.CommandReply:
        """Give an open task another priority."""
        entry = self._must(op.task_id)
        refusals.require_open(entry.state, "reprioritize")
        if entry.priority == op.priority:
            return ops.CommandReply(state=entry.state, repeated=True)
        entry.priority = op.priority
        entry.columns |= {"priority": op.priority, "updated_at": self.now}
        self._rows.save(entry)
        self.drafts.append(events.reprioritized(op, entry.state))
        return ops.CommandReply(state=entry.state)

    def run_timers(self, op: ops.RunTimers) -> int:
        """Carry out what is due."""
        due = self._rows.due(self.now, leases=op.leases, limit=op.limit)
        self._rows.prefetch(tasks=due)
        for index, task_id in enumerate(due):
            entry = self._must(task_id)
            change = tick(entry.state, now=self.now, jitter=rows.spread(op.jitter, index))
            if isinstance(change, Change):
                self._change(entry, change, actor=events.SYSTEM)
        return len(due)

    # --- leases -----------------------------------------------------------------------------------------------------

    def heartbeat(self, op: ops.Heartbeat) -> tuple[ops.LeaseVerdict, ...]:
        """Renew the leases of a process (rule T3: those it still holds)."""
        self._current_instance(op.agent_id, op.instance_id)
        self._rows.seen(op.agent_id, self.now)
        return tuple(self._renew(op, held) for held in op.leases)

    def _renew(self, op: ops.Heartbeat, held: ops.Held) -> ops.LeaseVerdict:
        entry = self._rows.entry(held.task_id)
        if entry is None:
            return ops.LeaseVerdict(task_id=held.task_id, fence=held.fence, renewed=False)
        state = entry.state
        mine = (held.fence, op.agent_id, op.instance_id) == (state.fence, state.agent_id, state.instance_id)
        if state.is_held and mine:
            self._put(entry, changed(state, lease_expires_at=self.now + op.lease))
            wants = "pause" if state.pause_wanted is not None else ""
        else:
            wants = "cancel" if state.status is TaskStatus.CANCELLED else ""
        return ops.LeaseVerdict(
            task_id=state.id,
            fence=held.fence,
            renewed=state.is_held and mine,
            wants=wants,
            current_fence=state.fence,
        )

    def report_progress(self, op: ops.ReportProgress) -> ops.CommandReply:
        """Set the progress text of a running attempt; no status changes."""
        entry = self._must(op.task_id)
        require_lease(entry.state, op.fence, "report progress of")
        entry.columns |= {"progress": op.text, "updated_at": self.now}
        self._rows.save(entry)
        self.drafts.append(events.progressed(op, entry.state))
        return ops.CommandReply(state=entry.state)

    def book_usage(self, op: ops.BookUsage) -> bool:
        """Book money and tokens once, whatever became of the lease."""
        agent_id = self._rows.has_attempt(op.task_id, op.attempt)
        if agent_id is None:
            raise refusals.unknown_attempt(op.task_id, op.attempt)
        if not self._rows.add_usage(op, self.now):
            return False
        self.drafts.append(events.usage_booked(op, agent_id))
        return True

    def find_unserved(self, op: ops.FindUnserved) -> int:
        """Tell of requirement classes that nobody serves."""
        number, drafts = unserved.find(self._rows, op, self.now)
        self.drafts.extend(drafts)
        return number

    def prune(self, op: ops.Prune) -> int:
        """Remove what can no longer matter."""
        return self._rows.prune(self.now - IDEMPOTENCY_TTL, op.limit)

    # --- claims -----------------------------------------------------------------------------------------------------

    def _claim_all(self, chosen: Numbered, replies: list[Any]) -> None:
        """Answer credits group by group: those that serve the same classes share one look into the queue."""
        earlier = self._rows.claimed([op.claim_id for _, op in chosen])
        self._rows.prefetch(
            tasks=[attempt.task_id for attempt in earlier.values()], agents=[op.agent_id for _, op in chosen]
        )
        groups: dict[tuple[int, ...], Numbered] = defaultdict(list)
        for index, op in chosen:
            try:
                self._current_instance(op.agent_id, op.instance_id)
                if op.claim_id in earlier:
                    attempt = earlier[op.claim_id]
                    replies[index] = self._redeliver(op, attempt.task_id, attempt.fence)
                elif stopping(self._rows.killed(), op.agent_id) is None:  # else the credit waits
                    groups[op.class_ids].append((index, op))
            except SwarmError as refusal:
                replies[index] = refusal
        for class_ids, members in groups.items():
            heads = self._rows.heads(class_ids, len(members))
            self._rows.prefetch(tasks=heads)
            free = [task_id for task_id in heads if self._is_free(task_id, class_ids)]
            for (index, op), task_id in zip(members, free, strict=False):
                replies[index] = self._claim(op, task_id)
        self._fill_in(chosen, replies)

    def _is_free(self, task_id: str, class_ids: Sequence[int]) -> bool:
        """Whether it is still what was found: another server may have been faster, before it was locked."""
        entry = self._must(task_id)
        return entry.state.ready and entry.claim_class in class_ids

    def _claim(self, op: ops.ClaimTask, task_id: str) -> ops.Held:
        entry = self._must(task_id)
        change = claim(entry.state, agent_id=op.agent_id, instance_id=op.instance_id, lease=op.lease, now=self.now)
        self._rows.add_attempt(rows.new_attempt(op, change.state, now=self.now))
        self._add_attempt_token(op, change.state)
        entry.columns |= {"progress": "", "last_agent_id": op.agent_id, "updated_at": self.now}
        self.drafts.append(events.claimed(op, change.state))
        self._put(entry, change.state)
        return ops.Held(task_id=task_id, fence=change.state.fence)

    def _redeliver(self, op: ops.ClaimTask, task_id: str, fence: int) -> ops.Held:
        """Rule T2: the answer was lost; give it again, under the new token."""
        state = self._must(task_id).state
        if state.agent_id != op.agent_id or not state.is_held or state.fence != fence:
            raise StaleLease(task_id, presented=fence, current=state.fence)
        self._add_attempt_token(op, state)
        return ops.Held(task_id=task_id, fence=fence)

    def _add_attempt_token(self, op: ops.ClaimTask, state: TaskState) -> None:
        token = changed(
            op.token,
            task_id=state.id,
            fence=state.fence,
            agent_id=op.agent_id,
            epoch=self._rows.epoch(),
            created_at=self.now,
        )
        self._rows.add_token(token)

    def _fill_in(self, chosen: Numbered, replies: list[Any]) -> None:
        """Answer what was claimed with the whole task."""
        claimed = {index: replies[index] for index, _ in chosen if isinstance(replies[index], ops.Held)}
        found = self._rows.records([held.task_id for held in claimed.values()])
        for index, op in chosen:
            if index in claimed:
                replies[index] = ClaimedTask(claim_id=op.claim_id, task=found[claimed[index].task_id])


def _ends_it(news: list[tuple[str, Consequence]]) -> bool:
    """Whether what a dependant is told may end it, so that its own dependants are told next."""
    return any(what is not Consequence.MET for _, what in news)


def _rows_of(phase: type, operations: Sequence[Any]) -> dict[str, Any]:
    """What operations of a phase name, to be fetched at once."""
    if phase is ops.TaskCommand:
        return {"tasks": {op.command.task_id for op in operations}}
    if phase in (ops.Reprioritize, ops.ReportProgress):
        return {"tasks": {op.task_id for op in operations}}
    if phase is ops.Heartbeat:
        tasks = {held.task_id for op in operations for held in op.leases}
        return {"tasks": tasks, "agents": {op.agent_id for op in operations}}
    if phase is ops.SignOff:
        return {"agents": {op.agent_id for op in operations}}
    if phase is ops.RegisterAgent:
        return {"agents": {op.agent.profile.id for op in operations}}
    if phase is ops.CreateTasks:
        new = [task for op in operations for task in op.tasks]
        return {
            "tasks": {edge.upstream_id for task in new for edge in task.edges},
            "agents": {task.spec.requires.agent_id for task in new if task.spec.requires.agent_id},
            "asked": [op.idempotency for op in operations if op.idempotency],
        }
    return {}


_HANDLERS: Mapping[type, Any] = {
    ops.ActivateKillSwitch: Batch.activate_kill_switch,
    ops.LiftKillSwitch: Batch.lift_kill_switch,
    ops.AcknowledgeKill: Batch.acknowledge_kill,
    ops.SettleFact: Batch.settle_fact,
    ops.PutToken: Batch.put_token,
    ops.RevokeToken: Batch.revoke_token,
    ops.RegisterAgent: Batch.register_agent,
    ops.SignOff: Batch.sign_off,
    ops.CreateProject: Batch.create_project,
    ops.CreateTasks: Batch.create_tasks,
    ops.TaskCommand: Batch.command,
    ops.Reprioritize: Batch.reprioritize,
    ops.RunTimers: Batch.run_timers,
    ops.Heartbeat: Batch.heartbeat,
    ops.ReportProgress: Batch.report_progress,
    ops.BookUsage: Batch.book_usage,
    ops.FindUnserved: Batch.find_unserved,
    ops.Prune: Batch.prune,
}
