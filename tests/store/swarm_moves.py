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

    @rule(data=st.data(), name=st.sampled_from(NAMES), move=st.sampled_from(["join", "file", "leave"]))
    def gather(self, data: st.DataObject, name: str, move: str) -> None:
        """Agents join a swarm or leave it; tasks are filed in it."""
        swarm_id = self.the_swarm(name)
        if move == "file":
            self.file_in(swarm_id)
            return
        agent_id = data.draw(st.sampled_from(sorted(self.memory.agents)))
        joins = move == "join"
        asked = ops.SetSwarmMember(swarm_id=swarm_id, agent_id=agent_id, joins=joins, actor="operator")
        (reply,) = self.apply(asked)
        if not isinstance(reply, SwarmError):
            assert (self.memory.agents[agent_id].profile.swarm_id == swarm_id) is joins

    def file_in(self, swarm_id: str) -> None:
        """Two tasks of a swarm, before others in the queue."""
        needs = Requirements(swarm_id=swarm_id)
        specs = [TaskSpec(id=self.fresh_id(), title="t", prompt="p", requires=needs, priority=90) for _ in range(2)]
        new = tuple(ops.NewTask(spec=spec) for spec in specs)
        (reply,) = self.apply(ops.CreateTasks(tasks=new, actor="operator"))
        if not isinstance(reply, SwarmError):
            self.tasks.extend(spec.id for spec in specs)

    @rule(
        name=st.sampled_from(NAMES),
        move=st.sampled_from(["pause", "stop", "delete", "let go on", "let go on", "let go on"]),
    )
    def govern(self, name: str, move: str) -> None:
        """A swarm is paused, stopped or deleted, and goes on."""
        swarm_id = self.the_swarm(name)
        switch: Any = {"scope": SwitchScope.SWARM, "scope_id": swarm_id}
        if move == "delete":
            self.apply(ops.DeleteSwarm(swarm_id=swarm_id, actor="operator"))
        elif move == "stop":
            asked = Activation(id=self.fresh_id(), reason="enough", by="operator")
            self.apply(ops.ActivateKillSwitch(**switch, asked=asked))
        else:
            change = SwarmChange(paused=move == "pause")
            self.apply(ops.ChangeSwarm(swarm_id=swarm_id, change=change, actor="operator"))
            if move == "let go on":
                self.apply(ops.LiftKillSwitch(**switch, by="operator", resume=True))

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
