"""From single operations to batches: order, collisions, refusals, news."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.errors import Busy, ShuttingDown, UnknownTask
from agent_swarm.domain.ids import new_id
from agent_swarm.store import operations as ops
from agent_swarm.store.base import BatchResult, Committed
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import TaskSpec

pytestmark = pytest.mark.anyio


class WatchedEngine(MemoryEngine):
    """Keeps what each batch held; fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[ops.Operation[Any]]] = []
        self.broken = False

    def apply_batch(self, operations: Sequence[ops.Operation[Any]], now: int) -> BatchResult:
        if self.broken:
            raise OSError("disk full")
        self.batches.append(list(operations))
        return super().apply_batch(operations, now)


@pytest.fixture
def engine() -> WatchedEngine:
    return WatchedEngine()


@pytest.fixture
async def store(engine: WatchedEngine) -> Any:
    store = BatchingStore(engine, queue_limit=100)
    await store.open()
    yield store
    await store.close()


def filing(task_id: str | None = None) -> ops.CreateTasks:
    spec = TaskSpec(id=task_id or new_id(), title="t", prompt="p")
    return ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="x")


def cancel(task_id: str) -> ops.TaskCommand:
    return ops.TaskCommand(command=commands.Cancel(task_id=task_id), actor="x")


async def test_given_operations_of_one_moment_when_they_are_applied_then_they_share_a_batch(
    store: BatchingStore, engine: WatchedEngine
) -> None:
    await asyncio.gather(*(store.apply(filing()) for _ in range(10)))
    assert [len(batch) for batch in engine.batches] == [10]


async def test_given_two_operations_on_one_task_when_they_meet_then_they_go_in_different_batches(
    store: BatchingStore, engine: WatchedEngine
) -> None:
    task = (await store.apply(filing())).task_ids[0]
    first, second = await asyncio.gather(store.apply(cancel(task)), store.apply(cancel(task)))
    assert (first.repeated, second.repeated) == (False, True)
    assert [len(batch) for batch in engine.batches] == [1, 1, 1]


async def test_given_a_lane_when_one_of_its_operations_has_to_wait_then_the_later_ones_wait_behind_it(
    store: BatchingStore, engine: WatchedEngine
) -> None:
    task = (await store.apply(filing())).task_ids[0]
    lane = object()
    await asyncio.gather(
        store.apply(cancel(task)),
        store.apply(cancel(task), lane=lane),  # collides with the first
        store.apply(filing(), lane=lane),
        store.apply(filing()),
    )
    kinds = [[type(operation).__name__ for operation in batch] for batch in engine.batches[1:]]
    assert kinds == [["TaskCommand", "CreateTasks"], ["TaskCommand", "CreateTasks"]]


async def test_given_a_refused_operation_when_its_batch_is_applied_then_only_it_is_refused(
    store: BatchingStore,
) -> None:
    refused, created = await asyncio.gather(
        store.apply(cancel(new_id())), store.apply(filing()), return_exceptions=True
    )
    assert isinstance(refused, UnknownTask)
    assert isinstance(created, ops.Created)


async def test_given_a_subscriber_when_a_batch_commits_then_it_hears_of_it_before_the_answer(
    store: BatchingStore,
) -> None:
    heard: list[Committed] = []
    stop = store.subscribe(heard.append)
    await store.apply(filing())
    assert [event.type for event in heard[0].events] == ["task.created"]
    stop()
    await store.apply(filing())
    assert len(heard) == 1


async def test_given_a_subscriber_that_fails_when_a_batch_commits_then_the_others_and_the_answer_come(
    store: BatchingStore,
) -> None:
    heard: list[Committed] = []

    def broken(_news: Committed) -> None:
        raise ValueError("no")

    store.subscribe(broken)
    store.subscribe(heard.append)
    await store.apply(filing())
    assert len(heard) == 1


async def test_given_a_full_queue_when_more_is_asked_then_it_is_refused_as_busy(store: BatchingStore) -> None:
    answers = await asyncio.gather(*(store.apply(filing()) for _ in range(150)), return_exceptions=True)
    assert sum(isinstance(answer, Busy) for answer in answers) == 50


async def test_given_a_batch_that_cannot_be_written_when_it_fails_then_everyone_is_told_and_the_store_goes_on(
    store: BatchingStore, engine: WatchedEngine
) -> None:
    engine.broken = True
    answers = await asyncio.gather(store.apply(filing()), store.apply(filing()), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError, OSError]
    engine.broken = False
    assert (await store.apply(filing())).task_ids


async def test_given_a_caller_that_gives_up_when_its_operation_is_queued_then_it_is_carried_out_all_the_same(
    store: BatchingStore,
) -> None:
    operation = filing()
    asking = asyncio.ensure_future(store.apply(operation))
    await asyncio.sleep(0)  # queued, not yet flushed
    asking.cancel()
    await store.apply(filing())
    assert await store.read(lambda q: q.task(operation.tasks[0].spec.id)) is not None


async def test_given_a_closed_store_when_it_is_asked_then_it_says_that_the_server_is_on_its_way_out() -> None:
    store = BatchingStore(MemoryEngine())
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(ShuttingDown):
        await store.apply(filing())
    with pytest.raises(ShuttingDown):
        await store.read(lambda q: q.head())


async def test_given_accepted_operations_when_the_store_closes_then_they_are_written_first() -> None:
    engine = WatchedEngine()
    store = BatchingStore(engine)
    await store.open()
    asked = [asyncio.ensure_future(store.apply(filing())) for _ in range(3)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*asked)) == 3
    assert len(engine.records) == 3


async def test_given_somebody_who_sees_a_batch_coming_when_it_begins_something_then_that_joins_the_batch(
    store: BatchingStore, engine: WatchedEngine
) -> None:
    answers: list[asyncio.Future[ops.Created]] = []

    def seer(operations: Sequence[ops.Operation[Any]]) -> None:
        answers.append(store.begin(filing()))

    stop = store.foresee(seer)
    await asyncio.gather(store.apply(filing()), store.apply(filing()))
    assert [len(batch) for batch in engine.batches] == [3]
    assert (await answers[0]).task_ids
    stop()
    await store.apply(filing())
    assert [len(batch) for batch in engine.batches] == [3, 1]


async def test_given_a_companion_that_touches_the_same_when_a_batch_is_written_then_it_waits_for_the_next(
    store: BatchingStore, engine: WatchedEngine
) -> None:
    task = (await store.apply(filing())).task_ids[0]
    answers: list[asyncio.Future[ops.CommandReply]] = []

    def seer(operations: Sequence[ops.Operation[Any]]) -> None:
        if not answers:
            answers.append(store.begin(cancel(task)))

    store.foresee(seer)
    first = await store.apply(cancel(task))
    assert (first.repeated, (await answers[0]).repeated) == (False, True)
    assert [len(batch) for batch in engine.batches] == [1, 1, 1]


async def test_given_a_seer_that_fails_when_a_batch_is_written_then_it_is_written_all_the_same(
    store: BatchingStore,
) -> None:
    def broken(_operations: Sequence[ops.Operation[Any]]) -> None:
        raise ValueError("no")

    store.foresee(broken)
    assert (await store.apply(filing())).task_ids
