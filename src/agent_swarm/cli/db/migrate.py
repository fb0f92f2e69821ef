"""`agent-swarm db migrate`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say

if TYPE_CHECKING:
    from agent_swarm.store.sql.migrating import Migration


@click.command()
@database_option
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
@env_file_option
def migrate(database: str | None, data_dir: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Bring a database to the newest revision.

    A server does the same at its start; this does it while none runs. An SQLite file is copied beside itself first.
    A PostgreSQL database is not: make a backup with pg_dump. What is interrupted leaves the database as it was.

    \b
    Examples:
      agent-swarm db migrate --dry-run
      agent-swarm db migrate --data-dir /var/lib/agent-swarm
      agent-swarm db migrate --database @/etc/agent-swarm/database
    """
    address = chosen(database, data_dir)
    from agent_swarm.store.address import PostgresAddress
    from agent_swarm.store.sql import migrating

    done = migrating.plan(address) if dry_run else migrating.migrate(address)
    if as_json:
        print_json(
            {
                "database": address.shown,
                "revision": done.revision,
                "newestRevision": done.newest,
                "steps": [{"revision": step.revision, "title": step.title} for step in done.steps],
                "backup": str(done.backup) if done.backup else None,
                "changed": done.is_due and not dry_run,
            }
        )
    else:
        _print(address.shown, done, dry_run=dry_run, advise_backup=dry_run and isinstance(address, PostgresAddress))


def _print(shown: str, done: "Migration", *, dry_run: bool, advise_backup: bool) -> None:
    if not done.is_due:
        say(f"{shown} is at {done.newest}, the newest revision")
        return
    would = "would be " if dry_run else ""
    if done.revision is None:
        say(f"{shown} {'is' if dry_run else 'was'} empty: its tables {would or 'were '}made, at revision {done.newest}")
        return
    for step in done.steps:
        say(f"{step.revision}  {step.title}")
    say(f"{shown}: {would}migrated from {done.revision} to {done.newest}")
    if done.backup:
        say(f"as it was before: {done.backup}")
    elif advise_backup:
        say("make a backup first: pg_dump --format=custom", to_errors=True)
