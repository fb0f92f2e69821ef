"""`agent-swarm key rotate`."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.db.addressed import data_dir_option, database_option
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.key.status import print_status
from agent_swarm.cli.key.working import offline
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.typed_values import from_env_option, from_file_option, quiet_value
from agent_swarm.vault.keys import MasterKey, parse_key

if TYPE_CHECKING:
    from agent_swarm.services.secrets.rotation import KeyChanges
    from agent_swarm.services.secrets.vault import Vault
    from agent_swarm.store.base import Store

ACTOR = "operator"
ASK_SECONDS = 0.2
PATIENCE_SECONDS = 600.0


@click.command()
@from_file_option
@from_env_option
@click.option("--data-key", is_flag=True, help="Also encrypt all values anew, under a new data key.")
@click.option("--only-data-key", is_flag=True, help="Do only that, and keep the master key.")
@click.option("--finish", is_flag=True, help="End a change, once every server has the new key.")
@click.option("--give-up", is_flag=True, help="End a change, and keep the old key.")
@data_dir_option
@database_option
@json_option
@with_client
def rotate(
    client: Client,
    *,
    from_file: Path | None,
    from_env: str | None,
    data_key: bool,
    only_data_key: bool,
    finish: bool,
    give_up: bool,
    data_dir: Path | None,
    database: str | None,
    as_json: bool,
) -> None:
    """Change the master key, the data key, or both.

    A server that keeps its key in <data-dir>/.encryption-key makes a new one and changes the file. One that is given
    its key needs the new one with --from-file (- is standard input) or --from-env, and says what to do next. It goes on
    where it was cut off; nothing has to be stopped.

    \b
    Examples:
      agent-swarm key rotate
      agent-swarm key rotate --data-key
      openssl rand -base64 32 > new.key && agent-swarm key rotate --from-file new.key
      agent-swarm key rotate --finish
      agent-swarm key rotate --data-dir /var/lib/agent-swarm     (no server runs)
    """
    if finish + give_up + only_data_key > 1 or (only_data_key and (from_file or from_env)):
        raise click.UsageError("--finish, --give-up and --only-data-key stand alone")
    wish = Wish(
        new=_new_key(from_file, from_env),
        master=not only_data_key,
        values=data_key or only_data_key,
        ending="finish" if finish else "give-up" if give_up else "",
    )
    if data_dir is not None or database is not None:
        found = offline(data_dir, database, wish.carry_out)
    else:
        found = wish.send(client)
    if as_json:
        print_json(found)
    else:
        print_status(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be changed. `ending` ends a change instead."""

    new: MasterKey | None
    master: bool
    values: bool
    ending: str = ""

    def send(self, client: Client) -> Json:
        """Have the server do it; answers the keys as they then are."""
        if self.ending:
            return client.post(f"/api/keys/{self.ending}")
        new = {"newKey": self.new.text} if self.new else {}
        found = client.post("/api/keys/rotate", {"masterKey": self.master, "dataKey": self.values, **new})
        return _until_resealed(client) if self.values else found

    async def carry_out(self, store: "Store", vault: "Vault", changes: "KeyChanges") -> Json:
        """Do it without a server."""
        from agent_swarm.services import views
        from agent_swarm.services.secrets.resealing import reseal_all

        if self.ending == "finish":
            await changes.finish(actor=ACTOR)
        elif self.ending:
            await changes.give_up(actor=ACTOR)
        else:
            await changes.rotate(self.new, master=self.master, values=self.values, actor=ACTOR)
            await reseal_all(store, vault)
        return views.key_status(await changes.status()).model_dump(by_alias=True, mode="json")


def _new_key(from_file: Path | None, from_env: str | None) -> MasterKey | None:
    """The key that was given, judged here already; None where none was."""
    if from_file is None and from_env is None:
        return None
    place = f"the variable {from_env}" if from_env else str(from_file)
    return parse_key(quiet_value("new key", from_file=from_file, from_env=from_env), place=place)


def _until_resealed(client: Client) -> Json:
    """The keys, once nothing is encrypted with a data key that is retired."""
    told = ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = client.get("/api/keys")
        left = sum(key["values"] for key in found["dataKeys"] if not key["isActive"])
        if len(found["dataKeys"]) == 1:
            return found
        text = f"{left} values left to encrypt anew"
        if text != told:
            say(told := text, to_errors=True)
        time.sleep(ASK_SECONDS)
    raise CommandFailed(
        f"not all values were encrypted anew within {PATIENCE_SECONDS:.0f} s",
        hint="the server goes on with it; see: agent-swarm key status, and agent-swarm key verify",
    )
