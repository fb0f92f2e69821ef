"""Triggers: what happens when a task has ended, and how far that may go. Pure.

A trigger belongs to one task, or stands for all that fit it. When such a task ends it fires: what is to be done is
noted in the same transaction, once per trigger, task and attempt, and done soon after.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from agent_swarm.domain.time import SECOND

NAME_CHARS = 100
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PER_TASK = 10
STANDING = 300  # all of them are looked at when tasks end
DEPTH = 5  # triggers in a row: a task that a trigger filed, whose end files the next
PER_ROOT = 100  # tasks that triggers file below one root
MESSAGES_PER_HOUR = 600  # of one standing trigger
FAILURES_MAX = 1_000  # one after the other, until a standing trigger pauses itself
KEPT = 30 * 86_400 * SECOND  # so long one can see what became of a firing
KEPT_FIRINGS = 1_000  # of each trigger, the latest that are settled
TRIM_EVERY = 100  # so often what is beyond that is removed
DEPTH_REACHED, CAP_REACHED, RATE = "triggerDepth", "triggerCap", "triggerRate"  # why one is refused by a bound
_HOUR = 3_600 * SECOND


class TriggerEvent(StrEnum):
    """How a task can end."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TriggerAction(StrEnum):
    """What a trigger does."""

    CREATE_TASK = "createTask"
    POST_MESSAGE = "postMessage"
    WEBHOOK = "webhook"


class TriggerStatus(StrEnum):
    """Where a trigger stands."""

    ACTIVE = "active"
    PAUSED = "paused"


class FiringStatus(StrEnum):
    """What became of a firing."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"  # it cannot be done: a bound is reached, or what it names is gone
    FAILED = "failed"  # a webhook that nobody took


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks a standing trigger is about; what is None fits all."""

    project_id: str | None = None
    swarm_id: str | None = None
    label: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """What a filter looks at: of `agent_id`, who made the last attempt."""

    project_id: str | None
    swarm_id: str | None
    labels: Collection[str]
    agent_id: str | None


def fits(wanted: Filter, task: EndedTask) -> bool:
    """Whether a trigger is about this task."""
    return (
        wanted.project_id in (None, task.project_id)
        and wanted.swarm_id in (None, task.swarm_id)
        and wanted.agent_id in (None, task.agent_id)
        and (wanted.label is None or wanted.label in task.labels)
    )


def firing_id(trigger_id: str, task_id: str, attempt: int) -> str:
    """The id of a firing, the same whoever asks: a UUIDv8 (RFC 9562 §5.8)."""
    digest = hashlib.sha256(f"{trigger_id} {task_id} {attempt}".encode()).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def too_far(*, depth: int, made_below_root: int) -> tuple[str, str] | None:
    """Why a trigger may file no task, as code and message; None where it may.

    `depth` is how many triggers in a row led to the task that has ended.
    """
    if depth >= DEPTH:
        return DEPTH_REACHED, f"the task that ended is the work of {depth} triggers in a row, and {DEPTH} is the most"
    if made_below_root >= PER_ROOT:
        return CAP_REACHED, f"triggers have filed {made_below_root} tasks below this root, and {PER_ROOT} is the most"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """How many messages a trigger has posted since the hour began."""

    began_at: int = 0
    posted: int = 0

    def one_more(self, now: int) -> "Hour | None":
        """The hour with one message more; None where that would be too many."""
        current = self if now - self.began_at < _HOUR else Hour(began_at=now)
        if current.posted >= MESSAGES_PER_HOUR:
            return None
        return Hour(began_at=current.began_at, posted=current.posted + 1)
