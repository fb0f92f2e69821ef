"""The PostgreSQL side: the same engine on two connection pools.

Several servers may write to one database: rows are locked while a batch decides on them, and the head of the event
chain orders the commits.
"""

import sqlalchemy as sa

from agent_swarm.store.sql.engine import SqlEngine

READERS = 4


class PostgresEngine(SqlEngine):
    """An `Engine` on a PostgreSQL database; `url` is `postgresql://user@host/database`."""

    def __init__(self, url: str) -> None:
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        writer = sa.create_engine(address, pool_size=1, max_overflow=0, paramstyle="format")
        reader = sa.create_engine(
            address, pool_size=READERS, max_overflow=0, execution_options={"postgresql_readonly": True}
        )
        super().__init__(writer, reader)
