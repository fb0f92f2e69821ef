"""Which database a command works on, and how its address gets here without a password on the command line.

`--database`, else AGENT_SWARM_DATABASE_URL, else `database_url` in the server's config.toml, else the SQLite file of
the data directory. Wherever an address is typed, @FILE reads it from a file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm import config
from agent_swarm.cli.address import server_data_dir
from agent_swarm.cli.extras import require
from agent_swarm.cli.output import say

if TYPE_CHECKING:
    from agent_swarm.store.address import DatabaseAddress

VARIABLE = "AGENT_SWARM_DATABASE_URL"
FILE_NAME = "agent-swarm-db.sqlite"

database_option = click.option(
    "--database",
    metavar="ADDRESS|@FILE",
    help=f"Default {VARIABLE}, then the SQLite file of the data directory.",
)
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Default DATA_DIR, then ~/.agent-swarm/server."
)


def chosen(database: str | None, data_dir: Path | None, environ: Mapping[str, str] | None = None) -> "DatabaseAddress":
    """The one database of a command; raises DatabaseAddressError, or CommandFailed where a part is not installed."""
    if database is not None:
        return typed(database, "--database")
    from agent_swarm.store.address import SqliteAddress, parse

    environ = os.environ if environ is None else environ
    folder = data_dir or server_data_dir(environ)
    toml = config.toml_section(folder / "config.toml", "server")
    named = environ.get(VARIABLE, "").strip() or str(toml.get("database_url", "")).strip()
    return installed(parse(named) if named else SqliteAddress(folder / FILE_NAME))


def typed(text: str, option: str) -> "DatabaseAddress":
    """What was given to `option`; warns where it shows a password to everybody on this machine."""
    from agent_swarm.store.address import PostgresAddress, parse

    if text.startswith("@"):
        return installed(parse(_content(Path(text[1:]).expanduser(), option)))
    address = parse(text)
    if isinstance(address, PostgresAddress) and address.has_password:
        say(
            f"warning: other users of this machine can read the password given to {option}; put the address into a "
            f"file ({option} @FILE), or the password into ~/.pgpass",
            to_errors=True,
        )
    return installed(address)


def installed(address: "DatabaseAddress") -> "DatabaseAddress":
    """The same, once what it needs is known to be here."""
    from agent_swarm.store.address import PostgresAddress

    require("server")
    if isinstance(address, PostgresAddress):
        require("postgres")
    return address


def _content(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        from agent_swarm.store.address import DatabaseAddressError

        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise DatabaseAddressError(
            f"the address of the database cannot be read from {path}: {reason}", hint=f"check {option} @FILE"
        ) from exc
