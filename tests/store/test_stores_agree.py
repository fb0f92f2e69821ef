"""Random histories: the same batches go to the memory store and to an SQL store, which must agree after each of them.

The batches hold several operations at once, as they do in production. Beside agreement, the invariants of a task's life
hold after every step.
"""

import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.store.agent_moves import AgentMoves
from tests.store.drawing import some_of
from tests.store.edit_moves import EDITABLE, EditMoves
from tests.store.mail_moves import MailMoves
from tests.store.offer_moves import OfferMoves
from tests.store.record_moves import RecordMoves
from tests.store.swarm_moves import SwarmMoves
from tests.store.wait_moves import WaitMoves

from agent_swarm.domain import commands
from agent_swarm.domain.caps import Caps
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.errors import AgentStopped, Killed, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.kill_switch import Activation, SwitchScope, stopping
from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements, serves
from agent_swarm.domain.tasks import TERMINAL, FailureClass, PauseReason, TaskStatus, Verb, sources_of
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine
from agent_swarm.store.families.switches import all_switches, killed_switches
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import AgentRecord, AttemptReport, Edge, TaskSpec, TokenKind
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import LEASE, START, snapshot, token
from agent_swarm.testing.invariants import audit

pytestmark = pytest.mark.slow

# Enough to find what a change breaks; a night's search sets more.
_MOSTLY: st.SearchStrategy[Any] = st.sampled_from([True, True, True, False])
EXAMPLES = int(os.environ.get("SWARM_HISTORIES", "60"))
STEPS = int(os.environ.get("SWARM_HISTORY_STEPS", "40"))

AGENTS = [
    AgentProfile(id=new_id(), tags=frozenset({"linux"}), capabilities=frozenset({"harness.shell"})),
    AgentProfile(id=new_id(), tags=frozenset({"linux", "gpu"}), capabilities=frozenset({"harness.codex"})),
    AgentProfile(id=new_id(), agent_role=AgentRole.LEAD, capabilities=frozenset({"harness.shell"})),
]
REQUIREMENTS = [
    Requirements(),
    Requirements(tags=frozenset({"gpu"})),
    Requirements(capabilities=frozenset({"harness.*"})),
    Requirements(agent_id=AGENTS[0].id),
    Requirements(agent_id=AGENTS[2].id),
]


CAPS = Caps(depth=2, children=2, tasks_per_root=4, open_per_agent=3)

Met = tuple[str, str, str]  # command, status of its task before, what came of it

_VERBS: dict[type, Verb] = {
    commands.Start: Verb.START,
    commands.Complete: Verb.COMPLETE,
    commands.Fail: Verb.FAIL,
    commands.Pause: Verb.PAUSE,
    commands.Release: Verb.REQUEUE,
    commands.Cancel: Verb.CANCEL,
    commands.Resume: Verb.RESUME,
    commands.Shelve: Verb.SHELVE,
    commands.Promote: Verb.PROMOTE,
}
# A worker never fails what waits: that is what happens to dependants, which no command says.
# Nor what is paused: that fails where a person denies more money.
_BY_DEPENDENCY = {("Fail", status, "changed") for status in ("backlog", "blocked", "paused")}


class StoreHistories(RecordMoves, WaitMoves, SwarmMoves, OfferMoves, AgentMoves, MailMoves, EditMoves):
    """Feeds two engines the same batches. `seen` counts, over all histories, what met which status and how it ended."""

    profiles = AGENTS
    seen: ClassVar[Counter[Met]] = Counter()

    def __init__(self, other: Engine) -> None:
        super().__init__()
        self.memory = MemoryEngine()
        self.other = other
        self.memory.open()
        self.other.open()
        self.now = START
        self.instances: dict[str, str] = {}
        self.fences: dict[str, int] = defaultdict(int)
        self.results: dict[str, Any] = {}
        self.asked = []
        self.outcomes = {}
        self.tasks: list[str] = []
        self.leases: list[tuple[ops.Held, ops.ClaimTask]] = []
        self.said: list[str] = []
        self.ids = count(1)
        self.first_instances = {profile.id: self.fresh_id() for profile in AGENTS}
        for profile in AGENTS:
            self.register_as(profile, self.first_instances[profile.id])

    def teardown(self) -> None:
        try:
            assert self.other.read(audit) == []
        finally:
            self.other.close()

    def fresh_id(self) -> str:
        """Ids in the order they are made, the same whenever the history is told again: who is first depends on them."""
        return f"00000000-0000-7000-8000-{next(self.ids):012x}"

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers, after checking that both stores gave the same, with the same news."""
        before = {task_id: record.state.status for task_id, record in self.memory.records.items()}
        expected = self.memory.apply_batch(operations, self.now)
        self.seen.update(_met(operations, expected.replies, before))
        decided = self.other.decide_quickly(operations, self.now)  # as the batcher does
        actual = self.other.apply_batch(operations, self.now) if decided is None else decided.commit()
        assert [_comparable(reply) for reply in actual.replies] == [_comparable(reply) for reply in expected.replies]
        assert actual.committed == expected.committed
        return expected.replies

    def register_as(self, profile: AgentProfile, instance: str, held: tuple[ops.Held, ...] = ()) -> None:
        (reply,) = self.apply(self.registration(profile, instance, held))
        if not isinstance(reply, SwarmError):
            self.instances[profile.id] = instance

    def registration(self, profile: AgentProfile, instance: str, held: tuple[ops.Held, ...] = ()) -> ops.RegisterAgent:
        agent = AgentRecord(profile=profile, name=profile.id[-4:], instance_id=instance)
        own = replace(token(TokenKind.AGENT, agent_id=profile.id), instance_id=instance)
        return ops.RegisterAgent(agent=agent, token=own, held=held, jitter=0.25)

    # --- moves ------------------------------------------------------------------------------------------------------

    def some_tasks(self, data: st.DataObject, least: int = 1) -> list[str]:
        chosen: list[str] = data.draw(some_of(self.tasks, least), label="tasks")
        return chosen

    def some_leases(self, data: st.DataObject, least: int = 1) -> list[tuple[ops.Held, ops.ClaimTask]]:
        """Mostly the latest ones: most of the old ones are over."""
        current = [lease for lease in self.leases if self.is_current(lease[0])]
        among = current if current and data.draw(_MOSTLY) else self.leases
        indexes = data.draw(some_of(range(len(among)), least), label="leases")
        return [among[-1 - index] for index in indexes]

    def is_current(self, held: ops.Held) -> bool:
        state = self.memory.records[held.task_id].state
        return state.is_held and state.fence == held.fence

    @initialize()
    def start_with_work(self) -> None:
        chain = [TaskSpec(id=self.fresh_id(), title="t", prompt="p") for _ in range(3)]
        edges = [(), (Edge(upstream_id=chain[0].id),), (Edge(upstream_id=chain[1].id, on_failure=OnFailure.SKIP),)]
        new = tuple(ops.NewTask(spec=spec, edges=edge) for spec, edge in zip(chain, edges, strict=True))
        self.apply(ops.CreateTasks(tasks=new, actor="operator"))
        self.tasks.extend(spec.id for spec in chain)

    @rule(
        data=st.data(),
        policy=st.sampled_from(OnFailure),
        needs=st.lists(st.sampled_from(REQUIREMENTS), min_size=1, max_size=3),
        priority=st.sampled_from([0, 50, 100]),
        backlog=st.sampled_from([False, False, False, True]),
        delay=st.sampled_from([None, None, None, 5]),
        chained=st.booleans(),
        tries=st.integers(1, 3),
        meanwhile=st.sampled_from([False, False, False, True]),
    )
    def file_graph(
        self,
        data: st.DataObject,
        policy: OnFailure,
        needs: list[Requirements],
        priority: int,
        backlog: bool,
        delay: int | None,
        chained: bool,
        tries: int,
        meanwhile: bool,
    ) -> None:
        """Tasks that wait for others; `meanwhile` one of those is cancelled in the same batch."""
        upstreams = self.some_tasks(data, least=0)
        made: list[ops.NewTask] = []
        for requires in needs:
            waits_for = [*upstreams, *([made[-1].spec.id] if chained and made else [])]
            labels = ("ui", "db")[: priority // 50]
            spec = TaskSpec(
                id=self.fresh_id(),
                title="t",
                prompt="p",
                requires=requires,
                priority=priority,
                labels=labels,
                timeout=5 * SECOND if tries == 1 else None,
            )
            made.append(
                ops.NewTask(
                    spec=spec,
                    edges=tuple(Edge(upstream_id=upstream, on_failure=policy) for upstream in waits_for),
                    backlog=backlog,
                    not_before=None if delay is None else self.now + delay * SECOND,
                    max_attempts=tries,
                    max_losses=tries,
                )
            )
        ends = [commands.Cancel(task_id=upstream) for upstream in upstreams[:1] if meanwhile]
        orders = [ops.TaskCommand(command=command, actor="operator") for command in ends]
        created, *_ = self.apply(ops.CreateTasks(tasks=tuple(made), actor="operator"), *orders)
        assert isinstance(created, Killed) == self.is_stopped
        self.tasks.extend([] if self.is_stopped else [new.spec.id for new in made])

    @property
    def is_stopped(self) -> bool:
        """The kill switch is on for everything."""
        return any(one.scope is SwitchScope.ALL for one in self.memory.read(killed_switches))

    @rule(
        profile=st.sampled_from([None, None, *AGENTS]),
        source=st.sampled_from(["request", "request", "file:here"]),
        rarely=st.integers(0, 3),
        credits_too=st.booleans(),
    )
    def kill(self, profile: AgentProfile | None, source: str, rarely: int, credits_too: bool) -> None:
        """In one batch with credits, which then get nothing."""
        if rarely:
            return
        scope, scope_id = (SwitchScope.ALL, "") if profile is None else (SwitchScope.AGENT, profile.id)
        asked = Activation(id=self.fresh_id(), reason="enough", by="operator", source=source, fingerprint=source)
        claims = [self.credit(one) for one in AGENTS if credits_too and profile in (None, one)]
        _, *answers = self.apply(ops.ActivateKillSwitch(scope=scope, scope_id=scope_id, asked=asked), *claims)
        if any(switch.scope is scope and switch.scope_id == scope_id for switch in self.memory.read(killed_switches)):
            assert answers == [None] * len(claims)

    @rule(
        profile=st.sampled_from([None, *AGENTS]),
        source=st.sampled_from(["request", "request", "file:here"]),
        resume=st.booleans(),
    )
    def lift(self, profile: AgentProfile | None, source: str, resume: bool) -> None:
        scope, scope_id = (SwitchScope.ALL, "") if profile is None else (SwitchScope.AGENT, profile.id)
        self.apply(ops.LiftKillSwitch(scope=scope, scope_id=scope_id, by="operator", source=source, resume=resume))

    @rule(profile=st.sampled_from(AGENTS))
    def confirm(self, profile: AgentProfile) -> None:
        """A worker has ended everything, says one that heard of the latest activation of any switch."""
        for switch in self.memory.read(all_switches):
            self.apply(ops.AcknowledgeKill(activation=switch.id, agent_id=profile.id, runs=1))

    @invariant()
    def nothing_that_is_stopped_is_held(self) -> None:
        killed = self.memory.read(killed_switches)
        for record in (one for one in self.memory.records.values() if one.state.is_held):
            agent = self.memory.agents[str(record.state.agent_id)].profile
            assert stopping(killed, agent.id, agent.swarm_id, record.spec.swarm_id) is None

    @rule(
        data=st.data(),
        agents=st.lists(st.sampled_from([*AGENTS, None]), min_size=1, max_size=3),
        size=st.integers(1, 2),
    )
    def file_below(self, data: st.DataObject, agents: list[AgentProfile | None], size: int) -> None:
        """Agents and people file below tasks; agents no more than they may."""
        operations = []
        for agent in agents:
            above = self.memory.records[data.draw(st.sampled_from(self.tasks))].spec
            place: dict[str, Any] = {"parent_id": above.id, "root_id": above.root_id, "depth": above.depth + 1}
            actor = f"agent:{agent.id}" if agent else "operator"
            new = tuple(
                ops.NewTask(spec=TaskSpec(id=self.fresh_id(), title="t", prompt="p", created_by=actor, **place))
                for _ in range(size)
            )
            capped = ops.Capped(agent_id=agent.id, caps=CAPS) if agent else None
            operations.append(ops.CreateTasks(tasks=new, actor=actor, capped=capped))
        for operation, reply in zip(operations, self.apply(*operations), strict=True):
            if not isinstance(reply, SwarmError):
                self.tasks.extend(new.spec.id for new in operation.tasks)

    @rule(known=st.sampled_from([None, *AGENTS]), role=st.sampled_from(AgentRole))
    def introduce(self, known: AgentProfile | None, role: AgentRole) -> None:
        """An agent that is known from elsewhere; one that reported for work stays as it is."""
        profile = known or AgentProfile(id=self.fresh_id(), agent_role=role, skills=frozenset({"ui"}))
        agent = AgentRecord(profile=profile, name="ada", instance_id=self.fresh_id())
        (is_new,) = self.apply(ops.IntroduceAgent(agent=agent, actor="operator", origin="desplega"))
        assert is_new is (known is None)

    @rule(agents=st.lists(st.sampled_from(AGENTS), min_size=1, max_size=4))
    def claim(self, agents: list[AgentProfile]) -> None:
        operations = [self.credit(profile) for profile in agents]
        pins = {task_id: record.state.pinned_agent for task_id, record in self.memory.records.items()}
        for operation, reply in zip(operations, self.apply(*operations), strict=True):
            if reply is None:
                continue
            if isinstance(reply, AgentStopped):
                assert self.memory.agents[operation.agent_id].is_stopped
                continue
            assert not isinstance(reply, SwarmError)
            self.check_claim(operation, reply.task.spec.id, pins[reply.task.spec.id])
            held = ops.Held(task_id=reply.task.spec.id, fence=reply.task.state.fence)
            self.leases.append((held, operation))

    @rule(profile=st.sampled_from(AGENTS), ending=st.sampled_from([1, 1, 1, 3]))
    def run_to_the_end(self, profile: AgentProfile, ending: int) -> None:
        """A whole life cycle in one move, so that histories get far."""
        before = len(self.leases)
        self.claim([profile])
        for held, claim in self.leases[before:]:
            for move in (0, ending):
                self.apply(self.report_of(claim.agent_id, held.task_id, held.fence, move))

    def begin(self) -> tuple[ops.Held, ops.ClaimTask] | None:
        """A task of its own, taken and started by an agent of its own; None where the kill switch is on."""
        if self.is_stopped:
            return None
        guide = AgentProfile(id=self.fresh_id())
        self.register_as(guide, self.fresh_id())
        task_id = self.file_for(guide)
        claim = self.credit_of(guide)
        (reply,) = self.apply(claim)
        held = ops.Held(task_id=task_id, fence=reply.task.state.fence)
        self.leases.append((held, claim))
        self.apply(self.report_of(guide.id, task_id, held.fence, 0))
        return held, claim

    def credit(self, profile: AgentProfile) -> ops.ClaimTask:
        """For all that the agent serves as it is now, in whichever swarm."""
        classes, profile = self.memory.read(lambda q: q.classes()), self.memory.agents[profile.id].profile
        return ops.ClaimTask(
            claim_id=self.fresh_id(),
            agent_id=profile.id,
            instance_id=self.instances[profile.id],
            class_ids=tuple(sorted(number for number, needs in classes.items() if serves(profile, needs))),
            lease=LEASE,
            token=token(TokenKind.ATTEMPT),
        )

    def check_claim(self, operation: ops.ClaimTask, task_id: str, pinned_agent: str | None) -> None:
        """No task leases to a worker that lacks a hard requirement, and tokens only grow.

        What a lead has accepted is for that lead, which gets nothing that is for all.
        """
        record = self.memory.records[task_id]
        assert serves(self.memory.agents[operation.agent_id].profile, record.spec.requires.pinned_to(pinned_agent))
        assert record.state.fence > self.fences[task_id]
        self.fences[task_id] = record.state.fence

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def claim_again(self, data: st.DataObject) -> None:
        claims = [replace(claim, token=token(TokenKind.ATTEMPT)) for _, claim in self.some_leases(data)]
        self.apply(*claims)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), moves=st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 4, 5, 6]), min_size=4, max_size=4))
    def report(self, data: st.DataObject, moves: list[int]) -> None:
        operations: dict[str, ops.Operation[Any]] = {}
        for (held, claim), move in zip(self.some_leases(data), moves, strict=False):
            unstarted = self.memory.records[held.task_id].state.status is TaskStatus.CLAIMED
            chosen = 0 if unstarted and move < 3 else move
            operations[held.task_id] = self.report_of(claim.agent_id, held.task_id, held.fence, chosen)
        before = {task_id: self.memory.records[task_id] for task_id in operations}
        replies = self.apply(*operations.values())
        for operation, reply in zip(operations.values(), replies, strict=True):
            self.check_accepted(operation, reply, before)

    def report_of(self, agent_id: str, task_id: str, fence: int, move: int) -> ops.Operation[Any]:
        reports: list[tuple[commands.Command, AttemptReport]] = [
            (commands.Start(task_id=task_id, fence=fence), AttemptReport(branch="b")),
            (commands.Complete(task_id=task_id, fence=fence, digest="one"), AttemptReport(text="one", commit="c")),
            (commands.Complete(task_id=task_id, fence=fence, digest="two"), AttemptReport(text="two", data={"k": 1})),
            (
                commands.Fail(task_id=task_id, fence=fence, failure=FailureClass.AGENT, digest="x", jitter=0.5),
                AttemptReport(text="broke", failure_class="agent", failure_code="exitCode"),
            ),
            (
                commands.Fail(task_id=task_id, fence=fence, failure=FailureClass.INFRASTRUCTURE, digest="y"),
                AttemptReport(text="disk", failure_class="infrastructure"),
            ),
            (
                commands.Pause(task_id=task_id, fence=fence, reason=PauseReason.SHUTDOWN),
                AttemptReport(session="s", snapshot="r"),
            ),
            (commands.Release(task_id=task_id, fence=fence), AttemptReport()),
        ]
        command, report = reports[move]
        return ops.TaskCommand(command=command, actor=f"agent:{agent_id}", report=report)

    def check_accepted(self, operation: Any, reply: Any, before: dict[str, Any]) -> None:
        """An accepted write carried the current fence."""
        if isinstance(reply, SwarmError) or reply.repeated:
            return
        assert operation.command.fence == before[operation.command.task_id].state.fence

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), text=st.sampled_from(["a", "b"]), seq=st.integers(0, 2))
    def tell(self, data: st.DataObject, text: str, seq: int) -> None:
        held, claim = self.some_leases(data)[0]
        attempts = self.memory.read(lambda q: q.attempts(held.task_id))
        number = next(attempt.number for attempt in attempts if attempt.fence == held.fence)
        self.apply(
            ops.ReportProgress(task_id=held.task_id, fence=held.fence, text=text, actor=f"agent:{claim.agent_id}"),
            ops.BookUsage(
                task_id=held.task_id,
                attempt=number,
                seq=seq,
                input_tokens=5,
                output_tokens=1,
                cost_micros=7,
                model=text,
            ),
        )

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), own=st.booleans())
    def beat(self, data: st.DataObject, own: bool) -> None:
        chosen = self.some_leases(data)
        agent_id = chosen[0][1].agent_id if own else AGENTS[0].id
        held = tuple(sorted({held for held, _ in chosen}, key=lambda held: (held.task_id, held.fence)))
        self.apply(ops.Heartbeat(agent_id=agent_id, instance_id=self.instances[agent_id], lease=LEASE, leases=held))

    @rule(data=st.data(), move=st.sampled_from([0, 1, 1, 2, 2, 3, 4, 4, 5]))
    def order(self, data: st.DataObject, move: int) -> None:
        chosen = self.some_tasks(data)
        kinds: list[Any] = [commands.Cancel, commands.RequestPause, commands.Resume, commands.Shelve, commands.Promote]
        if move == 5:
            self.apply(*(ops.Reprioritize(task_id=task_id, priority=80, actor="operator") for task_id in chosen))
        else:
            self.apply(*(ops.TaskCommand(command=kinds[move](task_id=task_id), actor="operator") for task_id in chosen))

    @rule(data=st.data(), profile=st.sampled_from(AGENTS), which=st.integers(0, 2), seldom=st.integers(0, 3))
    def register(self, data: st.DataObject, profile: AgentProfile, which: int, seldom: int) -> None:
        if seldom:
            return
        held = tuple(held for held, _ in self.some_leases(data, least=0)) if self.leases else ()
        instance = [self.instances[profile.id], self.first_instances[profile.id], self.fresh_id()][which]
        self.register_as(profile, instance, held)

    @rule(patience=st.sampled_from([0, 5, 60]))
    def look_for_what_nobody_could_take(self, patience: int) -> None:
        self.apply(ops.FindUnserved(patience=patience * SECOND, silence=30 * SECOND))

    @rule(profile=st.sampled_from(AGENTS), seldom=st.integers(0, 5))
    def sign_off(self, profile: AgentProfile, seldom: int) -> None:
        if seldom:
            return
        self.apply(ops.SignOff(agent_id=profile.id, instance_id=self.instances[profile.id]))

    @rule(seconds=st.sampled_from([1, 1, 5, 10, 29, 31, 700]), leases=st.booleans(), limit=st.sampled_from([1, 500]))
    def let_time_pass(self, seconds: int, leases: bool, limit: int) -> None:
        self.now += seconds * SECOND
        self.apply(ops.RunTimers(jitter=0.3, leases=leases, limit=limit))

    @rule(data=st.data())
    def meet_one_of_all(self, data: st.DataObject) -> None:
        self.meet(*data.draw(st.sampled_from(sorted(_allowed())), label="met"))

    def meet(self, kind: str, status: str, outcome: str) -> None:
        """Bring a task of its own to `status`, and have the command meet it there."""
        guide, task_id, fence = self.one_that_is(status, is_stale=outcome == "staleLease")
        before = self.seen[kind, status, outcome]
        moves = {"Start": 0, "Complete": 1 if outcome != "resultConflict" else 2, "Fail": 3, "Pause": 5, "Release": 6}
        if kind in moves:
            self.apply(self.report_of(guide.id, task_id, fence, moves[kind]))
        else:
            self.apply(ops.TaskCommand(command=getattr(commands, kind)(task_id=task_id), actor="operator"))
        assert self.seen[kind, status, outcome] > before

    def one_that_is(self, status: str, *, is_stale: bool = False) -> tuple[AgentProfile, str, int]:
        """A task in that status, with its agent, and the fence that a command about it should carry."""
        self.apply(ops.LiftKillSwitch(scope=SwitchScope.ALL, by="operator"))
        guide = AgentProfile(id=self.fresh_id())
        self.register_as(guide, self.fresh_id())
        blocked = [self.file_for(guide)] if status == "blocked" else []
        task_id = self.file_for(guide, blocked, backlog=status == "backlog")
        return guide, task_id, self.bring_to(guide, task_id, status, is_stale=is_stale)

    def file_for(self, guide: AgentProfile, upstreams: Sequence[str] = (), *, backlog: bool = False) -> str:
        spec = TaskSpec(id=self.fresh_id(), title="t", prompt="p", requires=Requirements(agent_id=guide.id))
        edges = tuple(Edge(upstream_id=upstream) for upstream in upstreams)
        new = ops.NewTask(spec=spec, edges=edges, backlog=backlog, max_attempts=1)
        self.apply(ops.CreateTasks(tasks=(new,), actor="operator"))
        return spec.id

    def bring_to(self, guide: AgentProfile, task_id: str, status: str, *, is_stale: bool) -> int:
        """The fence that a command about it should carry; with `is_stale` one that is over."""
        if status in ("backlog", "blocked") or (status == "pending" and not is_stale):
            return 0
        if status == "offered":
            self.apply(ops.OfferTask(task_id=task_id, agent_id=guide.id, ttl=SECOND, actor="operator"))
            return 0
        fence = self.take(guide)
        if is_stale and status != "cancelled":
            self.now += LEASE
            self.apply(ops.RunTimers(jitter=0.0))
        current = self.take(guide) if is_stale and status == "running" else fence
        if status in ("running", "completed", "paused"):
            self.apply(self.report_of(guide.id, task_id, current, 0))
        if status in ("completed", "failed", "paused"):
            self.apply(self.report_of(guide.id, task_id, current, {"completed": 1, "failed": 3, "paused": 5}[status]))
        if status == "cancelled":
            self.apply(ops.TaskCommand(command=commands.Cancel(task_id=task_id), actor="operator"))
        return fence

    def take(self, guide: AgentProfile) -> int:
        (reply,) = self.apply(self.credit_of(guide))
        fence: int = reply.task.state.fence
        return fence

    def credit_of(self, guide: AgentProfile) -> ops.ClaimTask:
        """A credit for what only this agent may take."""
        classes = self.memory.read(lambda q: q.classes())
        own = tuple(number for number, needs in classes.items() if needs.agent_id == guide.id)
        return replace(self.credit(guide), class_ids=own)

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def stores_agree(self) -> None:
        assert self.other.read(snapshot) == self.memory.read(snapshot)

    @invariant()
    def a_held_task_has_a_lease_and_only_a_held_one_has(self) -> None:
        for record in self.memory.records.values():
            state = record.state
            assert (state.lease_expires_at is not None) == state.is_held == (state.agent_id is not None)

    @invariant()
    def a_first_result_stands(self) -> None:
        for task_id, record in self.memory.records.items():
            if record.result is not None:
                assert self.results.setdefault(task_id, record.result) == record.result
                assert record.state.status is TaskStatus.COMPLETED

    @invariant()
    def an_open_task_runs_waits_for_somebody_or_can_be_claimed(self) -> None:
        """No silent state: every open task has a lease, a timer, an open dependency, a person, or is in the queue."""
        for record in self.memory.records.values():
            state = record.state
            waits_for_a_person = state.status in (TaskStatus.BACKLOG, TaskStatus.PAUSED)
            waits_for_tasks = state.status is TaskStatus.BLOCKED and state.unmet > 0
            assert (
                state.status in TERMINAL
                or state.timer_at is not None
                or state.ready
                or waits_for_a_person
                or waits_for_tasks
            )

    @invariant()
    def a_ready_task_has_met_its_dependencies(self) -> None:
        for task_id, record in self.memory.records.items():
            if record.state.ready or record.state.is_held:
                upstreams = [self.memory.records[edge.upstream_id] for edge in self.memory.edges[task_id]]
                assert all(upstream.state.status is TaskStatus.COMPLETED for upstream in upstreams)


def _met(
    operations: Sequence[ops.Operation[Any]], replies: Sequence[Any], before: Mapping[str, TaskStatus]
) -> Iterator[Met]:
    for operation, reply in zip(operations, replies, strict=True):
        if isinstance(operation, ops.TaskCommand) and operation.command.task_id in before:
            outcome = reply.code if isinstance(reply, SwarmError) else "repeated" if reply.repeated else "changed"
            yield type(operation.command).__name__, before[operation.command.task_id].value, outcome


def _allowed() -> set[Met]:
    """What the table of transitions lets happen, and the refusals of rules T3 and T5."""
    changes = {(kind.__name__, status.value, "changed") for kind, verb in _VERBS.items() for status in sources_of(verb)}
    held = ("claimed", "running")
    fenced = [kind.__name__ for kind in _VERBS if "fence" in kind.__dataclass_fields__]  # type: ignore[attr-defined]
    refusals = {(kind, status, "staleLease") for kind in fenced for status in ("pending", "running", "cancelled")}
    refusals |= {("Complete", "completed", "resultConflict"), ("Complete", "completed", "repeated")}
    refusals |= {("Cancel", status, "illegalTransition") for status in ("completed", "failed")}
    wishes = {("RequestPause", status, "changed") for status in (*held, "paused")}
    return (changes - _BY_DEPENDENCY) | refusals | wishes | {("Cancel", "cancelled", "repeated")}


def _comparable(reply: Any) -> Any:
    if isinstance(reply, SwarmError):
        return (reply.code, reply.message, reply.hint, reply.details)
    return reply


def run_histories(make: Any, *, examples: int) -> None:
    run_state_machine_as_test(
        make,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="swarm-history-"))
    yield made
    shutil.rmtree(made)


def test_given_any_history_when_memory_and_sqlite_follow_it_then_they_agree(folder: Path) -> None:
    counter = iter(range(1_000_000))
    run_histories(
        lambda: StoreHistories(SqliteEngine(folder / f"{next(counter)}.sqlite", synchronous="off")),
        examples=EXAMPLES,
    )
    meet_the_rest(StoreHistories(SqliteEngine(folder / "rest.sqlite", synchronous="off")))
    assert StoreHistories.came >= {"paused", "answered", "denied", "expired", "closed"}
    assert StoreHistories.waited >= {"waited", "went on", "refused"}
    assert StoreHistories.met >= {"added", "born stopped", "stopped", "interrupted", "started", "described"}
    assert StoreHistories.edited >= {f"{status.value}: changed" for status in EDITABLE} | {"archived", "archived again"}
    assert StoreHistories.edited >= {f"{status.value}: illegalTransition" for status in set(TaskStatus) - EDITABLE}
    assert StoreHistories.edited >= {"one tag has to fit", "unknownTask"}
    assert StoreHistories.answered >= {"open", "accepted", "rejected", "expired", "closed", "refused"}


def meet_the_rest(machine: StoreHistories) -> None:
    """What chance left out; afterwards every command met every status that the table lets it meet."""
    for met in sorted(_allowed() - (+machine.seen).keys()):
        machine.meet(*met)
    machine.apply(ops.LiftKillSwitch(scope=SwitchScope.ALL, by="operator"))
    for moves in (["stop", "answer"], ["stop", "deny"], ["stop", "expire"], ["cancel"]):
        machine.wait_for_an_answer(pauses=True, moves=moves)
    for moves in (["stop", "end"], ["cancel", "ask"]):
        machine.wait_for_tasks(moves=moves)
    for moves in (["accept", "reject"], ["reject"], ["wait"], ["cancel"], ["stop", "offer", "accept"]):
        machine.offer_with(machine.file_for(AGENTS[0]), AGENTS[0], moves)
    for status in TaskStatus:
        machine.edit_one(machine.one_that_is(status.value)[1])
    put_aside = machine.file_for(AGENTS[0])
    for _ in range(2):
        machine.archive_one(put_aside)
    machine.edit_what_is_not_there()
    machine.stop_one_at_work(moves=["pause"])
    machine.start_everybody()
    machine.introduce_one(machine.memory.agents[AGENTS[0].id], "added")
    machine.apply(ops.StopAgent(agent_id=AGENTS[0].id, actor="operator"))
    machine.introduce_one(machine.memory.agents[AGENTS[0].id], "born stopped")
    machine.start_everybody()
    machine.stores_agree()
    machine.teardown()
    assert _allowed() <= {met for met, times in machine.seen.items() if times}


def test_given_any_history_when_memory_and_postgresql_follow_it_then_they_agree(postgres_server: str) -> None:
    class OnPostgres(StoreHistories):
        seen: ClassVar[Counter[Met]] = Counter()

        def __init__(self) -> None:
            self.database = postgres.database_with_tables(postgres_server)
            super().__init__(PostgresEngine(self.database.__enter__()))

        def teardown(self) -> None:
            super().teardown()
            self.database.__exit__(None, None, None)

    run_histories(OnPostgres, examples=max(1, EXAMPLES // 6))
    meet_the_rest(OnPostgres())
