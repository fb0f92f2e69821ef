"""The REST shapes of triggers and of what became of their firings."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain import triggers
from agent_swarm.domain.triggers import FiringStatus, TriggerAction, TriggerEvent, TriggerStatus
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Id, Label, Output, TaskTriggerInput, Text, at_most

Name = Annotated[Text, Field(min_length=1, max_length=triggers.NAME_CHARS, pattern=triggers.NAME_PATTERN)]


class TriggerInput(TaskTriggerInput):
    """Body of `POST /api/triggers`: what happens whenever a task has ended so that fits all that is said of it."""

    name: Name
    project: Label | None = None  # id or name
    swarm: Label | None = None  # id or name
    tag: Label | None = None
    agent_id: Id | None = None  # who ran it last
    paused: bool = False


class Trigger(Output):
    """A trigger; without `taskId` it stands. `failures` are those in a row, `settled` the firings that are over."""

    id: str
    name: str | None
    task_id: str | None  # the task that it belongs to
    on: Annotated[list[TriggerEvent], at_most(len(TriggerEvent))]
    action: TriggerAction
    status: TriggerStatus
    pause_reason: str | None  # person, or failures
    project_id: str | None
    swarm_id: str | None
    tag: str | None
    agent_id: str | None
    settled: int
    failures: int
    last_failure: str | None
    created_by: str
    created_at: str


class TriggerDetail(Trigger):
    """A trigger, whole: with what it does, as it was sent."""

    do: dict[str, Any]


class NewTrigger(TriggerDetail):
    """A trigger that was made. `signingSecret` is shown this once, where it was made here."""

    signing_secret: str | None


class TriggerList(Output):
    """Standing triggers by name, or those of one task."""

    triggers: Annotated[list[Trigger], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class Delivery(Output):
    """What became of one ending: `made` is the task or message, `answered` the last HTTP status of a webhook."""

    id: str  # what a webhook has in `Webhook-Id`
    trigger_id: str
    task_id: str
    attempt: int
    event: TriggerEvent
    action: TriggerAction
    status: FiringStatus
    fired_at: str
    tries: int
    next_try_at: str | None
    answered: int | None
    code: str | None
    message: str | None
    made: str | None
    settled_at: str | None


class DeliveryList(Output):
    """What became of the firings of a trigger, the latest first."""

    deliveries: Annotated[list[Delivery], at_most(limits.PAGE_MAX)]
    next_cursor: str | None
