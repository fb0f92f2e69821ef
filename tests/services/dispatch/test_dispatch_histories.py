"""Random histories: whatever happens in whatever order, credits are conserved and no ready task waits for a worker."""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.services.dispatch.swarm import ManualTime, Swarm, Worker

from agent_swarm.domain.commands import Cancel, Command, Pause, Release, Shelve
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.matching import AgentRole, serves
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import RunTimers, TaskCommand
from agent_swarm.store.records import AgentRecord, TaskRecord
from agent_swarm.testing.invariants import audit

R = TypeVar("R")

PROFILES = st.fixed_dictionaries(
    {
        "agent_role": st.sampled_from([AgentRole.WORKER, AgentRole.WORKER, AgentRole.WORKER, AgentRole.LEAD]),
        "tags": st.frozensets(st.sampled_from(["gpu", "linux"])),
        "capabilities": st.frozensets(st.sampled_from(["harness.codex", "harness.claude"])),
    }
)
REQUIREMENTS = st.fixed_dictionaries(
    {
        "tags": st.frozensets(st.sampled_from(["gpu", "linux"]), max_size=1),
        "capabilities": st.frozensets(st.sampled_from(["harness.*", "harness.codex"]), max_size=1),
    }
)
PICK = st.integers(min_value=0, max_value=1_000)


class Histories(RuleBasedStateMachine):
    """Agents connect, ask, double, withdraw and vanish, tasks come and go, claims are held up and let go."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.time = ManualTime()
        self.engine = MemoryEngine()
        self.swarm = self.run(self._open())
        self.agents: list[AgentRecord] = []
        self.workers: list[Worker] = []
        self.offered: dict[str, Worker] = {}  # claim id -> the worker it was offered through last
        self.withdrawn: set[str] = set()
        self.was_busy = False

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        return self.runner.run(coroutine)

    async def _open(self) -> Swarm:
        store = BatchingStore(self.engine, clock=ServerClock(wall=self.time, monotonic=self.time))
        await store.open()
        swarm = Swarm(store, self.time)
        await swarm.dispatcher.open()
        return swarm

    def teardown(self) -> None:
        self.settle()
        assert self.engine.read(audit) == []
        self.swarm.dispatcher.close()
        self.run(self.swarm.store.inner.close())
        self.runner.close()

    # --- what workers do --------------------------------------------------------------------------------------------

    @rule(profile=PROFILES)
    def register(self, profile: dict[str, Any]) -> None:
        self.agents.append(self.run(self.swarm.agent(**profile)))

    @precondition(lambda self: self.agents)
    @rule(pick=PICK, credits=st.integers(0, 3))
    def connect(self, pick: int, credits: int) -> None:
        self.run(self._connect(one_of(self.agents, pick), credits))

    async def _connect(self, agent: AgentRecord, credits: int) -> None:
        worker = self.swarm.connect(agent)
        self.workers.append(worker)
        await self._offer(worker, credits)

    @precondition(lambda self: self.workers)
    @rule(pick=PICK, credits=st.integers(1, 3))
    def offer(self, pick: int, credits: int) -> None:
        worker = one_of(self.workers, pick)
        if worker.seat.is_open:
            self.run(self._offer(worker, credits))

    async def _offer(self, worker: Worker, credits: int) -> None:
        self.offered.update(dict.fromkeys(self.swarm.offer(worker, credits), worker))

    @precondition(lambda self: self.offered)
    @rule(pick=PICK, is_new_connection=st.booleans(), as_new=st.booleans())
    def repeat(self, pick: int, is_new_connection: bool, as_new: bool) -> None:
        """The same credit again, through the same connection or a new one, said to be new or not."""
        claim_id = one_of(list(self.offered), pick)
        worker = self.offered[claim_id]
        if is_new_connection:
            agent = next(agent for agent in self.agents if agent.profile.id == worker.seat.agent.id)
            worker = self.swarm.connect(agent)
            self.workers.append(worker)
        if worker.seat.is_open:
            self.offered[claim_id] = worker
            self.withdrawn.discard(claim_id)
            self.run(self._repeat(worker, claim_id, as_new))

    async def _repeat(self, worker: Worker, claim_id: str, as_new: bool) -> None:
        if as_new:
            self.swarm.dispatcher.offer(worker.seat, [claim_id])
        else:
            await self.swarm.dispatcher.redeem(worker.seat, [claim_id])

    @precondition(lambda self: self.workers)
    @rule(pick=PICK)
    def disconnect(self, pick: int) -> None:
        self.swarm.dispatcher.leave(one_of(self.workers, pick).seat)

    @precondition(lambda self: self.offered)
    @rule(pick=PICK)
    def withdraw(self, pick: int) -> None:
        claim_id = one_of(list(self.offered), pick)
        if self.swarm.dispatcher._claims.get(claim_id) is None:  # else it waits for an answer that may be held up
            agent_id = self.offered[claim_id].seat.agent.id
            if not self.run(self.swarm.dispatcher.withdraw(agent_id, [claim_id])):
                self.withdrawn.add(claim_id)

    # --- what happens to tasks --------------------------------------------------------------------------------------

    @rule(requires=REQUIREMENTS, count=st.integers(1, 3))
    def create(self, requires: dict[str, Any], count: int) -> None:
        self.run(self.swarm.create(count, **requires))

    @precondition(lambda self: self.agents)
    @rule(pick=PICK)
    def create_for_one_agent(self, pick: int) -> None:
        self.run(self.swarm.create(agent_id=one_of(self.agents, pick).profile.id))

    @rule(pick=PICK, verb=st.sampled_from([Cancel, Shelve]))
    def take_away(self, pick: int, verb: type[Cancel] | type[Shelve]) -> None:
        tasks = [record for record in self.records() if record.state.ready]
        if tasks:
            self.command(verb(task_id=one_of(tasks, pick).spec.id))

    @rule(pick=PICK)
    def give_back(self, pick: int) -> None:
        held = [record.state for record in self.records() if record.state.is_held]
        if held:
            state = one_of(held, pick)
            self.command(Release(task_id=state.id, fence=state.fence))

    @rule(pick=PICK)
    def pause_and_register_again(self, pick: int) -> None:
        """A shutdown pauses a task, and the agent's return queues it for that agent alone (rule T6)."""
        held = [record.state for record in self.records() if record.state.is_held]
        if held:
            state = one_of(held, pick)
            self.command(Pause(task_id=state.id, fence=state.fence, reason=PauseReason.SHUTDOWN))
            agent = next(agent for agent in self.agents if agent.profile.id == state.agent_id)
            self.run(self.swarm.register(agent))

    @rule()
    def lapse(self) -> None:
        self.time.advance(31)
        self.run(self.swarm.store.apply(RunTimers(jitter=0.0)))

    def command(self, command: Command) -> None:
        with contextlib.suppress(SwarmError):
            self.run(self.swarm.store.apply(TaskCommand(command=command, actor="operator")))

    # --- what happens to the store ----------------------------------------------------------------------------------

    @rule(there=st.booleans(), back=st.booleans())
    def halt(self, there: bool, back: bool) -> None:
        self.swarm.store.go_on()
        self.swarm.store.halt(there=there, back=back)

    @rule()
    def be_busy(self) -> None:
        self.swarm.store.is_busy = self.was_busy = True

    @rule()
    def sweep(self) -> None:
        self.run(self.swarm.dispatcher.sweep())

    @rule()
    def settle(self) -> None:
        """Let everything come to rest; only after a busy store does that take a sweep."""
        self.swarm.store.go_on()
        self.swarm.store.is_busy = False
        self.run(self.swarm.quiet())
        if self.was_busy:
            self.was_busy = False
            self.run(self.swarm.dispatcher.sweep())
            self.run(self.swarm.quiet())
        self.no_ready_task_has_a_waiting_worker()
        self.credits_are_conserved()

    # --- what has to hold -------------------------------------------------------------------------------------------

    def records(self) -> list[TaskRecord]:
        return list(self.engine.records.values())

    def no_ready_task_has_a_waiting_worker(self) -> None:
        for record in self.records():
            if record.state.ready:
                needs = record.spec.requires.pinned_to(record.state.pinned_agent)
                credits = self.swarm.dispatcher._credits.values()
                assert not [credit for credit in credits if serves(credit.seat.agent, needs)], needs

    def credits_are_conserved(self) -> None:
        """A credit of an open connection waits, was answered, refused or withdrawn."""
        answered = {answer.claim_id for worker in self.workers for answer in worker.answers}
        for claim_id, worker in self.offered.items():
            if worker.seat.is_open and claim_id not in self.withdrawn:
                waits = claim_id in self.swarm.dispatcher._credits
                assert waits or claim_id in answered or claim_id in worker.refusals, claim_id

    @invariant()
    def no_credit_has_two_tasks(self) -> None:
        given: dict[str, tuple[str, int]] = {}
        for worker in self.workers:
            for answer in worker.answers:
                state = answer.task.state
                assert given.setdefault(answer.claim_id, (state.id, state.fence)) == (state.id, state.fence)
        assert len(set(given.values())) == len(given)

    @invariant()
    def no_worker_gets_what_it_must_not_run(self) -> None:
        for worker in self.workers:
            for answer in worker.answers:
                assert serves(worker.seat.agent, answer.task.spec.requires)

    @invariant()
    def estimates_err_on_the_high_side(self) -> None:
        for demand in self.swarm.dispatcher._demands._by_id.values():
            assert min(demand.backlog, demand.promised) >= 0
            assert not demand.uncounted or demand.backlog + demand.promised >= 1


def one_of(choices: Sequence[R], pick: int) -> R:
    return choices[pick % len(choices)]


TestHistories = pytest.mark.slow(Histories.TestCase)
TestHistories.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
