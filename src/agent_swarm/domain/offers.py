"""Offers: a task of the queue is shown to one agent, which takes it or does not (rule T13).

While it is offered nobody can claim it. Accepted, it is in the queue for that agent alone, for a while; rejected, or
not answered in time, it is in the queue for all.
"""

from dataclasses import dataclass
from enum import StrEnum

from agent_swarm.domain.changes import Change, queued
from agent_swarm.domain.errors import NotOnOffer
from agent_swarm.domain.tasks import TaskState, TaskStatus, Verb, after
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.domain.values import changed

ACCEPT_PIN = 600 * SECOND  # how long an accepted task waits for a slot of its agent


class OfferStatus(StrEnum):
    """What became of an offer."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"  # nobody answered in time
    CLOSED = "closed"  # the task was cancelled meanwhile


class OfferPolicy(StrEnum):
    """Who answers what an agent is offered."""

    ACCEPT = "accept"  # it takes what it has a slot for
    ASK = "ask"  # its session or a person answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Somebody would like this agent to do it, and waits `ttl` microseconds for an answer."""

    task_id: str
    agent_id: str
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """The agent takes it."""

    task_id: str
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """The agent does not take it."""

    task_id: str
    agent_id: str


def decide(task: TaskState, command: Offer | Accept | Reject, now: int) -> Change:
    """What the command does to the task."""
    match command:
        case Offer():
            return offer(task, command, now)
        case Accept():
            return accept(task, command, now)
        case Reject():
            return reject(task, command, now)


def offer(task: TaskState, command: Offer, now: int) -> Change:
    """Show the task to one agent. What waits for one already is not offered to another."""
    status = after(task.id, task.status, Verb.OFFER)
    if task.pinned_agent is not None:
        until = to_wire(task.pinned_until) if task.pinned_until is not None else "it has taken it"
        raise NotOnOffer(
            f"task {task.id!r} cannot be offered: it waits for agent {task.pinned_agent!r} until {until}",
            hint="wait until then; whoever wants it elsewhere cancels it and files it again",
            details={"taskId": task.id, "agentId": task.pinned_agent},
        )
    expires_at = now + command.ttl
    offered = changed(task, status=status, ready=False, pinned_agent=command.agent_id, pinned_until=expires_at)
    detail = {"agentId": command.agent_id, "expiresAt": to_wire(expires_at)}
    return Change(offered, Verb.OFFER, "task.offered", detail=detail)


def accept(task: TaskState, command: Accept, now: int) -> Change:
    """Keep the task for the agent that takes it; raises NotOnOffer for another one, and once its time is over."""
    after(task.id, task.status, Verb.ACCEPT)
    _require_open(task, command.agent_id, now)
    until = now + ACCEPT_PIN
    taken = changed(queued(task, now), pinned_until=until)
    detail = {"agentId": command.agent_id, "until": to_wire(until)}
    return Change(taken, Verb.ACCEPT, "task.offerAccepted", detail=detail)


def reject(task: TaskState, command: Reject, now: int) -> Change:
    """Put the task back for all; raises NotOnOffer for another agent, and once its time is over."""
    after(task.id, task.status, Verb.REJECT)
    _require_open(task, command.agent_id, now)
    return Change(_for_all(task, now), Verb.REJECT, "task.offerRejected", detail={"agentId": command.agent_id})


def expire(task: TaskState, now: int) -> Change:
    """Nobody answered in time: put the task back for all."""
    return Change(_for_all(task, now), Verb.REJECT, "task.offerExpired", detail={"agentId": task.pinned_agent})


def _for_all(task: TaskState, now: int) -> TaskState:
    return queued(changed(task, pinned_agent=None, pinned_until=None), now)


def _require_open(task: TaskState, agent_id: str, now: int) -> None:
    if task.pinned_agent != agent_id:
        raise NotOnOffer(
            f"task {task.id!r} is offered to agent {task.pinned_agent!r}, not to {agent_id!r}",
            hint="only the agent that it is offered to can answer",
            details={"taskId": task.id, "agentId": task.pinned_agent},
        )
    if task.pinned_until is not None and task.pinned_until <= now:  # the timer will say so, too
        at = to_wire(task.pinned_until)
        raise NotOnOffer(
            f"the offer of task {task.id!r} to agent {agent_id!r} ran out at {at}",
            hint="offer it again: agent-swarm task offer",
            details={"taskId": task.id, "agentId": agent_id, "status": OfferStatus.EXPIRED.value, "at": at},
        )


STATUS_AFTER = {
    "task.offered": OfferStatus.OPEN,
    "task.offerAccepted": OfferStatus.ACCEPTED,
    "task.offerRejected": OfferStatus.REJECTED,
    "task.offerExpired": OfferStatus.EXPIRED,
    "task.cancelled": OfferStatus.CLOSED,
}


def status_after(before: TaskState, change: Change) -> OfferStatus | None:
    """What `change` makes of the offer of a task; None where it has nothing to do with one."""
    if before.status is TaskStatus.OFFERED or change.state.status is TaskStatus.OFFERED:
        return STATUS_AFTER.get(change.event)
    return None
