"""The PostgreSQL side: the same engine on two connection pools.

Several servers may write to one database: rows are locked while a batch decides on them, and the head of the event
chain orders the commits.
"""

import os
import socket
from typing import Any, Final

import sqlalchemy as sa

from agent_swarm.store.sql.engine import SqlEngine

READERS = 4
PROGRAM: Final = "agent-swarm"  # begins the application_name of every connection of ours
SERVER: Final = f"{PROGRAM} server"  # and of those that servers keep
_NAME_BYTES = 63  # of an application_name


class PostgresEngine(SqlEngine):
    """An `Engine` on a PostgreSQL database; `url` is `postgresql://user@host/database`, and as libpq reads it."""

    def __init__(self, url: str) -> None:
        name = f"{SERVER} {socket.gethostname()}:{os.getpid()}"
        writer = connections(url, name=name, pool_size=1, max_overflow=0, paramstyle="format")
        reader = connections(
            url, name=name, pool_size=READERS, max_overflow=0, execution_options={"postgresql_readonly": True}
        )
        super().__init__(writer, reader)


def connections(url: str, *, name: str, **options: Any) -> sa.Engine:
    """Connections to the database that show as `name` in pg_stat_activity.

    libpq reads the URL, so that all it knows works: several hosts, PGPASSWORD, ~/.pgpass, services.
    """
    engine = sa.create_engine("postgresql+psycopg://", **options)

    def connect(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> Any:
        return dialect.loaded_dbapi.connect(url, **parameters, application_name=name[:_NAME_BYTES])

    sa.event.listen(engine, "do_connect", connect)
    return engine
