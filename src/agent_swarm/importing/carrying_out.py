"""Carrying out an import: into a database that no server has open, all of it or nothing.

On SQLite the lock of the file keeps servers away; a PostgreSQL database may have servers on it, which read what was
imported as they read what another server wrote. Not through the API: it would write a part at a time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

from agent_swarm.domain.budgets import NO_CAPS, RootCaps
from agent_swarm.domain.errors import Conflict
from agent_swarm.importing.backup import write_backup
from agent_swarm.importing.entries import EntryStore, plan_entries
from agent_swarm.importing.foreign import Foreign, ForeignEntry
from agent_swarm.importing.plan import Plan
from agent_swarm.importing.planning import planned
from agent_swarm.importing.report import Outcome, outcome, write_report
from agent_swarm.store.address import DatabaseAddress, PostgresAddress, SqliteAddress
from agent_swarm.store.base import Queries
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.sql import migrating
from agent_swarm.store.sql.engine import SqlEngine

Configuration = Callable[[Queries], EntryStore]  # how what is stored is opened, and what is new is sealed


def import_into(
    address: DatabaseAddress,
    data_dir: Path,
    foreign: Foreign,
    *,
    source: Path,
    dry_run: bool = False,
    configuration: Configuration | None = None,
    caps: RootCaps = NO_CAPS,
) -> Outcome:
    """Write what is not there yet; the report file lies in `data_dir`. Raises what opening the database raises.

    `caps` are for every task of it.
    """
    if dry_run:
        plan = _looked_up(address, foreign, configuration)
        return outcome(foreign, plan, source=source, target=address.shown, dry_run=True)
    with _opened(address) as (engine, now):
        plan, plain = engine.read(lambda queries: _planned(foreign, queries, configuration, now, caps))
        database = address.path if isinstance(address, SqliteAddress) else data_dir / "agent-swarm-db"
        made = [write_report(data_dir, foreign, plan), write_backup(database, plain, date.today())]
        try:
            if plan.operations:
                engine.apply_whole(plan.operations, now)
        except BaseException:
            for path in filter(None, made):
                path.unlink(missing_ok=True)
            raise
    done = outcome(foreign, plan, source=source, target=address.shown, dry_run=False)
    return replace(done, report=made[0], backup=made[1])


def _planned(
    foreign: Foreign, queries: Queries, configuration: Configuration | None, now: int, caps: RootCaps = NO_CAPS
) -> tuple[Plan, list[ForeignEntry]]:
    plan = planned(foreign, queries, now=now, caps=caps)
    store = configuration(queries) if configuration else None
    return plan, plan_entries(plan, foreign.entries, store)


def _looked_up(address: DatabaseAddress, foreign: Foreign, configuration: Configuration | None) -> Plan:
    """The plan against what is stored, which is not even migrated for it."""
    now = time.time_ns() // 1_000
    if isinstance(address, SqliteAddress) and not address.path.exists():
        return MemoryEngine().read(lambda queries: _planned(foreign, queries, configuration, now))[0]
    found = migrating.plan(address)
    if found.revision is None:
        return MemoryEngine().read(lambda queries: _planned(foreign, queries, configuration, now))[0]
    if found.is_due:
        raise Conflict(
            f"{address.shown} is at revision {found.revision}, and {found.newest} is the newest",
            hint="migrate it first: agent-swarm db migrate",
        )
    with _opened(address) as (engine, _):
        return engine.read(lambda queries: _planned(foreign, queries, configuration, now))[0]


@contextmanager
def _opened(address: DatabaseAddress) -> Iterator[tuple[SqlEngine, int]]:
    """The engine, and the instant to write at."""
    engine = _engine(address)
    try:
        last = engine.open()
        yield engine, max(last, time.time_ns() // 1_000)
    finally:
        engine.close()


def _engine(address: DatabaseAddress) -> SqlEngine:
    match address:
        case PostgresAddress(url=url):
            from agent_swarm.store.clock import DatabaseClock
            from agent_swarm.store.sql.postgres import PostgresEngine

            return PostgresEngine(url, clock=DatabaseClock())
        case SqliteAddress(path=path):
            from agent_swarm.store.sql.sqlite import SqliteEngine

            return SqliteEngine(path)
