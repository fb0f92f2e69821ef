"""Tasks are offered to agents, and offers answered (rule T13). That one runs out is a timer of its task."""

from agent_swarm.domain.changes import Change
from agent_swarm.domain.errors import NotOnOffer
from agent_swarm.domain.matching import Requirements, gap
from agent_swarm.domain.offers import Accept, Offer, OfferStatus, Reject, offer
from agent_swarm.domain.tasks import TaskState, TaskStatus
from agent_swarm.domain.time import to_wire
from agent_swarm.store import operations as ops
from agent_swarm.store import refusals
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.offers import PER_TASK, TASK_OFFERS, TaskOffer, latest_first


def offer_task(work: Work, op: ops.OfferTask) -> ops.CommandReply:
    """Show a task to one agent, which could run it."""
    entry = work.must(op.task_id)
    state = entry.state
    if state.status is TaskStatus.OFFERED and state.pinned_agent == op.agent_id:
        return ops.CommandReply(state=state, repeated=True)
    require_fit(work, op.agent_id, work.rows.requirements(entry.class_id))
    return work.decide(Offer(task_id=op.task_id, agent_id=op.agent_id, ttl=op.ttl), actor=op.actor)


def offered_at_once(work: Work, state: TaskState, new: ops.NewTask) -> Change | None:
    """The new task as it is offered, where it is filed for that, to an agent that could run it."""
    if new.offer is None:
        return None
    return offer(state, Offer(task_id=state.id, agent_id=new.offer.agent_id, ttl=new.offer.ttl), work.now)


def require_fit(work: Work, agent_id: str, needs: Requirements, *, field: str = "agentId") -> None:
    """Raise UnknownReference, CannotTake or AgentStopped unless this agent could run what needs that."""
    agent = work.rows.agent(agent_id)
    if agent is None:
        raise refusals.unknown_reference(field, "agent", agent_id)
    lacks = gap(agent.profile, needs if needs.agent_id else needs.pinned_to(agent_id))
    if lacks:
        raise refusals.cannot_take(agent, lacks, field=field)
    if agent.is_stopped:
        raise refusals.agent_stopped(agent)


def give_back(work: Work, agent_id: str, *, actor: str) -> None:
    """Its agent is stopped and takes nothing: what it is asked for is for all. What has run out is for the timer."""
    asked = work.rows.offered_to(agent_id)
    work.rows.prefetch(tasks=asked)
    for task_id in asked:
        state = work.must(task_id).state
        is_open = state.status is TaskStatus.OFFERED and state.pinned_agent == agent_id  # no other server was faster
        if is_open and (state.pinned_until or 0) > work.now:
            work.decide(Reject(task_id=task_id, agent_id=agent_id), actor=actor, note={"reason": "it was stopped"})


def answer_offer(work: Work, op: ops.AnswerOffer) -> ops.CommandReply:
    """Accept or reject, once; later answers are told what came of the first."""
    state = work.must(op.task_id).state
    asked = _asked(work, op)
    wanted = OfferStatus.ACCEPTED if op.accepts else OfferStatus.REJECTED
    if asked.status is wanted:
        return ops.CommandReply(state=state, repeated=True)
    if not asked.is_open:
        raise _is_over(asked)
    kind = Accept if op.accepts else Reject
    note = {"reason": op.reason} if op.reason else {}
    return work.decide(kind(task_id=op.task_id, agent_id=asked.agent_id), actor=op.actor, note=note)


def _asked(work: Work, op: ops.AnswerOffer) -> TaskOffer:
    """The offer that is answered."""
    if op.agent_id is not None:
        found = work.get(TASK_OFFERS, op.task_id, op.agent_id)
    else:
        found = next(iter(latest_first(work.scan(TASK_OFFERS, op.task_id, limit=PER_TASK))), None)
    if found is None:
        whom = f"to agent {op.agent_id!r}" if op.agent_id else "to anybody"
        raise NotOnOffer(
            f"task {op.task_id!r} was never offered {whom}",
            hint="offer it first: agent-swarm task offer",
            details={"taskId": op.task_id, "agentId": op.agent_id},
        )
    return found


def _is_over(offer: TaskOffer) -> NotOnOffer:
    at = to_wire(offer.settled_at) if offer.settled_at is not None else ""
    what = {
        OfferStatus.ACCEPTED: f"was accepted at {at}",
        OfferStatus.REJECTED: f"was rejected at {at}",
        OfferStatus.EXPIRED: f"ran out at {to_wire(offer.expires_at)}, and the task is in the queue for all",
        OfferStatus.CLOSED: f"ended at {at} with the task, which was cancelled",
    }[offer.status]
    return NotOnOffer(
        f"the offer of task {offer.task_id!r} to agent {offer.agent_id!r} {what}",
        hint="the first answer counts; offer it again where it still waits: agent-swarm task offer",
        details={"taskId": offer.task_id, "agentId": offer.agent_id, "status": offer.status.value, "at": at or None},
    )
