"""Operations on offers of tasks (rule T13)."""

from dataclasses import dataclass

from agent_swarm.store.operations.base import Operation
from agent_swarm.store.operations.tasks import CommandReply


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTask(Operation[CommandReply]):
    """Show a task of the queue to one agent for `ttl` microseconds; the same again while it is open changes nothing.

    Raises UnknownReference for an agent that is not known, CannotTake for one that could not run it,
    AgentStopped for one that gets no work.
    """

    task_id: str
    agent_id: str
    ttl: int
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOffer(Operation[CommandReply]):
    """Accept or reject an offer; `agent_id` None answers for whichever agent was asked last.

    The same answer again is no other one. Raises NotOnOffer, saying what became of the offer.
    """

    task_id: str
    agent_id: str | None
    accepts: bool
    actor: str
    reason: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)
