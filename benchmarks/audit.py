"""What a history that can be proven costs: life cycles with its chain and signed checkpoints against without, and the
check of a million events by the command.

What is judged is the processor time of what makes the history, measured by itself in the same run, against that of a
life cycle on the store: two stores that take turns differ by less than the neighbours on the machine add to a round.
`without` hashes nothing and signs nothing.
"""

import asyncio
import json
import math
import resource
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from pathlib import Path
from subprocess import run
from unittest import mock

from agent_swarm.audit.chain import COLUMNS
from agent_swarm.audit.key_file import KeyFile
from agent_swarm.audit.ledger import FILE_NAME, Ledger
from agent_swarm.domain.ids import new_id
from agent_swarm.server.checkpoints import Checkpointer
from agent_swarm.services.notary import Notary
from agent_swarm.store import events
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.events import Draft, stored
from agent_swarm.store.opening import open_store
from agent_swarm.store.records import AgentRecord, Event
from benchmarks import processes, workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.store import agent, live

AT_ONCE = 64
EVENTS_PER_LIFE = 5
TRIES, REPEATS = 30, 400
BY_DEFAULT, OFTEN = 10_000, 2_500  # events between checkpoints
VARIANTS: dict[str, int | None] = {"without": None, "with": BY_DEFAULT, "often": OFTEN}
CHUNK = 10_000
COST = at_most(5)


def measure(scale: Scale) -> list[Row]:
    """The share of processor time that the history takes, and how fast it is checked."""
    with workplace.folder() as folder:
        lives = scale.of(1_500, 100)
        found = asyncio.run(_rounds(folder, lives, scale.of(15, 2)))
        signed = asyncio.run(_per_checkpoint(folder / "signing", scale.of(300, 20)))
        checked = _check(folder / "million", scale.of(1_000_000, 20_000))
    life = median(found["without"])
    chained = _per_life(events.chain) - _per_life(_unchained)
    share = chained + signed * EVENTS_PER_LIFE / BY_DEFAULT
    return [
        row("history: CPU of chain and checkpoints ÷ of a life cycle without", 100 * share / life, "%", COST),
        *(
            row(f"history: the same by taking turns, {what}", 100 * (median(found[name]) / life - 1), "%")
            for name, what in (("with", "as by default"), ("often", "a checkpoint every 2,500 events"))
        ),
        row("history: CPU of a life cycle on the store without", life, "µs"),
        row("history: CPU of the chain, five events, above events without", chained, "µs"),
        row("history: CPU of a checkpoint, its operation and file included", signed, "µs"),
        *checked,
    ]


async def _per_checkpoint(place: Path, number: int) -> float:
    """Processor microseconds for a checkpoint, asked for one after the other."""
    async with open_store(place / "store.sqlite") as store:
        notary = await _notary_opened(store, place)
        since = time.process_time()
        for _ in range(number):
            await notary.checkpoint(actor="bench")
        return (time.process_time() - since) / number * 1e6


def _per_life(chain: Callable[..., list[Event]]) -> float:
    """Processor microseconds for the events of one life cycle, at the best of many tries."""
    drafts = list(_drafts(EVENTS_PER_LIFE))
    best = math.inf
    for _ in range(TRIES):
        since = time.process_time()
        for _ in range(REPEATS):
            chain(drafts, seq=0, head=events.GENESIS, at=0)
        best = min(best, (time.process_time() - since) / REPEATS * 1e6)
    return best


async def _rounds(folder: Path, lives: int, rounds: int) -> dict[str, list[float]]:
    """Processor microseconds per life cycle, by variant; one round of each after the other."""
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for number in range(rounds):
        for name, every in VARIANTS.items():
            place = folder / f"{name}-{number}"
            place.mkdir()
            found[name].append(await _once(place, lives, every))
    return found


async def _once(place: Path, lives: int, every: int | None) -> float:
    with mock.patch.object(events, "chain", _unchained) if every is None else nullcontext():
        async with open_store(place / "store.sqlite") as store:
            crew = await asyncio.gather(*(agent(store) for _ in range(AT_ONCE)))
            async with _signing(store, place, every):
                since = time.process_time()
                await asyncio.gather(*(_lives(store, one, lives // AT_ONCE) for one in crew))
                return (time.process_time() - since) / (lives // AT_ONCE * AT_ONCE) * 1e6


def _signing(store: BatchingStore, place: Path, every: int | None) -> AbstractAsyncContextManager[None]:
    if every is None:
        return nullcontext()
    return Checkpointer(store, _notary(store, place), events=every, seconds=300.0).running()


def _notary(store: BatchingStore, place: Path) -> Notary:
    audit = place / "audit"
    return Notary(store, keys=KeyFile(place / "audit-key"), ledger=Ledger(audit / FILE_NAME), folder=audit)


async def _lives(store: BatchingStore, one: AgentRecord, number: int) -> None:
    for _ in range(number):
        await live(store, one)


def _unchained(drafts: Iterable[Draft], *, seq: int, head: str, at: int) -> list[Event]:
    """As `events.chain`, without hashes."""
    return [
        Event(
            seq=number,
            id=f"{number:036d}",
            type=draft.type,
            at=at,
            actor=draft.actor,
            subject_kind=draft.subject_kind,
            subject_id=draft.subject_id,
            task_id=draft.task_id,
            attempt=draft.attempt,
            data=draft.data,
            hash=head,
        )
        for number, draft in enumerate(drafts, start=seq + 1)
    ]


# --- the check --------------------------------------------------------------------------------------------------------


def _check(place: Path, number: int) -> list[Row]:
    """The command on a database with so many events and a checkpoint every CHUNK of them."""
    place.mkdir()
    asyncio.run(_fill(place, number))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    since = time.perf_counter()
    done = run(
        [processes.COMMAND, "audit", "verify", "--data-dir", place, "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - since
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(done.stdout)
    assert report["whole"] and report["events"] == number, report
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        row(f"history: check of {number:,} events by the command", seconds, "s"),
        row("history: the same, events per second of processor time", number / cpu, "/s"),
        row("history: the same, memory at its highest", after.ru_maxrss / 1024, "MiB"),
    ]


async def _fill(place: Path, number: int) -> None:
    """Events as task.completed has them, chained; put in past the store, which would take minutes."""
    path = place / "agent-swarm-db.sqlite"
    async with open_store(path) as store:
        await _notary_opened(store, place)
    seq, head = 0, events.GENESIS
    while seq < number:
        with _opened(path) as connection:
            made = events.chain(_drafts(CHUNK), seq=seq, head=head, at=1_800_000_000_000_000 + seq)
            places = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({places})", map(stored, made))
            seq, head = made[-1].seq, made[-1].hash
            connection.execute("UPDATE event_head SET seq = ?, hash = ?, at = ?", (seq, head, made[-1].at))
        async with open_store(path) as store:
            notary = await _notary_opened(store, place)
            await notary.checkpoint()


async def _notary_opened(store: BatchingStore, place: Path) -> Notary:
    notary = _notary(store, place)
    await notary.open()
    return notary


def _drafts(number: int) -> Iterator[Draft]:
    for _ in range(number):
        task_id = new_id()
        yield Draft(
            type="task.completed",
            actor=f"agent:{task_id}",
            subject_kind="task",
            subject_id=task_id,
            task_id=task_id,
            attempt=1,
            data={"agentId": task_id, "branch": "swarm/one/1", "commit": "0" * 40},
        )


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()
