"""`agent-swarm config rm`, also for what nothing opens any more; that needs no server, and none may run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.config.scopes import GLOBAL, Scoped, scope_option
from agent_swarm.cli.config.showing import named, place_of
from agent_swarm.cli.db.addressed import data_dir_option, database_option
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable

if TYPE_CHECKING:
    from agent_swarm.services.secrets.lost import Lost

CONFIG = "config rm --undecryptable"


@click.command()
@click.argument("key", required=False)
@scope_option
@click.option("--undecryptable", is_flag=True, help="Remove all values that cannot be opened; stop the server first.")
@data_dir_option
@database_option
@click.option("--yes", is_flag=True, help="Do not ask before values that cannot be opened are removed.")
@json_option
@with_client
def rm(
    client: Client,
    *,
    key: str | None,
    scope: Scoped | None,
    undecryptable: bool,
    data_dir: Path | None,
    database: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove a value, or whatever cannot be decrypted.

    --undecryptable is for the case that the encryption key is lost: it works on the data directory, or on --database,
    while no server runs, opens what the keys at hand open, and removes the rest. Keys that sign tokens of sessions
    are among it: who was logged in logs in again, and the first log-in makes a new one.

    \b
    Examples:
      agent-swarm config rm NODE_ENV --scope project:shop
      agent-swarm config rm --undecryptable --data-dir /var/lib/agent-swarm
    """
    if undecryptable == (key is not None):
        raise click.UsageError("give a key, or --undecryptable")
    if undecryptable:
        _remove_undecryptable(data_dir, database, is_sure=yes or not sys.stdin.isatty(), as_json=as_json)
        return
    if data_dir is not None or database is not None:
        raise click.UsageError("--data-dir and --database are for --undecryptable")
    assert key is not None
    found = named(client, key, scope or GLOBAL)
    if found is None:
        raise CommandFailed(f"nothing is stored under {key} there", hint="see: agent-swarm config list")
    removed = client.delete(f"/api/config/{found['id']}")
    if as_json:
        print_json(removed)
    else:
        say(f"removed {printable(removed['key'])}  {printable(place_of(removed))}")


def _remove_undecryptable(data_dir: Path | None, database: str | None, *, is_sure: bool, as_json: bool) -> None:
    from agent_swarm.cli.offline import alone_with

    with alone_with(data_dir, database, purpose=CONFIG) as (settings, run):
        from agent_swarm.services.secrets.lost import find_lost, remove_lost
        from agent_swarm.store.base import Store
        from agent_swarm.vault.finding import find_keys

        keys = find_keys(settings.key_sources)

        async def look(store: Store) -> "Lost":
            return await find_lost(store, keys)

        async def remove(store: Store) -> int:
            return await remove_lost(store, lost, actor="operator")

        lost = run(look)
        if lost.values and not is_sure:
            click.confirm(f"Remove {len(lost.values)} values that cannot be opened, for good?", abort=True, err=True)
        run(remove)
    _tell(lost, as_json=as_json)


def _tell(lost: "Lost", *, as_json: bool) -> None:
    if as_json:
        removed = [{"name": one.sealed.shown, "why": one.why} for one in lost.values]
        print_json({"removed": removed, "dataKeys": [key.id for key in lost.data_keys]})
        return
    for one in lost.values:
        say(f"removed {printable(one.sealed.shown)}: {one.why}")
    if lost.ends_sessions:
        say("who was logged in has to log in again", to_errors=True)
    say(f"{len(lost.values)} values and {len(lost.data_keys)} data keys removed", to_errors=True)
