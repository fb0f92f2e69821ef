"""A history with checkpoints in a real database, and hands that change it behind everybody's back."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from agent_swarm.audit import sources
from agent_swarm.audit.chain import COLUMNS, EventRow
from agent_swarm.audit.checking import LAG, Check, Evidence
from agent_swarm.audit.findings import Report
from agent_swarm.audit.key_file import KeyFile, present
from agent_swarm.audit.keys import PublicKey
from agent_swarm.audit.ledger import Ledger
from agent_swarm.domain.ids import new_id
from agent_swarm.services.notary import Notary
from agent_swarm.store import operations as ops
from agent_swarm.store.address import DatabaseAddress, SqliteAddress, url_of
from agent_swarm.store.base import Store
from agent_swarm.store.events import GENESIS, id_of, link_of
from agent_swarm.store.opening import open_store
from agent_swarm.store.records import ProjectRecord, TaskSpec
from agent_swarm.store.sql import reaching, tables

SEQ, ID, DATA, HASH = 0, 1, 9, 11
TITLES = ("plain", "größe 𝄞", 'a "quoted" \\ one', "x" * 300, "\t\x7f\u2028")


def notary_of(store: Store, folder: Path) -> Notary:
    """A notary with a key, a file and archives of its own in `folder`."""
    return Notary(store, keys=KeyFile(folder / "audit-key"), ledger=Ledger(folder / "checkpoints.jsonl"), folder=folder)


async def file_tasks(store: Store, number: int) -> None:
    """As many events."""
    for index in range(number):
        spec = TaskSpec(id=new_id(), title=TITLES[index % len(TITLES)], prompt="do it", labels=("a", "b"))
        await store.apply(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="operator"))


async def add_project(store: Store, name: str, actor: str = "operator") -> None:
    """One event."""
    project = ProjectRecord(id=new_id(), name=name, repo_url="/somewhere")
    await store.apply(ops.CreateProject(project=project, actor=actor))


def with_notary(address: DatabaseAddress, folder: Path, act: Callable[[Store, Notary], Awaitable[None]]) -> None:
    """Have `act` work on the database as a server would."""

    async def run() -> None:
        async with open_store(url_of(address), synchronous="normal") as store:
            notary = notary_of(store, folder)
            await notary.open()
            await act(store, notary)

    asyncio.run(run())


async def grow(store: Store, notary: Notary) -> None:
    """Six checkpoints over 60 events, a key that is replaced on the way, and 5 events after the last checkpoint."""
    await notary.checkpoint()
    for step in range(5):
        await file_tasks(store, 11)
        await notary.checkpoint()
        if step == 2:
            await notary.replace_key(actor="operator")
    await file_tasks(store, 5)


def checked(address: DatabaseAddress, folder: Path, *, keys: Sequence[PublicKey] = (), **options: Any) -> Report:
    """What a check says, by the file of checkpoints in `folder`; by the server's own key where none is named."""
    own = () if keys else present(folder / "audit-key")
    lag = LAG if isinstance(address, SqliteAddress) else None
    lines = Ledger(folder / "checkpoints.jsonl").lines()
    with sources.opened(address) as database:
        check = Check(Evidence(lines=lines, keys=tuple(keys), own=own, lag=lag))
        return check.of_database(database, archive_folder=folder / "archives", **options)


@dataclass(frozen=True)
class State:
    """What a forger can write: the rows of events, and where the chain is said to end."""

    rows: tuple[EventRow, ...]
    head: tuple[int, str]


def read_state(address: DatabaseAddress) -> State:
    """All of it, as it is stored."""
    with sources.opened(address) as database:
        return State(tuple(database.rows(0)), (database.head.seq, database.head.hash))


def write_state(address: DatabaseAddress, state: State) -> None:
    """Put this in its place, whatever it is; the keys that keep numbers apart go where they are in the way."""
    marks = {"sqlite": "?", "postgresql": "%s"}
    names = ", ".join(COLUMNS)
    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        kind = connection.dialect.name
        connection.exec_driver_sql("DELETE FROM event")
        if kind == "postgresql":
            connection.exec_driver_sql("ALTER TABLE event DROP CONSTRAINT IF EXISTS pk_event")
        places = ", ".join([marks[kind]] * len(COLUMNS))
        if state.rows:
            connection.exec_driver_sql(f"INSERT INTO event ({names}) VALUES ({places})", list(state.rows))
        connection.execute(tables.event_head.update().values(seq=state.head[0], hash=state.head[1]))


def changed(row: EventRow, **values: Any) -> EventRow:
    """The row with other values, by column."""
    return tuple(values.get(name, value) for name, value in zip(COLUMNS, row, strict=True))


def rechained(rows: Sequence[EventRow], *, start: int = 1, previous: str = GENESIS) -> State:
    """The rows with numbers, hashes and ids that fit: what somebody makes who knows how it is done."""
    made: list[EventRow] = []
    for seq, row in enumerate(rows, start=start):
        previous = link_of(previous, seq, *row[2:9], orjson.loads(row[DATA]))
        made.append(changed(row, seq=seq, id=id_of(previous), hash=previous))
    return State(tuple(made), (made[-1][SEQ], previous) if made else (start - 1, previous))


def signed_seqs(folder: Path) -> list[int]:
    """The events that have a checkpoint."""
    return sorted({json.loads(line)["seq"] for line in Ledger(folder / "checkpoints.jsonl").lines()})


def copied(address: DatabaseAddress, folder: Path, to: Path) -> tuple[DatabaseAddress, Path]:
    """The same once more, to be spoilt."""
    shutil.copytree(folder, to)
    assert isinstance(address, SqliteAddress)
    path = to / "swarm.sqlite"
    shutil.copy(address.path, path)
    return replace(address, path=path), to
