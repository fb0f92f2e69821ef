"""Making and migrating the tables.

A new database gets the tables as they are now and is stamped with the newest revision; Alembic, which takes long to
import, is used only for a database of an older revision. A test proves that both ways end in the same tables.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from agent_swarm.domain.errors import SwarmError
from agent_swarm.faults import crash_point
from agent_swarm.store.events import GENESIS
from agent_swarm.store.sql import tables

if TYPE_CHECKING:
    from alembic.config import Config

HEAD_REVISION = "0001"
MIGRATIONS = Path(__file__).parent / "migrations"

_version = sa.table("alembic_version", sa.column("version_num", sa.String))


class UnknownSchemaError(SwarmError):
    """The database was written by another version of the program."""

    code = "unknownSchema"


def prepare(engine: sa.Engine) -> None:
    """Bring the database to HEAD_REVISION; raises UnknownSchemaError for one that is newer or not ours."""
    revision = revision_of(engine)
    if revision is None:
        _create(engine)
    elif revision != HEAD_REVISION:
        _migrate(engine, revision)


def revision_of(engine: sa.Engine) -> str | None:
    """The revision a database is at; None for an empty one."""
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        if "alembic_version" in names:
            return connection.execute(sa.select(_version)).scalar()
        if names:
            raise UnknownSchemaError(
                f"the database holds tables that are not Agent Swarm's: {', '.join(sorted(names)[:5])}",
                hint="point --data-dir at another directory",
            )
        return None


def _create(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        crash_point("schema.creating")
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(sa.insert(_version), {"version_num": HEAD_REVISION})
        insert_head(connection)


def insert_head(connection: sa.Connection) -> None:
    """The one row from which the chain of events starts."""
    connection.execute(sa.insert(tables.event_head), {"id": 1, "seq": 0, "hash": GENESIS, "at": 0, "epoch": 0})


def _migrate(engine: sa.Engine, revision: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision not in known:
        raise UnknownSchemaError(
            f"the database is at revision {revision}, which this version does not know (newest: {HEAD_REVISION})",
            hint="install a newer version of agent-swarm, or restore the backup made before the upgrade",
        )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD_REVISION)


def alembic_config() -> "Config":
    """Alembic's configuration for our migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
