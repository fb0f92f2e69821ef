"""Agents that take nothing for a while, because the provider of their model refuses them."""

from dataclasses import dataclass

from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.store.base import Queries
from agent_swarm.store.events import Draft, of_agent
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation

AT_ONCE = 10_000  # agents that rest, of which one reading knows
_CLEARED = 100
_SAME = 2 * SECOND  # a rest that is told again on another connection


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRest:
    """Until when this process of an agent takes nothing, and the code of the failure for which it does not."""

    agent_id: str
    instance_id: str
    until: int
    reason: str


AGENT_RESTS = Family("agent_rest", AgentRest, key=("agent_id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestAgent(RecordOperation[None]):
    """An agent takes nothing for `span` microseconds."""

    agent_id: str
    instance_id: str
    span: int
    reason: str

    def carry_out(self, desk: Desk) -> None:
        """Keep it; what is over is cleared away."""
        for one in desk.scan(AGENT_RESTS, limit=_CLEARED):
            if one.until <= desk.now and one.agent_id != self.agent_id:
                desk.remove(AGENT_RESTS, one.agent_id)
        before = desk.get(AGENT_RESTS, self.agent_id)
        rest = AgentRest(
            agent_id=self.agent_id, instance_id=self.instance_id, until=desk.now + self.span, reason=self.reason
        )
        desk.put(AGENT_RESTS, rest)
        if before is not None and before.instance_id == rest.instance_id and abs(before.until - rest.until) <= _SAME:
            return
        data = {"reason": rest.reason, "until": to_wire(rest.until)}
        actor = of_agent(self.agent_id)
        desk.say(Draft(type="agent.resting", actor=actor, subject_kind="agent", subject_id=self.agent_id, data=data))


def resting(queries: Queries, now: int) -> dict[str, AgentRest]:
    """Who rests, by agent."""
    return {one.agent_id: one for one in queries.scan(AGENT_RESTS, limit=AT_ONCE) if one.until > now}
