"""From single operations to batches.

Operations queue up while a batch is under way; the next batch takes those that do not touch the same things and
applies them in one transaction. One batch is in flight per store. Order is kept within a lane (a connection) and
between operations with a common key: an operation that has to wait holds back the later ones of its lane and its
keys. Subscribers hear of a batch after its commit and before its answers; where other servers write, too, they hear of
everything in the order of the commits (`Telling`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from agent_swarm.domain.errors import Busy, ShuttingDown, SwarmError
from agent_swarm.faults import crash_point
from agent_swarm.store.base import BatchResult, Committed, Engine, Queries, Seer
from agent_swarm.store.clock import Clock, ServerClock
from agent_swarm.store.operations import Operation
from agent_swarm.store.telling import Telling
from agent_swarm.store.thread import WorkerThread

R = TypeVar("R")
log = structlog.get_logger()

BATCH_WEIGHT = 256  # bounds the wait of the first
QUEUE_LIMIT = 20_000
LOOK_AHEAD = 1_024  # how far past operations that have to wait a batch looks for others


@dataclass(slots=True)
class _Waiting:
    operation: Operation[Any]
    lane: object
    answer: "asyncio.Future[Any]"


class BatchingStore:
    """A `Store` over an `Engine`.

    `writer` and `readers` are where the engine's calls run; None runs them on the event loop, which suits an engine
    that never blocks.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock | None = None,
        writer: WorkerThread | None = None,
        readers: Executor | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._engine = engine
        self._clock = clock or ServerClock()
        self._writer = writer
        self._readers = readers
        self._queue_limit = queue_limit
        self._queue: deque[_Waiting] = deque()
        self._telling = Telling(self.read if engine.is_shared else None)
        self._seers: list[Seer] = []
        self._flushing = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Make the storage ready and set the clock by its records."""
        self._clock.start_from(await self._in_writer(self._engine.open))
        await self._telling.open()

    async def close(self) -> None:
        """Finish what was accepted, then close the storage; idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        await self._in_writer(self._engine.close)
        if self._writer is not None:
            self._writer.stop()
        if self._readers is not None:
            self._readers.shutdown(wait=True)

    @property
    def clock(self) -> Clock:
        """The clock that batches are dated by."""
        return self._clock

    def now(self) -> int:
        """The store's present instant."""
        return self._clock.now()

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        """Have `listener` called after every commit; answers a function that ends it."""
        return self._telling.subscribe(listener)

    async def catch_up(self, *, ready: Mapping[int, int] | None = None, at_least: int = 0) -> None:
        """Tell subscribers what other servers committed since; does nothing where there are none.

        `ready` is what became claimable there, `at_least` the event that is known to exist.
        """
        await self._telling.catch_up(ready=ready or {}, at_least=at_least)

    def foresee(self, seer: Seer) -> Callable[[], None]:
        """Have `seer` called with every batch before it is written; what it begins meanwhile joins that batch."""
        self._seers.append(seer)
        return lambda: self._seers.remove(seer) if seer in self._seers else None

    async def read(self, query: Callable[[Queries], R]) -> R:
        """Run `query` against one moment of the store."""
        if self._closed:
            raise ShuttingDown("the store is closed", hint="try again when the server is back")
        if self._readers is None:
            return self._engine.read(query)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self._engine.read(query))

    async def apply(self, operation: Operation[R], *, lane: object = None) -> R:
        """Write `operation`; answers after the commit of its batch."""
        answer: R = await asyncio.shield(self.begin(operation, lane=lane))
        return answer

    def begin(self, operation: Operation[R], *, lane: object = None) -> "asyncio.Future[R]":
        """As `apply`, without a coroutine: most operations are answered by a callback. Not to be cancelled."""
        if self._closed:
            raise ShuttingDown("the server is shutting down", hint="try again when it is back")
        if len(self._queue) >= self._queue_limit and not operation.is_urgent:
            raise Busy(
                f"{len(self._queue)} operations are waiting to be written, no more are taken",
                hint="send fewer requests at once and try again in a moment",
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        put = self._queue.appendleft if operation.is_urgent else self._queue.append
        put(_Waiting(operation, lane, answer))
        if not self._flushing:
            self._flushing = True
            self._idle.clear()
            loop.call_soon(self._start_flush)
        return answer

    def _start_flush(self) -> None:
        task = asyncio.get_running_loop().create_task(self._flush_all())
        task.add_done_callback(_log_crash)

    async def _flush_all(self) -> None:
        try:
            while self._queue:
                batch = self._take()
                await self._flush(batch + self._companions(batch))
                await asyncio.sleep(0)  # let this batch's answers arrive before the next one is told
        finally:
            self._flushing = False
            self._idle.set()

    def _take(self) -> list[_Waiting]:
        """The next batch: in order, skipping what collides with something before it."""
        batch: list[_Waiting] = []
        deferred: list[_Waiting] = []
        keys: set[str] = set()
        lanes: set[int] = set()
        weight = 0
        while self._queue and weight < BATCH_WEIGHT and len(deferred) < LOOK_AHEAD:
            waiting = self._queue.popleft()
            touched = waiting.operation.keys
            blocked_lane = waiting.lane is not None and id(waiting.lane) in lanes
            if blocked_lane or not keys.isdisjoint(touched):
                deferred.append(waiting)
                if waiting.lane is not None:
                    lanes.add(id(waiting.lane))
            else:
                batch.append(waiting)
                weight += waiting.operation.weight
            keys.update(touched)
        self._queue.extendleft(reversed(deferred))
        return batch

    def _companions(self, batch: list[_Waiting]) -> list[_Waiting]:
        """What those who see the batch coming want written with it."""
        others, self._queue = self._queue, deque()
        operations = [waiting.operation for waiting in batch]
        for seer in tuple(self._seers):
            try:
                seer(operations)
            except Exception:  # whoever wants to be quick must not hold up the others
                log.exception("seer_failed")
        joined, self._queue = list(self._queue), others
        if not joined:
            return []
        keys = {key for operation in operations for key in operation.keys}
        late = [waiting for waiting in joined if not keys.isdisjoint(waiting.operation.keys)]
        self._queue.extendleft(reversed(late))
        return [waiting for waiting in joined if waiting not in late] if late else joined

    async def _flush(self, batch: list[_Waiting]) -> None:
        now = self._clock.now()
        operations = [waiting.operation for waiting in batch]
        try:
            result = await self._write(operations, now)
        except Exception as exc:  # the batch is lost as a whole: everyone who waits for it has to know
            log.exception("batch_failed", operations=len(batch))
            for waiting in batch:
                _refuse(waiting.answer, exc)
            return
        await self._telling.tell(result.committed)
        crash_point("store.told")
        for waiting, reply in zip(batch, result.replies, strict=True):
            if isinstance(reply, SwarmError):
                _refuse(waiting.answer, reply)
            elif not waiting.answer.done():
                waiting.answer.set_result(reply)

    async def _write(self, operations: list[Operation[Any]], now: int) -> BatchResult:
        decided = None if self._writer is None else self._engine.decide_quickly(operations, now)
        if decided is not None:
            return await self._in_writer(decided.commit)
        return await self._in_writer(lambda: self._engine.apply_batch(operations, now))

    async def _in_writer(self, call: Callable[[], R]) -> R:
        return call() if self._writer is None else await self._writer.run(call)


def _refuse(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    """Hand over the error without a complaint where nobody waits any more."""
    if not answer.done():
        answer.set_exception(error)
        answer.exception()


def _log_crash(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("flush_loop_crashed", exc_info=task.exception())
