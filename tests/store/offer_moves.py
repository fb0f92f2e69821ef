"""Moves of random histories with offers of tasks, and what holds after each of them."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_swarm.domain import commands
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.matching import AgentProfile
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families.offers import TASK_OFFERS, TaskOffer
from agent_swarm.store.memory import MemoryEngine

TTL = 20 * SECOND


def _offers(queries: Queries) -> list[TaskOffer]:
    return queries.scan(TASK_OFFERS, limit=999)


class OfferMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    now: int
    memory: MemoryEngine
    other: Engine
    tasks: list[str]
    profiles: ClassVar[list[AgentProfile]]
    answered: ClassVar[set[str]] = set()  # what happened in any history, so that a test may ask for it

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def some_tasks(self, data: st.DataObject, least: int = 1) -> list[str]:
        """Tasks of this history."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id."""
        raise NotImplementedError

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), times=st.integers(1, 2))
    def offer(self, data: st.DataObject, times: int) -> None:
        """Tasks in any status, to agents that could run them or could not."""
        for task_id in self.some_tasks(data):
            agent = data.draw(st.sampled_from(self.profiles))
            for _ in range(times):
                self.apply(ops.OfferTask(task_id=task_id, agent_id=agent.id, ttl=TTL, actor="operator"))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), accepts=st.booleans(), times=st.integers(1, 2), late=st.sampled_from([0, 0, 0, 21]))
    def answer(self, data: st.DataObject, accepts: bool, times: int, late: int) -> None:
        """By whoever is asked, or by somebody else; in time, or not."""
        offered = [one.id for one in self._states() if one.status is TaskStatus.OFFERED]
        chosen = data.draw(st.sampled_from(offered or self.tasks))
        agent = data.draw(st.sampled_from([None, None, *self.profiles]))
        self.now += late * SECOND
        for _ in range(times):
            before = self.memory.records[chosen].state
            (reply,) = self.apply(
                ops.AnswerOffer(
                    task_id=chosen,
                    agent_id=agent.id if agent else None,
                    accepts=accepts,
                    actor="operator",
                    reason="because",
                )
            )
            if isinstance(reply, SwarmError):
                assert self.memory.records[chosen].state == before
                self.answered.add("refused")
            elif not reply.repeated:
                assert before.status is TaskStatus.OFFERED
                assert (before.pinned_until or 0) > self.now
                self.answered.add("accepted" if accepts else "rejected")

    @rule(
        data=st.data(),
        moves=st.lists(st.sampled_from(["accept", "reject", "wait", "offer", "cancel", "stop"]), max_size=4),
    )
    def offer_a_task_of_its_own(self, data: st.DataObject, moves: list[str]) -> None:
        """A task that nobody has yet, so that offers are open often enough."""
        pending = [one for one in self._states() if one.status is TaskStatus.PENDING and one.pinned_agent is None]
        if not pending:
            return
        self.offer_with(pending[-1].id, data.draw(st.sampled_from(self.profiles)), moves)

    def offer_with(self, task_id: str, agent: AgentProfile, moves: list[str]) -> None:
        """Offer a task, and then anything happens to it and to its agent, in any order."""
        asked = ops.OfferTask(task_id=task_id, agent_id=agent.id, ttl=TTL, actor="operator")
        self.apply(asked)
        self.an_open_offer_is_of_an_offered_task()
        for move in moves:
            match move:
                case "accept" | "reject":
                    accepts = move == "accept"
                    (reply,) = self.apply(
                        ops.AnswerOffer(task_id=task_id, agent_id=agent.id, accepts=accepts, actor="operator")
                    )
                    if isinstance(reply, SwarmError):
                        self.answered.add("refused")
                case "cancel":
                    self.apply(ops.TaskCommand(command=commands.Cancel(task_id=task_id), actor="operator"))
                case "wait":
                    self.now += 21 * SECOND
                    self.apply(ops.RunTimers(jitter=0.3))
                case "offer":
                    self.apply(asked)
                case "stop":
                    self.apply(ops.StopAgent(agent_id=agent.id, actor="operator"))
            self.an_open_offer_is_of_an_offered_task()
        self.apply(ops.StartAgent(agent_id=agent.id, actor="operator"))  # so that histories get far

    def _states(self) -> list[Any]:
        return [record.state for record in self.memory.records.values()]

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def offers_agree(self) -> None:
        assert self.other.read(_offers) == self.memory.read(_offers)

    @invariant()
    def an_open_offer_is_of_an_offered_task(self) -> None:
        known = {(one.task_id, one.agent_id) for one in self.memory.read(_offers) if one.is_open}
        stand = {(one.id, one.pinned_agent) for one in self._states() if one.status is TaskStatus.OFFERED}
        assert known == stand
        self.answered.update(one.status.value for one in self.memory.read(_offers))
