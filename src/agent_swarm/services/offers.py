"""Offering a task to one agent, and answering for it.

An agent answers what it is offered itself, with its own token or that of any of its attempts; people answer for any.
"""

from dataclasses import dataclass

from agent_swarm.domain.errors import Denied
from agent_swarm.domain.kill_switch import stopping
from agent_swarm.domain.offers import OfferPolicy
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.services import views
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.operations import AnswerOffer, OfferTask
from agent_swarm.store.records import AgentRecord, Cursor, TaskFilter, TaskRecord

PAGE = 200


def offer(task_id: str, agent_id: str, *, seconds: float, by: Identity) -> OfferTask:
    """Show a task of the queue to one agent, which has so long to answer."""
    return OfferTask(task_id=task_id, agent_id=agent_id, ttl=int(seconds * SECOND), actor=by.actor)


def accept(task_id: str, agent_id: str | None = None, *, by: Identity) -> AnswerOffer:
    """Take an offered task for its agent, which gets it as soon as it has a slot."""
    return AnswerOffer(task_id=task_id, agent_id=_whose(agent_id, by), accepts=True, actor=by.actor)


def reject(task_id: str, agent_id: str | None, reason: str, redactor: Redactor, *, by: Identity) -> AnswerOffer:
    """Give an offered task back to the queue, and say why."""
    return AnswerOffer(
        task_id=task_id,
        agent_id=_whose(agent_id, by),
        accepts=False,
        actor=by.actor,
        reason=redactor.text(reason),
    )


def _whose(agent_id: str | None, by: Identity) -> str | None:
    """The agent that is answered for. Raises Denied where an agent answers for another one."""
    if by.may(Scope.TASKS_WRITE):
        return agent_id
    if by.agent_id is None or agent_id not in (None, by.agent_id):
        raise Denied(
            f"this token answers offers to agent {by.agent_id!r}, not to {agent_id!r}",
            hint="leave agentId out",
            details={"agentId": agent_id},
        )
    return by.agent_id


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at all offers found: (task, agent) to accept now, and whether anything is offered at all."""

    due: list[tuple[str, str]]
    has_any: bool


def acceptable(queries: Queries, *, now: int) -> Look:
    """The offers to accept now for agents that take what they have a slot for: one for each, its oldest task first.

    An agent for which a claimable task waits is about to be busy, so that servers that look one after the other do not
    accept more than it has slots.
    """
    offered = _offered(queries)
    if not offered:
        return Look([], has_any=False)
    killed = killed_switches(queries)
    awaited = agents_awaited(queries)
    due: dict[str, str] = {}
    for record in offered:
        agent = queries.agent(record.state.pinned_agent or "")
        is_over = (record.state.pinned_until or 0) <= now
        if agent is None or is_over or agent.profile.id in awaited | due.keys():
            continue
        if stopping(killed, agent.profile.id) is None and _takes(queries, agent, now=now):
            due[agent.profile.id] = record.spec.id
    return Look([(task_id, agent_id) for agent_id, task_id in due.items()], has_any=True)


def _takes(queries: Queries, agent: AgentRecord, *, now: int) -> bool:
    """Whether the agent takes what it is offered, is there, and has a slot."""
    if agent.offers is not OfferPolicy.ACCEPT or views.agent_status(agent, is_busy=False, now=now) == "offline":
        return False
    return len(queries.held_tasks(agent.profile.id)) < agent.slots


def agents_awaited(queries: Queries) -> set[str]:
    """The agents for which alone a claimable task waits."""
    ready = queries.ready_classes()
    return {needs.agent_id for class_id, needs in queries.classes().items() if needs.agent_id and class_id in ready}


def _offered(queries: Queries) -> list[TaskRecord]:
    found: list[TaskRecord] = []
    after: Cursor | None = None
    while page := queries.list_tasks(TaskFilter(statuses=(TaskStatus.OFFERED,)), after=after, limit=PAGE):
        found += page
        after = Cursor(page[-1].spec.created_at, page[-1].spec.id)
    return found[::-1]
