"""The work of one batch: tasks that are fetched, decided on by the domain, saved, and told of.

Whatever ends a task here is kept, until `cascade` tells the dependants.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from agent_swarm.domain.caps import Cap
from agent_swarm.domain.changes import Change, Repeat
from agent_swarm.domain.commands import Command, Resume
from agent_swarm.domain.dependencies import Consequence, consequence
from agent_swarm.domain.errors import UnknownTask
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.tasks import PauseReason, TaskState, TaskStatus, Verb
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.transitions import decide, fail_by_dependency, skip_by_dependency, unblock
from agent_swarm.faults import crash_point
from agent_swarm.protocol.limits import IDEMPOTENCY_SECONDS
from agent_swarm.store import events, refusals, rows
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.endings import fire_triggers
from agent_swarm.store.applying.ledger import Ledger
from agent_swarm.store.applying.results import enter_queues
from agent_swarm.store.events import Draft
from agent_swarm.store.families import approvals, offers
from agent_swarm.store.families.family import Family
from agent_swarm.store.records import AgentRecord, AttemptReport
from agent_swarm.store.rows import Entry, Rows

T = TypeVar("T")
News = list[tuple[str, Consequence]]  # what a dependant is told, by upstream

IDEMPOTENCY_TTL = IDEMPOTENCY_SECONDS * SECOND
NOTHING_TOLD = AttemptReport()
NO_NOTE: Mapping[str, Any] = MappingProxyType({})
_FOR_OTHERS = (PauseReason.STOP, PauseReason.RELEASE)  # its agent gets nothing, or has given it back
_ENDINGS = ((Consequence.FAIL, fail_by_dependency), (Consequence.SKIP, skip_by_dependency))


class Work:
    """One batch's work on `rows`; `drafts` are the events to chain, the rest is what others have to know."""

    def __init__(self, rows: Rows, now: int) -> None:
        self.rows = rows
        self.now = now
        self.drafts: list[Draft] = []
        self.ready: dict[int, int] = defaultdict(int)
        self.labels: dict[int, list[frozenset[str]]] = defaultdict(list)
        self.classes: dict[int, Requirements] = {}
        self.timer_at: int | None = None
        self.ended: dict[str, TaskStatus] = {}  # terminal since the last cascade
        self.delivered: set[str] = set()  # completed with a commit on a branch
        self.ledger = Ledger(self)
        self.tallies: dict[tuple[Cap, str], int] = {}  # counts of tasks that this batch has asked for
        self._swarms: dict[int, str | None] = {}  # of classes, which stay what they are

    def must(self, task_id: str) -> Entry:
        """The task, of those that were fetched; raises UnknownTask."""
        entry = self.rows.entry(task_id)
        if entry is None:
            raise UnknownTask(task_id)
        return entry

    def intern(self, needs: Requirements) -> int:
        """The class of these requirements."""
        class_id, is_new = self.rows.intern(needs)
        if is_new:
            self.classes[class_id] = needs
        return class_id

    def swarm_of(self, entry: Entry) -> str | None:
        """The swarm that a task belongs to."""
        class_id = entry.class_id
        if class_id not in self._swarms:
            self._swarms[class_id] = self.rows.requirements(class_id).swarm_id
        return self._swarms[class_id]

    def tell(self, entry: Entry, *drafts: Draft) -> None:
        """Have events of what was done to a task, as those of its swarm."""
        swarm_id = self.swarm_of(entry)
        self.drafts += drafts if swarm_id is None else [events.in_swarm(draft, swarm_id) for draft in drafts]

    def current_instance(self, agent_id: str, instance_id: str) -> AgentRecord:
        """The agent, whose process this is; raises UnknownAgent or Superseded."""
        agent = self.rows.agent(agent_id)
        if agent is None:
            raise refusals.unknown_agent(agent_id)
        if agent.instance_id != instance_id:
            raise refusals.superseded(agent_id)
        return agent

    def decide(
        self,
        command: Command,
        *,
        actor: str,
        report: AttemptReport = NOTHING_TOLD,
        note: Mapping[str, Any] = NO_NOTE,
    ) -> ops.CommandReply:
        """Carry out one of `domain.commands`; `note` goes into the event, `report` onto the attempt."""
        entry = self.must(command.task_id)
        decision = decide(entry.state, command, now=self.now)
        if isinstance(decision, Repeat):
            return ops.CommandReply(state=decision.state, repeated=True)
        self.change(entry, decision, actor=actor, report=report, note=note)
        return ops.CommandReply(state=decision.state)

    def change(
        self,
        entry: Entry,
        change: Change,
        *,
        actor: str,
        report: AttemptReport = NOTHING_TOLD,
        note: Mapping[str, Any] = NO_NOTE,
    ) -> None:
        """Save what was decided, with its event."""
        before = entry.state
        entry.columns |= rows.task_columns(entry, change, report=report, now=self.now)
        if before.attempt and (attempt := rows.attempt_columns(change, report=report, now=self.now)):
            self.rows.update_attempt(before.id, before.attempt, attempt)
        if change.verb is Verb.COMPLETE and report.branch and report.commit:
            self.delivered.add(before.id)
        if change.outcome is not None:
            self.ledger.note_end(before.id, before.attempt)
        draft = events.task_event(before, change, actor=actor, report=report, note=note)
        if draft is not None:
            self.tell(entry, draft)
        if TaskStatus.OFFERED in (before.status, change.state.status):
            offers.keep(self, before, change, actor=actor, reason=str(note.get("reason", "")))
        self.save(entry, change.state)
        if before.is_held and change.state.status is TaskStatus.PAUSED:
            if change.state.pause_reason is PauseReason.APPROVAL:
                self._resume_if_answered(entry.state.id)
            elif change.state.pause_reason in _FOR_OTHERS:
                self.decide(Resume(task_id=entry.state.id), actor=events.SYSTEM)

    def _resume_if_answered(self, task_id: str) -> None:
        """An answer may have come before the worker had stopped: then there is nothing left to wait for."""
        if not approvals.keeps_waiting(approvals.of_task_in_batch(self, task_id)):
            self.decide(Resume(task_id=task_id), actor=events.SYSTEM)

    def save(self, entry: Entry, state: TaskState) -> None:
        """Save `state`, under the class it is now claimed under."""
        before, entry.state = entry.state, state
        old_class = entry.claim_class
        if state.pinned_agent != before.pinned_agent:
            entry.claim_class = self.intern(self.rows.requirements(entry.class_id).pinned_to(state.pinned_agent))
        self.rows.save(entry)
        self.note(before if entry.claim_class == old_class else None, state, entry)

    def note(self, before: TaskState | None, state: TaskState, entry: Entry) -> None:
        """Keep what others have to know: claimable, due, ended. `before` None: all of it is news."""
        if state.ready and (before is None or not before.ready):
            self.ready[entry.claim_class] += 1
            if entry.labels:
                self.labels[entry.claim_class].append(frozenset(entry.labels))
        timer = state.timer_at
        if timer is not None and (self.timer_at is None or timer < self.timer_at):
            self.timer_at = timer
        if state.is_terminal and (before is None or not before.is_terminal):
            self.ended[state.id] = state.status

    def cascade(self) -> None:
        """Rules T8 and T9: tell dependants of what ended, level by level; triggers fire, and results enter queues."""
        all_ended: dict[str, TaskStatus] = {}
        while self.ended:
            ended, self.ended = self.ended, {}
            all_ended |= ended
            self._tell_dependants(ended)
        fire_triggers(self, all_ended)
        enter_queues(self, all_ended)

    def _tell_dependants(self, ended: Mapping[str, TaskStatus]) -> None:
        news: dict[str, News] = defaultdict(list)
        may_end: set[str] = set()
        for task_id, edge in self.rows.edges_from(sorted(ended)):
            what = consequence(edge.on_failure, ended[edge.upstream_id])
            if what is not Consequence.OPEN:
                news[task_id].append((edge.upstream_id, what))
                if what is not Consequence.MET:
                    may_end.add(task_id)
        dependants = sorted(news)
        self.rows.prefetch(tasks=dependants)
        self.rows.look_ahead(sorted(may_end))
        for task_id in dependants:
            crash_point("store.cascading")
            self._tell_dependant(task_id, news[task_id])

    def _tell_dependant(self, task_id: str, news: News) -> None:
        entry = self.must(task_id)
        if entry.state.is_terminal:
            return
        met = 0
        culprits: dict[Consequence, str] = {}  # the first one by id
        for upstream, what in news:
            if what is Consequence.MET:
                met += 1
            elif what not in culprits or upstream < culprits[what]:
                culprits[what] = upstream
        if met:
            self.change(entry, unblock(entry.state, met, now=self.now), actor=events.SYSTEM)
        for what, rule in _ENDINGS:
            change = rule(entry.state, culprits[what]) if what in culprits else None
            if change is not None:
                self.change(entry, change, actor=events.SYSTEM)

    # --- small records under keys: `operations.Desk` ------------------------------------------------------------------

    def get(self, family: Family[T], *key: Any) -> T | None:
        """The record under this key."""
        return self.rows.record(family, key)

    def scan(self, family: Family[T], *prefix: Any, after: tuple[Any, ...] | None = None, limit: int) -> list[T]:
        """The first records whose key begins with `prefix`, in the order of keys."""
        return self.rows.scan(family, prefix, after=after, limit=limit)

    def put(self, family: Family[T], record: T) -> None:
        """Add a record, or replace the one under its key."""
        self.rows.put_record(family, record)

    def add(self, family: Family[T], records: Sequence[T]) -> None:
        """Add new records, all in one go."""
        if records:
            self.rows.add_records(family, records)

    def remove(self, family: Family[T], *key: Any) -> bool:
        """Remove the record under this key."""
        return self.rows.remove_record(family, key)

    def say(self, draft: Draft) -> None:
        """Have an event of what was done."""
        self.drafts.append(draft)

    # --- requests that may come twice ---------------------------------------------------------------------------------

    def earlier(self, asked: ops.Idempotency | None) -> tuple[str, ...] | None:
        """The ids of what a request under this key made before. Raises IdempotencyMismatch for another body."""
        known = self.rows.remembered(asked) if asked else None
        if asked is None or known is None or self.now - known.created_at >= IDEMPOTENCY_TTL:
            return None
        if known.body_hash != asked.body_hash:
            raise refusals.idempotency_mismatch(asked)
        return known.task_ids

    def remember(self, asked: ops.Idempotency | None, ids: tuple[str, ...]) -> None:
        """Keep the ids of what this request made."""
        if asked is not None:
            self.rows.remember(asked, ids, self.now)
