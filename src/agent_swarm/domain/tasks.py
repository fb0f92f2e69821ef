"""The life of a task: its statuses, the one table of transitions, and the state that decisions are made on.

Nothing else in the program changes a status. The diagram on the life-cycle page is drawn from `TRANSITIONS`.
"""

from dataclasses import dataclass
from enum import StrEnum

from agent_swarm.domain.errors import IllegalTransition


class TaskStatus(StrEnum):
    """Where a task stands."""

    BACKLOG = "backlog"
    BLOCKED = "blocked"
    PENDING = "pending"
    OFFERED = "offered"
    CLAIMED = "claimed"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


HELD = frozenset({TaskStatus.CLAIMED, TaskStatus.RUNNING})
TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})
OPEN = tuple(status for status in TaskStatus if status not in TERMINAL)
_UNTIMED = frozenset({TaskStatus.BACKLOG, TaskStatus.BLOCKED, *TERMINAL})


class Verb(StrEnum):
    """What can be done to a task."""

    SHELVE = "shelve"  # out of the queue, until a person promotes it
    PROMOTE = "promote"  # into the queue
    BLOCK = "block"  # into the queue, behind dependencies that are still open
    UNBLOCK = "unblock"  # the last dependency was met
    OFFER = "offer"  # shown to one agent, which may accept
    ACCEPT = "accept"  # that agent takes it: nobody else gets it for a while
    REJECT = "reject"  # that agent said no, or did not answer in time
    CLAIM = "claim"
    START = "start"
    COMPLETE = "complete"
    FAIL = "fail"  # for good
    REQUEUE = "requeue"  # the attempt is over, the task is not
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    KILL = "kill"  # the kill switch ends the attempt; a person decides about the task


_S = TaskStatus
_V = Verb

TRANSITIONS: dict[tuple[TaskStatus, Verb], TaskStatus] = {
    (_S.BACKLOG, _V.PROMOTE): _S.PENDING,
    (_S.BACKLOG, _V.BLOCK): _S.BLOCKED,
    (_S.BACKLOG, _V.FAIL): _S.FAILED,
    (_S.BLOCKED, _V.UNBLOCK): _S.PENDING,
    (_S.BLOCKED, _V.SHELVE): _S.BACKLOG,
    (_S.BLOCKED, _V.FAIL): _S.FAILED,
    (_S.PENDING, _V.SHELVE): _S.BACKLOG,
    (_S.PENDING, _V.OFFER): _S.OFFERED,
    (_S.PENDING, _V.CLAIM): _S.CLAIMED,
    (_S.OFFERED, _V.REJECT): _S.PENDING,
    (_S.OFFERED, _V.ACCEPT): _S.PENDING,
    (_S.CLAIMED, _V.START): _S.RUNNING,
    (_S.CLAIMED, _V.FAIL): _S.FAILED,
    (_S.CLAIMED, _V.REQUEUE): _S.PENDING,
    (_S.CLAIMED, _V.PAUSE): _S.PAUSED,
    (_S.CLAIMED, _V.KILL): _S.PAUSED,
    (_S.RUNNING, _V.COMPLETE): _S.COMPLETED,
    (_S.RUNNING, _V.FAIL): _S.FAILED,
    (_S.RUNNING, _V.REQUEUE): _S.PENDING,
    (_S.RUNNING, _V.PAUSE): _S.PAUSED,
    (_S.RUNNING, _V.KILL): _S.PAUSED,
    (_S.PAUSED, _V.RESUME): _S.PENDING,
    (_S.PAUSED, _V.FAIL): _S.FAILED,
    **{(status, _V.CANCEL): _S.CANCELLED for status in _S if status not in TERMINAL},
}


def verbs_of(status: TaskStatus) -> tuple[Verb, ...]:
    """What a task of this status allows, in the table's order."""
    return tuple(verb for (source, verb) in TRANSITIONS if source is status)


def sources_of(verb: Verb) -> frozenset[TaskStatus]:
    """The statuses from which `verb` is legal; statements put them into their WHERE."""
    return frozenset(source for (source, candidate) in TRANSITIONS if candidate is verb)


def after(task_id: str, status: TaskStatus, verb: Verb) -> TaskStatus:
    """The status that `verb` leads to; raises IllegalTransition naming what is allowed instead."""
    target = TRANSITIONS.get((status, verb))
    if target is None:
        raise IllegalTransition(task_id, status=status, command=verb, allowed=verbs_of(status))
    return target


class AttemptOutcome(StrEnum):
    """How an attempt ended; an attempt that goes on has none."""

    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"  # its lease lapsed, or its worker came back without it
    PAUSED = "paused"
    RELEASED = "released"
    CANCELLED = "cancelled"
    KILLED = "killed"  # by the kill switch


class FailureClass(StrEnum):
    """Whose fault a failed attempt is; decides whether it is tried again (rule T4)."""

    INFRASTRUCTURE = "infrastructure"  # counts against maxLosses
    AGENT = "agent"  # counts against maxAttempts
    POLICY = "policy"  # trying again cannot help: never retried


class PauseReason(StrEnum):
    """Why an attempt was paused; decides who may resume it (rule T6)."""

    SHUTDOWN = "shutdown"  # by the same agent, or by anyone once the pin is over
    PERSON = "person"  # by a person
    APPROVAL = "approval"  # by the answer to what it asked, or by its expiry
    TASKS = "tasks"  # by the end of the tasks below it
    KILL = "kill"  # by a person, once the kill switch is lifted
    BUDGET = "budget"  # by room in its budget: a person says so, or a new day begins
    RELEASE = "release"  # by the server, for others, as soon as the run of an agent that gave it back has ended
    STOP = "stop"  # by the server, for others, as soon as the run of an agent that was stopped has ended


@dataclass(frozen=True, kw_only=True)  # without slots: `values.changed`
class TaskState:
    """The part of a task that decisions read and write. Instants and spans are microseconds.

    `fence` is the task's fencing token: it grows with every claim, lapse, cancel and kill, and a write about an attempt
    counts only while it carries the current one. `ended_*` tell how the latest attempt ended, so that a repeated
    message is recognised.
    """

    id: str
    status: TaskStatus
    fence: int = 0
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    max_attempts: int = 3
    max_losses: int = 10
    unmet: int = 0  # dependency edges still open
    ready: bool = False  # pending, and nothing but a worker is missing
    not_before: int | None = None
    agent_id: str | None = None  # who holds the lease
    instance_id: str | None = None
    lease_expires_at: int | None = None
    preferred_agent: str | None = None  # a wish
    pinned_agent: str | None = None  # a must, until `pinned_until`; of an offered task: whom it is offered to
    pinned_until: int | None = None
    pause_reason: PauseReason | None = None
    pause_wanted: PauseReason | None = None  # asked for; the worker has yet to do it
    ended_fence: int = 0
    ended_as: AttemptOutcome | None = None
    ended_digest: str = ""
    timeout: int | None = None  # how long a run may take, pauses left out
    time_used: int = 0  # of it, by runs that were paused
    overdue_at: int | None = None  # when the server ends the run that goes on

    @property
    def is_held(self) -> bool:
        """An agent holds a lease on it."""
        return self.status in HELD

    @property
    def is_terminal(self) -> bool:
        """It has ended and never changes again."""
        return self.status in TERMINAL

    @property
    def timer_at(self) -> int | None:
        """When `transitions.tick` has to look at this task next; None while nothing is due by itself."""
        if self.status in _UNTIMED:
            return None
        if self.is_held:
            return min((at for at in (self.lease_expires_at, self.overdue_at) if at is not None), default=None)
        if self.status is TaskStatus.PENDING:
            waits = [] if self.ready or self.not_before is None else [self.not_before]
            return min([*waits, *([self.pinned_until] if self.pinned_until is not None else [])], default=None)
        if self.status is TaskStatus.OFFERED or self.pause_reason is PauseReason.SHUTDOWN:
            return self.pinned_until
        return None
