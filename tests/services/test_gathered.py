"""Many who ask for tasks in one moment are answered by one read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from agent_swarm.domain.errors import UnknownTask
from agent_swarm.services.gathered import GatheredTasks
from agent_swarm.store.base import Queries
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import CreateTasks, NewTask
from agent_swarm.store.records import TaskSpec

pytestmark = pytest.mark.anyio
R = TypeVar("R")


class CountingStore(BatchingStore):
    """Counts its reads; `broken` ones fail."""

    reads = 0
    broken = False

    async def read(self, query: Callable[[Queries], R]) -> R:
        self.reads += 1
        if self.broken:
            raise ConnectionError("the disk is gone")
        return await super().read(query)


@pytest.fixture
async def store(anyio_backend: str) -> AsyncIterator[CountingStore]:
    store = CountingStore(MemoryEngine())
    new = tuple(NewTask(spec=TaskSpec(id=name, title=name, prompt=name)) for name in ("a", "b"))
    await store.apply(CreateTasks(tasks=new, actor="operator"))
    yield store
    await store.close()


async def test_given_many_who_ask_at_once_when_they_are_answered_then_there_was_one_read(store: CountingStore) -> None:
    gathered = GatheredTasks(store)

    found = await asyncio.gather(*(gathered.get(name) for name in "abab"))

    assert [task.title for task in found] == ["a", "b", "a", "b"]
    assert store.reads == 1
    assert (await gathered.get("a")).title == "a"
    assert store.reads == 2


async def test_given_an_unknown_task_among_others_when_they_are_read_then_only_that_one_is_refused(
    store: CountingStore,
) -> None:
    gathered = GatheredTasks(store)

    found, missing = await asyncio.gather(gathered.get("a"), gathered.get("x"), return_exceptions=True)

    assert not isinstance(found, BaseException)
    assert isinstance(missing, UnknownTask)


async def test_given_a_read_that_fails_when_it_was_for_many_then_all_of_them_hear_of_it(store: CountingStore) -> None:
    store.broken = True
    gathered = GatheredTasks(store)

    told = await asyncio.gather(gathered.get("a"), gathered.get("b"), return_exceptions=True)

    assert [type(error) for error in told] == [ConnectionError, ConnectionError]


async def test_given_somebody_who_left_when_the_read_ends_then_the_others_are_answered(store: CountingStore) -> None:
    gathered = GatheredTasks(store)
    gone, waiting = asyncio.create_task(gathered.get("a")), asyncio.create_task(gathered.get("a"))
    await asyncio.sleep(0)
    gone.cancel()

    assert (await waiting).title == "a"
