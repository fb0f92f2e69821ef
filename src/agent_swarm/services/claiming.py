"""An agent takes a task of the queue of its own accord, or gives back the one that it runs.

Only workers hold leases. What an agent claims here is kept for it, as what it accepts is, and its worker claims it with
its next free slot; what it gives back is interrupted by its worker, and is then for others.
"""

from collections.abc import Callable, Sequence

from agent_swarm.domain.commands import RequestPause
from agent_swarm.domain.errors import CannotTake, Denied
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.services.agents import require_agent
from agent_swarm.services.offers import agents_awaited
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.services.views import agent_status
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import AnswerOffer, OfferTask, TaskCommand

SETTLES = 60 * SECOND  # after that long a claim that broke off in the middle is undone


def claim(task_id: str, *, by: Identity, now: int) -> Callable[[Queries], Sequence[OfferTask | AnswerOffer]]:
    """A reading: what keeps the task for the agent of this token; nothing where it waits for that one already.

    Raises Denied for a person, and CannotTake for an agent that is not there, or has no slot left for it.
    """
    agent_id = by.agent_id
    if agent_id is None:
        raise Denied(
            "agents claim tasks, and this token is no agent's",
            hint="offer it to an agent: agent-swarm task offer",
            details={"field": "action"},
        )

    def reading(queries: Queries) -> Sequence[OfferTask | AnswerOffer]:
        record = queries.task(task_id)
        if record is not None and record.state.status is TaskStatus.PENDING and record.state.pinned_agent == agent_id:
            return ()
        _require_slot(queries, agent_id, now=now)
        return (
            OfferTask(task_id=task_id, agent_id=agent_id, ttl=SETTLES, actor=by.actor),
            AnswerOffer(task_id=task_id, agent_id=agent_id, accepts=True, actor=by.actor),
        )

    return reading


def _require_slot(queries: Queries, agent_id: str, *, now: int) -> None:
    agent, held = require_agent(queries, agent_id), len(queries.held_tasks(agent_id))
    if agent_status(agent, is_busy=bool(held), now=now) == "offline":
        why = "is offline"
    elif held >= agent.slots:
        why = f"has no free slot: it runs {held} of at most {agent.slots} tasks"
    elif agent_id in agents_awaited(queries):
        why = "is to begin another task that waits for it"
    else:
        return
    raise CannotTake(
        f"agent {agent.name!r} {why}",
        hint="end or release what you run, or leave the task to others",
        details={"agentId": agent_id, "running": held, "slots": agent.slots},
    )


def release(task_id: str, reason: str, redactor: Redactor, *, by: Identity) -> TaskCommand:
    """Have the run of this attempt interrupted, and its task queued for others. Raises Denied for another task."""
    if by.task_id != task_id or by.fence is None:
        raise Denied(
            "a task is given back with the token of the attempt that runs it",
            hint="for another one ask a person, who can pause and resume it",
            details={"taskId": task_id},
        )
    command = RequestPause(task_id=task_id, reason=PauseReason.RELEASE, fence=by.fence)
    return TaskCommand(command=command, actor=by.actor, note={"note": redactor.text(reason)} if reason else {})
