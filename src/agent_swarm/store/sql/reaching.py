"""Databases as commands reach for them: by an address, never making one, and telling what is wrong in a sentence.

Servers open theirs by `opening`, which makes what is not there.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from agent_swarm.store.address import DatabaseAddress, PostgresAddress, SqliteAddress
from agent_swarm.store.sql.file_lock import holder_of
from agent_swarm.store.sql.postgres_connections import PROGRAM, SERVER, DatabaseUnreachableError, connections

_BUSY_SECONDS = 10  # somebody may look at the file with a tool
_CONNECT_SECONDS = 10
_QUERY_ONLY: Final = "PRAGMA query_only=ON"
_READ_ONLY: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@contextmanager
def reading(address: DatabaseAddress, *, purpose: str) -> Iterator[sa.Connection]:
    """A connection in one read-only transaction, which sees one moment and changes nothing."""
    with _told(address):
        engine = _engine(address, purpose, begin="BEGIN", pragmas=(_QUERY_ONLY,), **_READ_ONLY)
        try:
            with engine.connect() as connection, connection.begin():
                yield connection
        finally:
            engine.dispose()


@contextmanager
def writing(address: DatabaseAddress, *, purpose: str, pragmas: tuple[str, ...] = ()) -> Iterator[sa.Engine]:
    """Connections that may write; `pragmas` are for SQLite, whose file has to be there."""
    with _told(address):
        engine = _engine(address, purpose, begin="BEGIN IMMEDIATE", pragmas=pragmas)
        try:
            yield engine
        finally:
            engine.dispose()


def servers_on(address: DatabaseAddress, connection: sa.Connection) -> tuple[str, ...]:
    """Who has the database open as a server: `process 4242`, or `host:4242, 5 connections`."""
    if isinstance(address, SqliteAddress):
        holder = holder_of(address.path)
        return () if holder is None else (holder,)
    found = connection.execute(
        sa.text(
            "SELECT application_name, count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND starts_with(application_name, :server) GROUP BY 1 ORDER BY 1"
        ),
        {"server": SERVER},
    )
    return tuple(f"{name.removeprefix(SERVER).strip()}, {number} connections" for name, number in found)


def unreachable(address: DatabaseAddress, reason: str) -> DatabaseUnreachableError:
    """That it cannot be used, for this reason."""
    return DatabaseUnreachableError(
        f"the database {address.shown} cannot be used: {reason}",
        hint="check the address, that the database is there, and that this user may use it",
    )


@contextmanager
def _told(address: DatabaseAddress) -> Iterator[None]:
    """What a driver has to complain of becomes one sentence; none of them quotes a password."""
    try:
        yield
    except sa.exc.DBAPIError as exc:
        raise unreachable(address, _first_line(exc.orig) + _by_whom(address)) from exc
    except OSError as exc:
        raise unreachable(address, exc.strerror or str(exc)) from exc
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] in ("psycopg", "sqlite3"):  # used without SQLAlchemy, for speed
            raise unreachable(address, _first_line(exc)) from exc
        raise


def _by_whom(address: DatabaseAddress) -> str:
    holder = holder_of(address.path) if isinstance(address, SqliteAddress) else None
    return f" ({holder} has it open)" if holder else ""


def _first_line(error: BaseException | None) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _engine(
    address: DatabaseAddress, purpose: str, *, begin: str, pragmas: tuple[str, ...], **options: Any
) -> sa.Engine:
    if isinstance(address, PostgresAddress):
        return connections(
            address.url,
            name=f"{PROGRAM} {purpose}",
            poolclass=sa.pool.NullPool,
            connect_args=_patience(address.url),
            execution_options=options,
        )
    path = address.path
    if not path.is_file():
        reason = "it is a directory; name the file in it" if path.is_dir() else "there is no such file"
        raise unreachable(address, reason)
    engine = sa.create_engine("sqlite://", creator=_opener(path, pragmas), poolclass=sa.pool.NullPool)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _patience(url: str) -> dict[str, int]:
    """libpq waits for ever for a host that does not answer, unless it was told how long."""
    is_told = "connect_timeout=" in url or os.environ.get("PGCONNECT_TIMEOUT")
    return {} if is_told else {"connect_timeout": _CONNECT_SECONDS}


def _opener(path: Path, pragmas: tuple[str, ...]) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={_mode(path, pragmas)}",
            uri=True,
            isolation_level=None,  # transactions are begun by us
            timeout=_BUSY_SECONDS,
            check_same_thread=False,
        )
        for pragma in pragmas:
            connection.execute(pragma).close()
        return connection

    return connect


def _mode(path: Path, pragmas: tuple[str, ...]) -> str:
    """How to open the file so that a reader leaves nothing behind.

    The last connection to close removes the files of the log, if it could write; it would also write into the database
    what a killed server left in the log, so where something is there a reader is opened as one that cannot.
    """
    log = path.with_name(path.name + "-wal")
    is_left = log.exists() and log.stat().st_size > 0
    return "ro" if is_left and _QUERY_ONLY in pragmas else "rw"
