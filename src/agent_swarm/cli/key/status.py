"""`agent-swarm key status` and `key verify`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.db.addressed import data_dir_option, database_option
from agent_swarm.cli.failures import REFUSED
from agent_swarm.cli.key.working import offline
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import columns, printable

if TYPE_CHECKING:
    from agent_swarm.services.secrets.rotation import KeyChanges
    from agent_swarm.services.secrets.vault import Vault
    from agent_swarm.store.base import Store


@click.command()
@data_dir_option
@database_option
@json_option
@with_client
def status(client: Client, *, data_dir: Path | None, database: str | None, as_json: bool) -> None:
    """Show the keys, by their ids, and what is left to do.

    \b
    Examples:
      agent-swarm key status
      agent-swarm key status --data-dir /var/lib/agent-swarm
    """
    if data_dir is not None or database is not None:
        found = offline(data_dir, database, _status)
    else:
        found = client.get("/api/keys")
    if as_json:
        print_json(found)
    else:
        print_status(found)


@click.command()
@data_dir_option
@database_option
@json_option
@with_client
def verify(client: Client, *, data_dir: Path | None, database: str | None, as_json: bool) -> int:
    """Open everything that is encrypted.

    Exits 1 where something cannot be opened, and names it.

    \b
    Examples:
      agent-swarm key verify
      agent-swarm key verify --database sqlite:backup.sqlite
    """
    if data_dir is not None or database is not None:
        found = offline(data_dir, database, _verify)
    else:
        found = client.post("/api/keys/verify")
    if as_json:
        print_json(found)
    else:
        for one in found["unreadable"]:
            say(f"cannot be opened: {printable(one['name'])}: {one['why']}", to_errors=True)
        opened = found["values"] - found["unreadableCount"]
        say(f"{opened} of {found['values']} values opened, with {found['dataKeys']} data keys")
    return REFUSED if found["unreadableCount"] else 0


def print_status(found: Json) -> None:
    """The keys, for people."""
    lines = [("master key", f"{found['masterKeyId'] or 'none'}  {found['masterKeyPlace']}".rstrip())]
    if found["nextMasterKeyId"]:
        lines.append(("next", found["nextMasterKeyId"]))
    if found["toDo"]:
        lines.append(("to do", found["toDo"]))
    for line in columns(("", ""), lines)[1:]:
        say(line)
    say("")
    rows = [
        (key["id"], str(key["version"]), "active" if key["isActive"] else "retired", str(key["values"]))
        for key in found["dataKeys"]
    ]
    print_table(("DATA KEY", "VERSION", "STATE", "VALUES"), rows, empty="no data key: nothing is encrypted yet")


async def _status(_store: "Store", _vault: "Vault", changes: "KeyChanges") -> Json:
    from agent_swarm.services import views

    return views.key_status(await changes.status()).model_dump(by_alias=True, mode="json")


async def _verify(_store: "Store", _vault: "Vault", changes: "KeyChanges") -> Json:
    from agent_swarm.protocol.limits import PAGE_MAX
    from agent_swarm.services import views

    return views.key_report(await changes.verify(), limit=PAGE_MAX).model_dump(by_alias=True, mode="json")
