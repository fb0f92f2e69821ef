"""Moves of random histories with swarms, and what holds after each of them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.kill_switch import Activation, SwitchScope
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.swarms import SwarmChange
from agent_swarm.store import operations as ops
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import TaskSpec

NAMES = ("checkout", "search")
_SELDOM = st.integers(0, 3)


class SwarmMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    now: int
    memory: MemoryEngine
    tasks: list[str]

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id of its own."""
        raise NotImplementedError

    def the_swarm(self, name: str) -> str:
        """The living swarm of this name, made now where there is none."""
        known = next((one for one in self.memory.kept(SWARMS).values() if one.name == name and one.is_there), None)
        if known is not None:
            return known.id
        (made,) = self.apply(ops.CreateSwarm(name=name, actor="operator"))
        swarm_id: str = made.id
        return swarm_id

    @rule(
        data=st.data(),
        name=st.sampled_from(NAMES),
        joins=st.sampled_from([True, True, True, False]),
        number=st.integers(1, 3),
    )
    def join_or_leave(self, data: st.DataObject, name: str, joins: bool, number: int) -> None:
        swarm_id = self.the_swarm(name)
        for _ in range(number):
            agent_id = data.draw(st.sampled_from(sorted(self.memory.agents)))
            asked = ops.SetSwarmMember(swarm_id=swarm_id, agent_id=agent_id, joins=joins, actor="operator")
            (reply,) = self.apply(asked)
            if not isinstance(reply, SwarmError):
                assert (self.memory.agents[agent_id].profile.swarm_id == swarm_id) is joins

    @rule(name=st.sampled_from(NAMES), number=st.integers(1, 3), priority=st.sampled_from([50, 100]))
    def file_in_a_swarm(self, name: str, number: int, priority: int) -> None:
        needs = Requirements(swarm_id=self.the_swarm(name))
        new = tuple(
            ops.NewTask(spec=TaskSpec(id=self.fresh_id(), title="t", prompt="p", requires=needs, priority=priority))
            for _ in range(number)
        )
        (reply,) = self.apply(ops.CreateTasks(tasks=new, actor="operator"))
        if not isinstance(reply, SwarmError):
            self.tasks.extend(one.spec.id for one in new)

    @rule(name=st.sampled_from(NAMES), paused=st.sampled_from([True, False, False]), seldom=_SELDOM)
    def pause_or_go_on(self, name: str, paused: bool, seldom: int) -> None:
        if paused and seldom:
            return
        change = SwarmChange(paused=paused)
        self.apply(ops.ChangeSwarm(swarm_id=self.the_swarm(name), change=change, actor="operator"))

    @rule(name=st.sampled_from(NAMES), seldom=_SELDOM)
    def stop_a_swarm(self, name: str, seldom: int) -> None:
        if seldom:
            return
        asked = Activation(id=self.fresh_id(), reason="enough", by="operator")
        scope_id = self.the_swarm(name)
        self.apply(ops.ActivateKillSwitch(scope=SwitchScope.SWARM, scope_id=scope_id, asked=asked))

    @rule(name=st.sampled_from(NAMES), resume=st.booleans())
    def lift_a_swarm(self, name: str, resume: bool) -> None:
        scope_id = self.the_swarm(name)
        self.apply(ops.LiftKillSwitch(scope=SwitchScope.SWARM, scope_id=scope_id, by="operator", resume=resume))

    @rule(name=st.sampled_from(NAMES), seldom=_SELDOM)
    def delete_a_swarm(self, name: str, seldom: int) -> None:
        if not seldom:
            self.apply(ops.DeleteSwarm(swarm_id=self.the_swarm(name), actor="operator"))

    @invariant()
    def whoever_works_for_a_swarm_is_in_there(self) -> None:
        for record in self.memory.records.values():
            if record.state.is_held and record.spec.swarm_id is not None:
                agent = self.memory.agents[str(record.state.agent_id)]
                assert agent.profile.swarm_id == record.spec.swarm_id

    @invariant()
    def nobody_is_in_a_swarm_that_is_no_more(self) -> None:
        there = {one.id for one in self.memory.kept(SWARMS).values() if one.is_there}
        for agent in self.memory.agents.values():
            assert agent.profile.swarm_id is None or agent.profile.swarm_id in there
        for record in self.memory.records.values():
            assert record.state.is_terminal or record.spec.swarm_id is None or record.spec.swarm_id in there
