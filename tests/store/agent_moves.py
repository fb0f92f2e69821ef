"""Moves of random histories with agents below agents, stopped and started, and what holds after each of them."""

from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent_swarm.domain import commands
from agent_swarm.domain.agent_tree import AgentCaps
from agent_swarm.domain.errors import AgentStopped, SwarmError
from agent_swarm.domain.kill_switch import stopping
from agent_swarm.domain.matching import AgentProfile
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families.agent_children import AGENT_CHILDREN
from agent_swarm.store.families.agent_profiles import (
    AGENT_REPORTS,
    PROFILE_VERSIONS,
    AgentReport,
    ProfileVersion,
    in_force,
)
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import AgentRecord


def _version(queries: Queries, *, agent_id: str, number: int) -> ProfileVersion | None:
    return queries.record(PROFILE_VERSIONS, agent_id, number)


def _report(queries: Queries, *, agent_id: str) -> AgentReport | None:
    return queries.record(AGENT_REPORTS, agent_id)


CAPS = AgentCaps(depth=2, children=2)


class AgentMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    now: int
    memory: MemoryEngine
    other: Engine
    instances: dict[str, str]  # of the agents that have reported for work
    leases: list[tuple[ops.Held, ops.ClaimTask]]
    met: ClassVar[set[str]] = set()  # what happened in any history, so that a test may ask for it

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id of its own."""
        raise NotImplementedError

    def register_as(self, profile: AgentProfile, instance: str, held: tuple[ops.Held, ...] = ()) -> None:
        """An agent's process reports for work."""
        raise NotImplementedError

    def credit(self, profile: AgentProfile) -> ops.ClaimTask:
        """A credit of an agent, for every class it serves."""
        raise NotImplementedError

    def begin(self) -> tuple[ops.Held, ops.ClaimTask] | None:
        """An attempt that has just begun to run; None where nobody may."""
        raise NotImplementedError

    def _some_agents(self, data: st.DataObject, least: int = 1, most: int = 1) -> list[AgentRecord]:
        known = sorted(self.memory.agents.values(), key=lambda agent: agent.profile.id)
        chosen = st.lists(st.sampled_from(range(len(known))), min_size=least, max_size=most, unique=True)
        return [known[index] for index in data.draw(chosen)]

    @rule(data=st.data(), name=st.sampled_from(["a", "b", "c"]), capped=st.booleans(), stops=st.booleans())
    def introduce_below(self, data: st.DataObject, name: str, capped: bool, stops: bool) -> None:
        """Below any agent, while somebody perhaps stops that one with all below it in the same batch."""
        [above] = self._some_agents(data)
        self.introduce_one(above, name, capped=capped, stops=stops)

    def introduce_one(self, above: AgentRecord, name: str, *, capped: bool = False, stops: bool = False) -> None:
        """An agent below that one."""
        agent = AgentRecord(
            profile=AgentProfile(id=self.fresh_id()),
            name=name,
            instance_id=self.fresh_id(),
            parent_id=above.profile.id,
        )
        add = ops.AddAgent(agent=agent, actor="agent:x" if capped else "operator", caps=CAPS if capped else None)
        stop = ops.StopAgent(agent_id=above.profile.id, actor="operator", recursive=True)
        added, *_ = self.apply(add, *((stop,) if stops else ()))
        if isinstance(added, SwarmError):
            self.met.add("capped")
            return
        self.met.add("again" if added.repeated else "born stopped" if added.agent.is_stopped else "added")
        if not added.repeated:
            self.register_as(added.agent.profile, self.fresh_id())

    @rule(data=st.data(), recursive=st.booleans(), by=st.sampled_from(["operator", "agent:x"]), credits=st.booleans())
    def stop_some(self, data: st.DataObject, recursive: bool, by: str, credits: bool) -> None:
        """Stop one or two agents; `credits` of theirs come in the same batch."""
        chosen = self._some_agents(data, most=2)
        stops = [ops.StopAgent(agent_id=one.profile.id, actor=by, recursive=recursive) for one in chosen]
        at_work = [one.profile for one in chosen if credits and one.profile.id in self.instances]
        asking = [self.credit(profile) for profile in at_work]
        replies = self.apply(*asking, *stops)
        for credit, reply in zip(asking, replies, strict=False):
            is_killed = stopping(self.memory.read(killed_switches), credit.agent_id)
            assert reply is None if is_killed else isinstance(reply, AgentStopped)
        for stopped in replies[len(asking) :]:
            self.met.update(["stopped"] if stopped.agents else ["stopped already"])
            self.met.update(["interrupted"] if stopped.interrupted else [])

    @rule(moves=st.lists(st.sampled_from(["pause", "pause", "lose", "person", "cancel"]), min_size=1, max_size=3))
    def stop_one_at_work(self, moves: list[str]) -> None:
        """An attempt of its own, whose agent is stopped, and then anything happens to it."""
        begun = self.begin()
        if begun is None:
            return
        held, claim = begun
        (stopped,) = self.apply(ops.StopAgent(agent_id=claim.agent_id, actor="operator"))
        assert stopped.interrupted == (held.task_id,)
        self.met.add("interrupted")
        for move in moves:
            if move == "lose":
                self.now += 31 * SECOND
                self.apply(ops.RunTimers(jitter=0.3))
                continue
            asked: dict[str, commands.Command] = {
                "pause": commands.Pause(task_id=held.task_id, fence=held.fence, reason=PauseReason.PERSON),
                "person": commands.RequestPause(task_id=held.task_id),
                "cancel": commands.Cancel(task_id=held.task_id),
            }
            self.apply(ops.TaskCommand(command=asked[move], actor="operator"))

    @rule(moves=st.lists(st.sampled_from(["pause", "pause", "lose", "person"]), min_size=1, max_size=3))
    def give_back_what_runs(self, moves: list[str]) -> None:
        """An attempt of its own, which asks to give its task back, and then anything happens to it."""
        begun = self.begin()
        if begun is None:
            return
        held, _ = begun
        asks = commands.RequestPause(task_id=held.task_id, reason=PauseReason.RELEASE, fence=held.fence)
        self.apply(ops.TaskCommand(command=asks, actor="agent:x"))
        self.met.add("given back")
        for move in moves:
            if move == "lose":
                self.now += 31 * SECOND
                self.apply(ops.RunTimers(jitter=0.3))
            elif move == "pause":
                told = commands.Pause(task_id=held.task_id, fence=held.fence, reason=PauseReason.PERSON)
                self.apply(ops.TaskCommand(command=told, actor="agent:x"))
            else:
                self.apply(ops.TaskCommand(command=commands.RequestPause(task_id=held.task_id), actor="operator"))

    @rule(data=st.data(), recursive=st.booleans(), by=st.sampled_from(["operator", "operator", "agent:x"]))
    def start_some(self, data: st.DataObject, recursive: bool, by: str) -> None:
        [one] = self._some_agents(data)
        (started,) = self.apply(ops.StartAgent(agent_id=one.profile.id, actor=by, recursive=recursive))
        self.met.add("refused" if isinstance(started, SwarmError) else "started" if started.agents else "not stopped")

    @rule(
        data=st.data(),
        what=st.sampled_from(["tags", "tags", "skills", "capabilities", "instructions", "restore"]),
        said=st.sampled_from([None, ("linux",), ("linux", "gpu"), ("harness.*",)]),
        late=st.sampled_from([0, 0, 0, 1]),
    )
    def describe(self, data: st.DataObject, what: str, said: tuple[str, ...] | None, late: int) -> None:
        """People say something of an agent, having read the version in force or, `late`, one before it."""
        [one] = self._some_agents(data)
        fields = {} if what == "restore" else {what: said if what != "instructions" else str(said)}
        change = ops.ChangeAgentProfile(
            agent_id=one.profile.id,
            expected=max(0, one.profile_version - late),
            actor="operator",
            fields=fields,
            restored=max(1, one.profile_version - 1) if what == "restore" else None,
        )
        (changed,) = self.apply(change)
        self.met.add("conflict" if isinstance(changed, SwarmError) else "described")

    @invariant()
    def an_agent_is_what_is_said_of_it_else_what_it_reported(self) -> None:
        for agent_id, agent in self.memory.agents.items():
            if not agent.profile_version:
                continue
            version = self.memory.read(partial(_version, agent_id=agent_id, number=agent.profile_version))
            report = self.memory.read(partial(_report, agent_id=agent_id))
            assert version is not None and report is not None
            assert in_force(agent, report, version.described) == agent
            assert agent.profile.capabilities <= set(report.capabilities)

    @rule()
    def start_everybody(self) -> None:
        """So that histories get far."""
        for agent_id in self.memory.read(lambda queries: queries.stopped_agents()):
            (started,) = self.apply(ops.StartAgent(agent_id=agent_id, actor="operator"))
            assert started.agents == (agent_id,)
            self.met.add("started")

    @invariant()
    def what_a_stopped_agent_holds_is_to_be_interrupted(self) -> None:
        stopped = set(self.memory.read(lambda queries: queries.stopped_agents()))
        for record in self.memory.records.values():
            state = record.state
            assert state.agent_id not in stopped or state.pause_wanted is not None

    @invariant()
    def what_is_for_others_is_not_paused(self) -> None:
        for record in self.memory.records.values():
            is_paused = record.state.status is TaskStatus.PAUSED
            assert not is_paused or record.state.pause_reason not in (PauseReason.STOP, PauseReason.RELEASE)

    @invariant()
    def a_stopped_agent_is_asked_nothing(self) -> None:
        stopped = set(self.memory.read(lambda queries: queries.stopped_agents()))
        for record in self.memory.records.values():
            is_asked = record.state.status is TaskStatus.OFFERED and record.state.pinned_agent in stopped
            assert not is_asked or (record.state.pinned_until or 0) <= self.now  # the timer has not come by yet

    @invariant()
    def every_agent_is_below_the_one_that_its_record_names(self) -> None:
        children = self.memory.read(lambda queries: queries.scan(AGENT_CHILDREN, limit=9_999))
        named = {(agent.parent_id, agent.profile.id) for agent in self.memory.agents.values() if agent.parent_id}
        assert {(child.parent_id, child.agent_id) for child in children} == named
        for parent_id, agent_id in named:
            assert self.memory.agents[agent_id].depth == self.memory.agents[str(parent_id)].depth + 1
