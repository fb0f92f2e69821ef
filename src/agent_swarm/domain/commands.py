"""What can be asked of a task, one class per command; `transitions.decide` says what each does."""

from dataclasses import dataclass

from agent_swarm.domain import offers
from agent_swarm.domain.tasks import FailureClass, PauseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The run begins."""

    task_id: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The run ended well; `digest` identifies its result (rule T5)."""

    task_id: str
    fence: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The run ended badly; `jitter` in [0, 1) spreads the next try, which makes no sense before `retry_after`.

    `is_limit`: the provider of the model refused, which is no failure (`provider_limits`).
    """

    task_id: str
    fence: int
    failure: FailureClass
    digest: str
    jitter: float = 0.0
    retry_after: int = 0  # microseconds, such as until an account's limit is over
    is_limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The run was interrupted in good order and can go on later (rule T6)."""

    task_id: str
    fence: int
    reason: PauseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The worker gives the task back untouched; nothing is counted."""

    task_id: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """The worker that held it came back without it, or was replaced (rule T11)."""

    task_id: str
    jitter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A timer of the task is due: its lease, its start time or its pin."""

    task_id: str
    jitter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A person or a lead does not want it any more (rule T11)."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The kill switch ends the attempt, whatever it does (rule T6)."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmKill:
    """The agent says that nothing of the attempt is left: the task need not wait for the end of its lease."""

    task_id: str
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPause:
    """A person wants the run interrupted, or the run itself waits for an answer or for other tasks, or gives up.

    The worker does it and answers with `Pause`. `fence` is that of the attempt that asks, None where others do.
    """

    task_id: str
    reason: PauseReason = PauseReason.PERSON
    fence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Back into the queue. `agent_id` is set when that agent registers again, None when a person says so."""

    task_id: str
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfund:
    """A person has said that no more is spent: what was paused for its budget fails."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelve:
    """Into the backlog."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Out of the backlog."""

    task_id: str


Command = (
    Start
    | Complete
    | Fail
    | Pause
    | Release
    | Fence
    | Tick
    | Cancel
    | Kill
    | ConfirmKill
    | RequestPause
    | Resume
    | Unfund
    | Shelve
    | Promote
    | offers.Offer
    | offers.Accept
    | offers.Reject
)
Fenced = Start | Complete | Fail | Pause | Release
