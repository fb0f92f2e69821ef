"""Life cycles on the store alone: create, claim, start, progress, complete, through the batcher, no network.

The stores take turns. `one after the other` shows the price of a lone operation, 64 and 200 at once that of a batch.
"""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path

from agent_swarm.domain import commands
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.opening import MEMORY, open_store
from agent_swarm.store.records import AgentRecord, TaskSpec, TokenKind
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import token
from benchmarks import statements, workplace
from benchmarks.figures import median
from benchmarks.report import Row, row
from benchmarks.scale import Scale

LEASE = 30 * SECOND
Opening = Callable[[], AbstractAsyncContextManager[BatchingStore]]


def measure(scale: Scale) -> list[Row]:
    """Rates by store and by how many life cycles go on at once; the ratio is to the memory store."""
    with ExitStack() as stack:
        openings: dict[str, Opening] = {"memory": lambda: open_store(MEMORY)}
        url = ""
        path = stack.enter_context(workplace.folder()) / "store.sqlite"
        openings["SQLite"] = lambda: open_store(path)
        if postgres.binaries() is not None:
            url = stack.enter_context(postgres.database(stack.enter_context(postgres.server(durable=True))))
            openings["PostgreSQL"] = lambda: open_store(url)
        found = asyncio.run(_rounds(openings, scale))
        bare = _bare(path.parent, url, scale.of(2.0, 0.4))
    return [
        *(line for at_once in scale.of((1, 64, 200), (1, 64)) for line in _rows(at_once, list(openings), found)),
        *_beside_bare(bare, found, scale.of(200, 64)),
    ]


def _bare(folder: Path, url: str, seconds: float) -> dict[str, float]:
    """Life cycles per second of the bare statement loop, by database."""
    with ExitStack() as stack:
        loops = {"SQLite": stack.enter_context(statements.on_sqlite(folder))}
        if url:
            loops["PostgreSQL"] = stack.enter_context(statements.on_postgres(url))
        return {name: statements.rate(apply, seconds) for name, apply in loops.items()}


def _beside_bare(bare: dict[str, float], found: dict[tuple[str, int], list[float]], at_once: int) -> list[Row]:
    return [
        row(
            f"life cycles by bare statements, {name}, 200 at once (ratio: the store's ÷ these)", rate, "/s", ratio=share
        )
        for name, rate in bare.items()
        for share in (median(found[name, at_once]) / rate,)
    ]


def _rows(at_once: int, names: list[str], found: dict[tuple[str, int], list[float]]) -> list[Row]:
    rates = {name: median(found[name, at_once]) for name in names}
    how = "one after the other" if at_once == 1 else f"{at_once} at once"
    return [
        row(f"life cycles on the store, {name}, {how}", rates[name], "/s", ratio=rates[name] / rates["memory"])
        for name in names
    ]


async def _rounds(openings: dict[str, Opening], scale: Scale) -> dict[tuple[str, int], list[float]]:
    """Each store is opened for its turn alone: what one keeps in memory would slow the others down."""
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(scale.of(3, 1)):
        for at_once in scale.of((1, 64, 200), (1, 64)):
            for name, opening in openings.items():
                async with opening() as store:
                    crew = await asyncio.gather(*(agent(store) for _ in range(at_once)))
                    rate = await _rate(store, crew, seconds=scale.of(1.0, 0.4))
                found.setdefault((name, at_once), []).append(rate)
                gc.collect()
    return found


async def _rate(store: BatchingStore, crew: list[AgentRecord], *, seconds: float) -> float:
    """Whole life cycles per second, each agent with one after the other."""
    until, done = time.perf_counter() + seconds, itertools.count()

    async def work(agent: AgentRecord) -> None:
        while time.perf_counter() < until:
            await live(store, agent)
            next(done)

    since = time.perf_counter()
    await asyncio.gather(*(work(agent) for agent in crew))
    return next(done) / (time.perf_counter() - since)


async def live(store: BatchingStore, agent: AgentRecord) -> None:
    """One life cycle."""
    spec = TaskSpec(id=new_id(), title="a task", prompt="Do what has to be done, then say so.")
    await store.apply(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="operator"))
    claimed = await store.apply(
        ops.ClaimTask(
            claim_id=new_id(),
            agent_id=agent.profile.id,
            instance_id=agent.instance_id,
            class_ids=(1,),  # the only one here
            lease=LEASE,
            token=token(TokenKind.ATTEMPT),
        )
    )
    assert claimed is not None  # somebody created it before claiming
    task_id, fence = claimed.task.spec.id, claimed.task.state.fence
    await store.apply(ops.TaskCommand(command=commands.Start(task_id=task_id, fence=fence), actor="bench"))
    await store.apply(ops.ReportProgress(task_id=task_id, fence=fence, text="half way", actor="bench"))
    ending = commands.Complete(task_id=task_id, fence=fence, digest="done")
    await store.apply(ops.TaskCommand(command=ending, actor="bench"))


async def agent(store: BatchingStore) -> AgentRecord:
    """A registered agent."""
    made = AgentRecord(profile=AgentProfile(id=new_id()), name="bench", instance_id=new_id())
    await store.apply(ops.RegisterAgent(agent=made, token=token(TokenKind.AGENT, agent_id=made.profile.id)))
    return made
