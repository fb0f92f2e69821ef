"""`agent-swarm import desplega`."""

import os
import sys
from pathlib import Path

import click

from agent_swarm.cli.address import server_data_dir
from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.importing.sealing import opened_configuration
from agent_swarm.cli.importing.told import tell
from agent_swarm.cli.options import json_option
from agent_swarm.cli.serving import server_settings

VARIABLE = "SECRETS_ENCRYPTION_KEY"
FILE_NAME = ".encryption-key"


def _asked(_: click.Context, __: click.Parameter, given: str | None) -> bool:
    """Whether `--key -` stands there. Anything else is a key by mistake, and is not repeated."""
    if given not in (None, "-"):
        raise click.BadParameter(
            "a key never stands on the command line, which others can read; give - and type or pipe it, or --key-file"
        )
    return given == "-"


@click.command()
@click.argument("source", metavar="DB", type=click.Path(path_type=Path))
@click.option("--key-file", type=click.Path(path_type=Path), help="A file with the key of that swarm's secrets.")
@click.option("--key", metavar="-", callback=_asked, help="Ask for the key, or read it from standard input.")
@database_option
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
@env_file_option
def desplega(
    source: Path,
    key_file: Path | None,
    key: bool,
    database: str | None,
    data_dir: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import a desplega-ai/agent-swarm database.

    DB is its agent-swarm-db.sqlite. Agents, repositories, configuration, schedules and tasks that have not ended are
    imported; workflows go to the report file. Without --key-file and --key that swarm's key is the first that
    opens something: SECRETS_ENCRYPTION_KEY, the file that SECRETS_ENCRYPTION_KEY_FILE names, the file .encryption-key
    beside DB. A key that is wrong, or missing although there are encrypted secrets, is refused before anything is
    written. Secrets are encrypted again with the key of this installation, as `agent-swarm api` finds it.

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
    from agent_swarm.importing.desplega.secrets import fitting_key

    tables = read_tables(source)
    keys = keys_for(source, key_file, asked=key)
    foreign = understood(tables, fitting_key(tables.rows.get("swarm_config", ()), keys))
    configuration = opened_configuration(address, data_dir, dry_run=dry_run) if foreign.entries else None
    done = import_into(
        address,
        data_dir or server_data_dir(),
        foreign,
        source=source,
        dry_run=dry_run,
        configuration=configuration,
        caps=server_settings({"data_dir": data_dir}, None).root_caps,
    )
    tell(done, as_json=as_json)


def keys_for(source: Path, key_file: Path | None, *, asked: bool) -> list[bytes]:
    """The key that was given to the command; else all that may be meant. Never from the command line itself."""
    from agent_swarm.vault.keys import parse_key

    if asked:
        typed = click.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        return [parse_key(typed, place="what was typed").material]
    if key_file is not None:
        return [parse_key(_content(key_file), place=str(key_file)).material]
    found = []
    if text := os.environ.get(VARIABLE, "").strip():
        found.append(parse_key(text, place=VARIABLE).material)
    named, beside = os.environ.get(f"{VARIABLE}_FILE", "").strip(), source.with_name(FILE_NAME)
    files = [*([Path(named)] if named else []), *([beside] if beside.is_file() else [])]
    return [*found, *(parse_key(_content(file), place=str(file)).material for file in files)]


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as exc:
        raise CommandFailed(f"the key cannot be read from {path}: {exc.strerror}", hint="check --key-file") from exc
