"""Making and migrating the tables.

A new database gets the tables as they are now and is stamped with the newest revision; Alembic, which takes long to
import, is used only for a database of an older revision. A test proves that both ways end in the same tables.

Either way it is one transaction: who is killed in the middle of it leaves the database as it was.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from agent_swarm.faults import crash_point
from agent_swarm.store.events import GENESIS
from agent_swarm.store.families.mail import HEAD
from agent_swarm.store.sql import schema_lock, searching, tables, unfinished
from agent_swarm.store.sql.foreign import UnknownSchemaError, not_ours

if TYPE_CHECKING:
    from alembic.config import Config

HEAD_REVISION = "0028"
MIGRATIONS = Path(__file__).parent / "migrations"

_version = sa.table("alembic_version", sa.column("version_num", sa.String))


@dataclass(frozen=True, slots=True)
class Step:
    """A migration that is due, and what it does."""

    revision: str
    title: str


def prepare(engine: sa.Engine) -> None:
    """Bring the database to HEAD_REVISION.

    Raises UnknownSchemaError for one that is newer or not ours, UnfinishedCopyError for half a copy, SchemaBusyError
    where others take too long.
    """
    with engine.begin() as connection:
        if revision_of(connection) == HEAD_REVISION:
            return
    with engine.begin() as connection:
        schema_lock.wait_for_turn(connection)
        bring_to_head(connection)


def bring_to_head(connection: sa.Connection) -> None:
    """Make or migrate the tables in the transaction at hand, whoever may have done it meanwhile."""
    revision = revision_of(connection)
    if revision is None:
        tables.metadata.create_all(connection)
        searching.make(connection)
        crash_point("schema.creating")
        insert_heads(connection)
        stamp(connection)
    elif revision != HEAD_REVISION:
        _migrate(connection, revision)


def revision_of(connection: sa.Connection) -> str | None:
    """The revision a database is at; None for an empty one."""
    names = sa.inspect(connection).get_table_names()
    if unfinished.NAME in names and (beginning := unfinished.marked(connection)):
        raise beginning.refusal()
    if "alembic_version" in names:
        return connection.execute(sa.select(_version)).scalar()
    if names:
        raise not_ours(names)
    return None


def stamp(connection: sa.Connection) -> None:
    """Say that the tables are those of HEAD_REVISION."""
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(sa.insert(_version), {"version_num": HEAD_REVISION})


def insert_heads(connection: sa.Connection) -> None:
    """The rows from which the chain of events and the numbers of messages start: whoever goes on locks them."""
    connection.execute(sa.insert(tables.event_head), {"id": 1, "seq": 0, "hash": GENESIS, "at": 0, "epoch": 0})
    connection.execute(sa.insert(tables.message_head), {"name": HEAD, "number": 0})


def steps_from(revision: str) -> tuple[Step, ...]:
    """The migrations from there to HEAD_REVISION, in order; raises UnknownSchemaError where there is no way."""
    from alembic.script import ScriptDirectory

    if revision == HEAD_REVISION:
        return ()
    scripts = ScriptDirectory.from_config(alembic_config())
    way = list(scripts.walk_revisions("base", HEAD_REVISION))
    known = [script.revision for script in way]
    if revision not in known:
        raise UnknownSchemaError(
            f"the database is at revision {revision}, which this version does not know (newest: {HEAD_REVISION})",
            hint="install a newer version of agent-swarm, or restore the backup made before the upgrade",
        )
    due = reversed(way[: known.index(revision)])
    return tuple(Step(script.revision, (script.doc or "").strip()) for script in due)


def _migrate(connection: sa.Connection, revision: str) -> None:
    from alembic import command

    steps_from(revision)
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD_REVISION)


def alembic_config() -> "Config":
    """Alembic's configuration for our migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
