"""`agent-swarm import desplega`."""

import os
import sys
from pathlib import Path

import click

from agent_swarm.cli.address import server_data_dir
from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.importing.told import tell
from agent_swarm.cli.options import json_option

VARIABLE = "SECRETS_ENCRYPTION_KEY"
FILE_NAME = ".encryption-key"


@click.command()
@click.argument("source", metavar="DB", type=click.Path(path_type=Path))
@click.option("--key-file", type=click.Path(path_type=Path), help="A file with the key of that swarm's secrets.")
@click.option("--key", type=click.Choice(["-"]), help="Ask for the key, or read it from standard input.")
@database_option
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
@env_file_option
def desplega(
    source: Path,
    key_file: Path | None,
    key: str | None,
    database: str | None,
    data_dir: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import a desplega-ai/agent-swarm database.

    DB is its agent-swarm-db.sqlite. Agents, repositories and tasks that have not ended are imported; schedules and
    workflows go to the report file. Without --key-file and --key the key comes from SECRETS_ENCRYPTION_KEY, from the
    file that SECRETS_ENCRYPTION_KEY_FILE names, or from the file .encryption-key beside DB. A key that is wrong, or
    missing although there are encrypted secrets, is refused before anything is written.

    \b
    Examples:
      agent-swarm import desplega old/agent-swarm-db.sqlite --dry-run
      agent-swarm import desplega old/agent-swarm-db.sqlite --key-file old/.encryption-key
      agent-swarm import desplega old/agent-swarm-db.sqlite --key - < key
    """
    address = chosen(database, data_dir)
    from agent_swarm.importing.carrying_out import import_into
    from agent_swarm.importing.desplega.database import read_tables
    from agent_swarm.importing.desplega.rows import understood

    foreign = understood(read_tables(source), key_for(source, key_file, asked=key is not None))
    tell(import_into(address, data_dir or server_data_dir(), foreign, source=source, dry_run=dry_run), as_json=as_json)


def key_for(source: Path, key_file: Path | None, *, asked: bool) -> bytes | None:
    """The key that was named, or the one that lies beside the database; never from the command line itself."""
    from agent_swarm.vault.keys import parse_key

    if asked:
        typed = click.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        return parse_key(typed, place="what was typed").material
    if key_file is None and (text := os.environ.get(VARIABLE, "").strip()):
        return parse_key(text, place=VARIABLE).material
    named = key_file or (Path(path) if (path := os.environ.get(f"{VARIABLE}_FILE", "").strip()) else None)
    beside = source.with_name(FILE_NAME)
    found = named or (beside if beside.is_file() else None)
    return None if found is None else parse_key(_content(found), place=str(found)).material


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as exc:
        raise CommandFailed(f"the key cannot be read from {path}: {exc.strerror}", hint="check --key-file") from exc
