"""What a command makes of a task, as a value; `transitions.decide` and the modules of single subjects answer it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.tasks import AttemptOutcome, TaskState, TaskStatus, Verb
from agent_swarm.domain.values import changed


@dataclass(frozen=True, slots=True)
class Change:
    """The task after the command. `verb` is None where only a timer or a wish changed, not the status.

    `event` is the type of the event to record, `outcome` how the attempt that was current ended, if it did.
    """

    state: TaskState
    verb: Verb | None
    event: str
    outcome: AttemptOutcome | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same was already done; answer as then."""

    state: TaskState


def queued(task: TaskState, now: int) -> TaskState:
    """`task` in the queue: claimable at once, or from its start time on."""
    return changed(task, status=TaskStatus.PENDING, ready=is_due(task, now))


def is_due(task: TaskState, now: int) -> bool:
    """Whether its start time has come, or the end of the pause after a failure."""
    return task.not_before is None or task.not_before <= now
