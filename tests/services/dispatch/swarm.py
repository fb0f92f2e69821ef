"""A dispatcher over the store in memory, with agents that only remember what they were told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent_swarm.domain.errors import Busy, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.time import SECOND
from agent_swarm.services.dispatch import Dispatcher, Seat
from agent_swarm.services.tokens import mint
from agent_swarm.store.base import Committed, Queries, Seer
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import ClaimTask, CreateTasks, NewTask, Operation, RegisterAgent
from agent_swarm.store.records import AgentRecord, ClaimedTask, TaskRecord, TaskSpec, TokenKind

R = TypeVar("R")


class ManualTime:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.micros = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.micros

    def advance(self, seconds: float) -> None:
        self.micros += int(seconds * SECOND)


@dataclass
class Held:
    """A claim that stands still on its way to the store, or on its way back."""

    operation: ClaimTask
    go: "asyncio.Future[None]"


class HaltingStore:
    """The real store in memory, on which claims can be stopped on their way there or back, or refused as busy."""

    def __init__(self, inner: BatchingStore) -> None:
        self.inner = inner
        self.claims: list[ClaimTask] = []
        self.on_the_way_there: list[Held] | None = None
        self.on_the_way_back: list[Held] | None = None
        self.is_busy = False
        self.failure: Exception | None = None

    async def apply(self, operation: Operation[R], *, lane: object = None) -> R:
        claim = operation if isinstance(operation, ClaimTask) else None
        if claim is not None:
            if self.is_busy:
                raise Busy("full")
            if self.failure is not None:
                raise self.failure
            self.claims.append(claim)
            await self._stop(self.on_the_way_there, claim)
        answer = await self.inner.apply(operation, lane=lane)
        if claim is not None:
            await self._stop(self.on_the_way_back, claim)
        return answer

    def begin(self, operation: Operation[R], *, lane: object = None) -> "asyncio.Future[R]":
        halted = self.on_the_way_there is not None or self.on_the_way_back is not None
        if halted or self.is_busy or self.failure:
            return asyncio.ensure_future(self.apply(operation, lane=lane))
        answer = self.inner.begin(operation, lane=lane)
        if isinstance(operation, ClaimTask):
            self.claims.append(operation)
        return answer

    async def read(self, query: Callable[[Queries], R]) -> R:
        return await self.inner.read(query)

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        return self.inner.subscribe(listener)

    def foresee(self, seer: Seer) -> Callable[[], None]:
        return self.inner.foresee(seer)

    def now(self) -> int:
        return self.inner.now()

    def halt(self, *, there: bool = False, back: bool = False) -> None:
        """From now on claims stop on their way there, or back, until `go_on`."""
        self.on_the_way_there = [] if there else None
        self.on_the_way_back = [] if back else None

    def go_on(self) -> None:
        """Let everything that was stopped go on, and stop nothing more."""
        stopped = [*(self.on_the_way_there or ()), *(self.on_the_way_back or ())]
        self.on_the_way_there = self.on_the_way_back = None
        for held in stopped:
            if not held.go.done():
                held.go.set_result(None)

    async def _stop(self, stopped: list[Held] | None, operation: ClaimTask) -> None:
        if stopped is not None:
            held = Held(operation, asyncio.get_running_loop().create_future())
            stopped.append(held)
            await held.go


@dataclass
class Worker:
    """One connection of an agent, and all that came through it."""

    _seat: Seat | None = None
    answers: list[ClaimedTask] = field(default_factory=list)
    refusals: dict[str, SwarmError] = field(default_factory=dict)
    is_superseded: bool = False
    settlements: int = 0

    def claimed(self, claimed: ClaimedTask, token: str) -> None:
        assert token.startswith("asw_attempt_")
        self.answers.append(claimed)

    def refused(self, claim_id: str, refusal: SwarmError) -> None:
        self.refusals[claim_id] = refusal

    def superseded(self, refusal: SwarmError) -> None:
        self.is_superseded = True

    def settled(self) -> None:
        self.settlements += 1

    @property
    def seat(self) -> Seat:
        """Where it sits."""
        assert self._seat is not None
        return self._seat

    def sit_down(self, dispatcher: Dispatcher, agent: AgentRecord) -> None:
        """Join."""
        self._seat = dispatcher.join(agent.profile, agent.instance_id, self)

    @property
    def tasks(self) -> list[str]:
        return [answer.task.spec.id for answer in self.answers]


class Swarm:
    """What the tests talk to."""

    def __init__(self, store: BatchingStore, time: ManualTime) -> None:
        self.time = time
        self.store = HaltingStore(store)
        self.dispatcher = Dispatcher(self.store)

    async def agent(
        self, *, agent_id: str | None = None, instance_id: str | None = None, **profile: Any
    ) -> AgentRecord:
        """Register an agent."""
        record = AgentRecord(
            profile=AgentProfile(id=agent_id or new_id(), **profile), name="ada", instance_id=instance_id or new_id()
        )
        await self.register(record)
        return record

    async def register(self, agent: AgentRecord) -> None:
        """Have the agent's process register, again or for the first time."""
        token = mint(TokenKind.AGENT, now=self.store.now(), agent_id=agent.profile.id).record
        await self.store.apply(RegisterAgent(agent=agent, token=token))

    def connect(self, agent: AgentRecord) -> Worker:
        """A connection of the agent, without credits."""
        worker = Worker()
        worker.sit_down(self.dispatcher, agent)
        return worker

    async def worker(self, *, credits: int = 0, **profile: Any) -> Worker:
        """A new agent's connection, with as many credits."""
        worker = self.connect(await self.agent(**profile))
        self.offer(worker, credits)
        return worker

    def offer(self, worker: Worker, count: int = 1) -> list[str]:
        """New credits."""
        claim_ids = [new_id() for _ in range(count)]
        self.dispatcher.offer(worker.seat, claim_ids)
        return claim_ids

    async def create(self, count: int = 1, *, labels: tuple[str, ...] = (), **requires: Any) -> list[str]:
        """Ready tasks, in one batch; answers their ids."""
        needs = Requirements(**requires)
        specs = (
            TaskSpec(id=new_id(), title="build docs", prompt="build the docs", requires=needs, labels=labels)
            for _ in range(count)
        )
        tasks = tuple(NewTask(spec=spec) for spec in specs)
        created = await self.store.apply(CreateTasks(tasks=tasks, actor="operator"))
        return list(created.task_ids)

    async def task(self, task_id: str) -> TaskRecord:
        """The task as it stands."""
        record = await self.store.read(lambda queries: queries.task(task_id))
        assert record is not None
        return record

    async def until_claimed(self, task_id: str) -> None:
        """Wait until somebody holds the task."""
        async with asyncio.timeout(10):
            while not (await self.task(task_id)).state.is_held:  # noqa: ASYNC110  # the store tells nobody of turns
                await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Until nothing is under way but what was halted."""
        calm = 0
        while calm < 5:  # an answer takes a few turns of the loop to arrive
            stopped = [*(self.store.on_the_way_there or ()), *(self.store.on_the_way_back or ())]
            under_way = len(self.dispatcher._claims) - sum(1 for held in stopped if not held.go.done())
            sweep = self.dispatcher._extra_sweep
            is_busy = under_way or self.store.inner._flushing or (sweep is not None and not sweep.done())
            calm = 0 if is_busy else calm + 1
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(time: ManualTime) -> AsyncIterator[Swarm]:
    """A swarm without agents."""
    store = BatchingStore(MemoryEngine(), clock=ServerClock(wall=time, monotonic=time))
    await store.open()
    swarm = Swarm(store, time)
    await swarm.dispatcher.open()
    try:
        yield swarm
    finally:
        swarm.store.go_on()
        swarm.dispatcher.close()
        await store.close()
