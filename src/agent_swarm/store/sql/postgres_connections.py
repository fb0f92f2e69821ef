"""Connections to PostgreSQL that say whose they are; importing this needs no driver."""

from typing import Any, Final

import sqlalchemy as sa

from agent_swarm.domain.errors import SwarmError

PROGRAM: Final = "agent-swarm"  # begins the application_name of every connection of ours
SERVER: Final = f"{PROGRAM} server"  # and of those that servers keep
_NAME_BYTES = 63  # of an application_name


class DatabaseUnreachableError(SwarmError):
    """The database is not there, does not let us in, or stopped answering."""

    code = "databaseUnreachable"


def connections(url: str, *, name: str, **options: Any) -> sa.Engine:
    """Connections to the database that show as `name` in pg_stat_activity.

    libpq reads the URL, so that all it knows works: several hosts, PGPASSWORD, ~/.pgpass, services.
    """
    engine = sa.create_engine("postgresql+psycopg://", **options)

    def connect(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> Any:
        return dialect.loaded_dbapi.connect(url, **parameters, application_name=name[:_NAME_BYTES])

    sa.event.listen(engine, "do_connect", connect)
    return engine
