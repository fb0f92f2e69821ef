"""The rows a batch works on, and how they come about and change.

`Rows` is what a kind of storage has to offer to `batch.Batch`: find rows in sets, hold them for the length of the
batch, take them back changed. Nothing in it decides anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from agent_swarm.domain.caps import Cap
from agent_swarm.domain.changes import Change
from agent_swarm.domain.dependencies import Consequence, consequence
from agent_swarm.domain.kill_switch import Switch
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.swarms import Swarm
from agent_swarm.domain.tasks import (
    AttemptOutcome,
    FailureClass,
    TaskState,
    TaskStatus,
    Verb,
)
from agent_swarm.domain.unserved import Wait
from agent_swarm.domain.values import changed
from agent_swarm.store.events import SYSTEM, Draft, of_task
from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.families.stated_outcomes import StatedOutcome
from agent_swarm.store.operations import BookUsage, ClaimTask, Idempotency, NewTask
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    AttemptReport,
    Edge,
    ProjectRecord,
    TaskRecord,
    TokenKind,
    TokenRecord,
)

R = TypeVar("R")

_SPREAD = 0.618_033_988_749_895  # the golden ratio's fraction: successive draws fall far apart

SPEC_COLUMNS = frozenset({"priority", "title", "labels"})  # parts of what was asked for that may change

_POLICY = FailureClass.POLICY.value
_FAILURE_TEXT = {
    "dependencyFailed": "a task it depends on did not succeed",
    "lossesUsedUp": "its worker was lost too many times",
    "budget": "its budget is used up, and a person denied more",
}


@dataclass(slots=True)
class Entry:
    """A task while a batch works on it.

    `columns` are changes to what is not part of the state, by field of TaskRecord.
    """

    state: TaskState
    class_id: int  # of what the task requires
    claim_class: int  # the class it is claimed under: with the agent it is pinned to, if any
    created_at: int
    priority: int
    started_at: int | None = None
    labels: tuple[str, ...] = ()
    permissions: str | None = None
    root_id: str = ""
    project_id: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    whole: TaskRecord | None = None  # all of it, where the storage has it at hand, as it was before `since`
    since: dict[str, Any] = field(default_factory=dict)

    def record(self) -> TaskRecord | None:
        """The whole task as it is now, where it is at hand."""
        if self.whole is not None and SPEC_COLUMNS.isdisjoint(self.columns):
            return changed(self.whole, state=self.state, **{**self.since, **self.columns})
        return None

    def written(self) -> None:
        """The columns are in the storage."""
        self.started_at = self.columns.get("started_at", self.started_at)
        if not SPEC_COLUMNS.isdisjoint(self.columns):
            self.whole = None  # it is a part of what was asked for, which is kept as it was
        elif self.whole is not None:
            self.since |= self.columns
        self.columns.clear()


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A requirement class that has claimable tasks, or had some when nobody served it."""

    class_id: int
    requires: Requirements
    wait: Wait
    has_tasks: bool


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier request under an idempotency key did."""

    body_hash: str
    task_ids: tuple[str, ...]
    created_at: int


class Rows(Protocol):
    """One batch's view of the storage. What was saved is visible to every later call."""

    def prefetch(
        self,
        *,
        tasks: Iterable[str] = (),
        agents: Iterable[str] = (),
        asked: Iterable[Idempotency] = (),
        stated: Iterable[str] = (),
    ) -> None:
        """Get these rows in one go, tasks locked in id order where others could write them; what does not exist is
        passed over.

        `entry`, `agent`, `remembered` and `stated` answer from what was fetched or written in this batch.
        """
        ...

    def entry(self, task_id: str) -> Entry | None: ...
    def stated(self, task_id: str) -> StatedOutcome | None: ...
    def save(self, entry: Entry) -> None: ...
    def rewrite(self, entry: Entry, *, prompt: str | None, labels: tuple[str, ...] | None) -> None:
        """Replace what of a task is kept beside its row: its prompt, and where lists find its labels."""
        ...

    def add_task(self, record: TaskRecord, edges: Sequence[Edge], entry: Entry) -> None:
        """Put a new task in: `record` is all of it, `entry` what the batch works on."""
        ...

    def records(self, task_ids: Sequence[str]) -> dict[str, TaskRecord]: ...

    def count_tasks(self, cap: Cap, of: str, *, limit: int) -> int:
        """How many tasks count for this cap of a task or an actor; no more than `limit` are counted."""
        ...

    def edges_from(self, upstream_ids: Sequence[str]) -> list[tuple[str, Edge]]: ...
    def look_ahead(self, task_ids: Sequence[str]) -> None:
        """These tasks may end without success: get all that this could end, and their edges, in a few goes.

        It changes nothing but how often the storage is asked: a cascade through a chain goes one link after the other.
        """
        ...

    def due(self, now: int, *, leases: bool, limit: int) -> list[str]: ...
    def heads(self, class_ids: Sequence[int], limit: int) -> list[str]:
        """Up to `limit` ready tasks of these classes, first ones first."""
        ...

    def held_by(self, agent_id: str) -> list[str]: ...
    def held(self) -> list[str]:
        """Every task under a lease, by id."""
        ...

    def paused_for(self, agent_id: str) -> list[str]: ...
    def offered_to(self, agent_id: str) -> list[str]:
        """The tasks that this agent is asked to take, by id."""
        ...

    def requirements(self, class_id: int) -> Requirements: ...
    def intern(self, needs: Requirements) -> tuple[int, bool]:
        """The class of these requirements, and whether it is new."""
        ...

    def classes_that_wait(self) -> list[ClassRow]:
        """The classes that have claimable tasks or a wait on record, by id, locked where others could write them."""
        ...

    def kinds_online(self, since: int) -> list[AgentProfile]:
        """Agents seen since then that have not said goodbye and are not stopped, one of those that are alike, without
        an id.
        """
        ...

    def ready_tasks(self, class_id: int, limit: int) -> list[str]:
        """Claimable tasks of a class, first ones first; none is locked."""
        ...

    def save_wait(self, class_id: int, wait: Wait) -> None: ...
    def claimed(self, claim_ids: Sequence[str]) -> dict[str, AttemptRecord]: ...
    def has_attempt(self, task_id: str, number: int) -> str | None:
        """Which agent made this attempt; None where there is none."""
        ...

    def add_attempt(self, attempt: AttemptRecord) -> None: ...
    def update_attempt(self, task_id: str, number: int, columns: Mapping[str, Any]) -> None: ...
    def add_usage(self, usage: BookUsage, now: int) -> bool: ...
    def agent(self, agent_id: str) -> AgentRecord | None: ...
    def put_agent(self, agent: AgentRecord) -> None: ...
    def seen(self, agent_id: str, now: int) -> None: ...
    def had_instance(self, agent_id: str, instance_id: str) -> bool:
        """Whether this process of the agent ever had a token."""
        ...

    def token_valid(self, token_hash: str) -> bool: ...
    def add_token(self, token: TokenRecord) -> None: ...
    def revoke_tokens(
        self, now: int, *, kind: TokenKind | None = None, agent_id: str = "", label: str = "", token_id: str = ""
    ) -> int:
        """Revoke the valid tokens that meet every condition given; how many."""
        ...

    def project_named(self, name: str) -> ProjectRecord | None: ...
    def has_project(self, project_id: str) -> bool: ...
    def add_project(self, project: ProjectRecord) -> None: ...
    def epoch(self) -> int:
        """What new tokens of agents and attempts have to carry."""
        ...

    def raise_epoch(self) -> None:
        """End all tokens of agents and attempts."""
        ...

    def killed(self) -> tuple[Switch, ...]:
        """The switches that are on; asked by every claim, so it costs nothing while none is."""
        ...

    def paused(self) -> frozenset[str]:
        """The swarms that are paused; asked by claims, and as cheap as `killed`."""
        ...

    def swarm(self, swarm_id: str) -> Swarm | None:
        """A swarm, not locked: who changes one is alone."""
        ...

    def agents_in(self, swarm_id: str) -> list[str]:
        """The agents of a swarm, by id."""
        ...

    def open_in(self, swarm_id: str, limit: int) -> list[str]:
        """Some tasks of a swarm that have not ended."""
        ...

    def record(self, family: Family[R], key: Key) -> R | None:
        """A small record by its key, locked where others could write it."""
        ...

    def scan(self, family: Family[R], prefix: Key, *, after: Key | None, limit: int) -> list[R]:
        """The first small records whose key begins with `prefix`, by key, locked; `after` is the rest of a key."""
        ...

    def records_by(self, family: Family[R], keys: Sequence[str]) -> list[R]:
        """Small records whose key is one column, in one go, by key and locked in that order."""
        ...

    def has_budgets(self) -> bool:
        """Whether there is any budget; asked by claims, usage and ends of attempts, and as cheap as `killed`."""

    def under(self, family: Family[R], firsts: Sequence[str]) -> list[R]:
        """The small records whose key begins with one of these, by key; none is locked."""
        ...

    def put_record(self, family: Family[R], record: R) -> None: ...
    def add_records(self, family: Family[R], records: Sequence[R]) -> None:
        """Add new small records in one go."""
        ...

    def remove_record(self, family: Family[R], key: Key) -> bool: ...
    def prune(self, before: int, limit: int) -> int:
        """Remove idempotency keys and tokens of ended attempts from before that instant; how many."""
        ...

    def drop_events(self, up_to: int, limit: int) -> int:
        """Remove the first `limit` events up to that one; how many."""
        ...

    def remembered(self, asked: Idempotency) -> Remembered | None: ...
    def remember(self, asked: Idempotency, task_ids: tuple[str, ...], now: int) -> None: ...


def new_state(new: NewTask, upstream: Mapping[str, TaskStatus], *, actor: str) -> tuple[TaskState, list[Draft]]:
    """The first state of a task, given the statuses of its upstreams, and the events of its creation."""
    told = [(edge.upstream_id, consequence(edge.on_failure, upstream[edge.upstream_id])) for edge in new.edges]
    unmet = sum(1 for _, what in told if what is not Consequence.MET)
    status = TaskStatus.BACKLOG if new.backlog else TaskStatus.BLOCKED if unmet else TaskStatus.PENDING
    extra: tuple[str, dict[str, Any]] | None = None
    for wanted, ended, event, reason in (
        (Consequence.FAIL, TaskStatus.FAILED, "task.failed", "dependencyFailed"),
        (Consequence.SKIP, TaskStatus.CANCELLED, "task.cancelled", "dependencySkipped"),
    ):
        culprit = min((upstream_id for upstream_id, what in told if what is wanted), default=None)
        if culprit is not None:
            status, extra = ended, (event, {"reason": reason, "upstream": culprit})
            break
    state = TaskState(
        id=new.spec.id,
        status=status,
        max_attempts=new.max_attempts,
        max_losses=new.max_losses,
        unmet=unmet,
        ready=status is TaskStatus.PENDING and new.not_before is None,
        not_before=new.not_before,
        timeout=new.spec.timeout,
    )
    data: dict[str, Any] = {"title": new.spec.title, "status": status.value, "priority": new.spec.priority}
    if new.spec.parent_id:
        data["parentTaskId"] = new.spec.parent_id
    if new.spec.retry_of:
        data["retryOf"] = new.spec.retry_of
    created = [of_task("task.created", state, actor=actor, data=data)]
    if extra is not None:
        created.append(of_task(extra[0], state, actor=SYSTEM, data=extra[1]))
    return state, created


def task_columns(entry: Entry, change: Change, *, report: AttemptReport, now: int) -> dict[str, Any]:
    """What `change` does to the columns beside the state; `entry` is the task before it."""
    columns: dict[str, Any] = {"updated_at": now}
    if change.verb is Verb.START and entry.started_at is None:
        columns["started_at"] = now
    if change.state.is_terminal:
        columns["finished_at"] = now
    if change.verb is Verb.COMPLETE:
        return {**columns, "result": result_of(report), "failure": None}
    failure = failure_of(entry.state, change, report)
    return columns if failure is None else {**columns, "failure": failure}


def result_of(report: AttemptReport) -> dict[str, Any]:
    """What the task keeps of a good ending."""
    data = dict(report.data) if report.data is not None else None
    return {"text": report.text, "data": data, "branch": report.branch, "commit": report.commit}


def failure_of(before: TaskState, change: Change, report: AttemptReport) -> dict[str, Any] | None:
    """What the task keeps of a bad ending; None where `change` is not one."""
    if change.outcome is AttemptOutcome.FAILED:
        told = (report.failure_class, report.failure_code, report.text)
    elif change.outcome is AttemptOutcome.LOST:
        lost = str(change.detail.get("lost") or change.detail.get("reason"))
        told = (FailureClass.INFRASTRUCTURE.value, lost, "the worker that held it was lost")
    elif change.verb is Verb.FAIL:
        reason = str(change.detail.get("reason", ""))
        told = (_POLICY, reason, _FAILURE_TEXT.get(reason, reason))
    else:
        return None
    failure = {"class": told[0], "code": told[1], "message": told[2], "attempt": before.attempt}
    return {**failure, "upstream": change.detail["upstream"]} if "upstream" in change.detail else failure


def attempt_columns(change: Change, *, report: AttemptReport, now: int) -> dict[str, Any]:
    """What `change` does to the current attempt, by field; what the worker did not tell stays as it was."""
    columns: dict[str, Any] = {}
    if change.verb is Verb.START:
        columns["started_at"] = now
    elif change.outcome is not None:
        columns |= {"ended_at": now, "outcome": change.outcome}
    else:
        return columns
    return columns | told(report)


def told(report: AttemptReport) -> dict[str, Any]:
    """The fields of `report` that say something."""
    fields = {
        "session": report.session,
        "branch": report.branch,
        "commit": report.commit,
        "snapshot": report.snapshot,
        "text": report.text,
        "data": report.data,
        "failure_class": report.failure_class,
        "failure_code": report.failure_code,
        "enforced": report.enforced,
        "denials": report.denials,
    }
    return {name: value for name, value in fields.items() if value}


def new_attempt(op: ClaimTask, state: TaskState, *, permissions: str, now: int) -> AttemptRecord:
    """The attempt that a claim opens."""
    return AttemptRecord(
        task_id=state.id,
        number=state.attempt,
        fence=state.fence,
        claim_id=op.claim_id,
        agent_id=op.agent_id,
        instance_id=op.instance_id,
        claimed_at=now,
        permissions=permissions,
    )


def spread(jitter: float, index: int) -> float:
    """The draw of the `index`-th of several tasks that share one `jitter`, so that they do not return together."""
    return (jitter + index * _SPREAD) % 1.0
