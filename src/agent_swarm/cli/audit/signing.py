"""`agent-swarm audit checkpoint`, `checkpoints`, `key` and `rotate-key`."""

from itertools import islice
from pathlib import Path
from typing import Any

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say


@click.command()
@json_option
@with_client
def checkpoint(client: Client, *, as_json: bool) -> None:
    """Have a checkpoint signed now.

    With --json the field line is what to keep elsewhere, to verify by it later.

    \b
    Examples:
      agent-swarm audit checkpoint
      agent-swarm audit checkpoint --json | jq -r .line >> /mnt/elsewhere/checkpoints.jsonl
    """
    _show(client.post("/api/audit/checkpoint"), as_json=as_json)


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@json_option
@with_client
def checkpoints(client: Client, *, limit: int, as_json: bool) -> None:
    """List the signed checkpoints, newest first.

    \b
    Example:
      agent-swarm audit checkpoints --limit 100
    """
    pages = client.pages("/api/audit/checkpoints")
    found = list(islice((one for page in pages for one in page["checkpoints"]), limit))
    if as_json:
        print_json({"checkpoints": found})
        return
    rows = [(one["number"], one["at"], one["seq"], one["keyId"], _what(one)) for one in found]
    print_table(("NUMBER", "TIME", "SEQ", "KEY", ""), rows, empty="nothing has been signed yet")


@click.command()
@json_option
@with_client
def key(client: Client, *, as_json: bool) -> None:
    """Print the public key that checkpoints are signed with.

    Keep it where who can write the database cannot: verify --public-key FILE takes it.

    \b
    Example:
      agent-swarm audit key > audit-key.pub
    """
    found = client.get("/api/audit/key")
    if as_json:
        print_json(found)
    else:
        say(found["pem"].rstrip())


@click.command(name="rotate-key")
@click.option(
    "--public-key",
    "public_key_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A key whose secret you keep; give it to the servers then. Default: a new one of the server.",
)
@json_option
@with_client
def rotate_key(client: Client, *, public_key_file: Path | None, as_json: bool) -> None:
    """Have another key sign from now on.

    The present key signs a checkpoint that introduces the new one, and counts no more for later events. If the present
    key may have leaked, verify by the new public key from then on: agent-swarm audit key.

    \b
    Examples:
      agent-swarm audit rotate-key
      agent-swarm audit rotate-key --public-key new-audit-key.pub
    """
    body: dict[str, Any] = {} if public_key_file is None else {"publicKey": _public_key(public_key_file)}
    _show(client.post("/api/audit/key", body), as_json=as_json)


def _public_key(path: Path) -> str:
    from agent_swarm.cli.extras import require

    require("server")
    from agent_swarm.audit.keys import public_key

    try:
        return public_key(path.read_bytes(), where=str(path)).text
    except OSError as exc:
        raise CommandFailed(f"cannot read {path}: {exc.strerror}", hint="check --public-key FILE") from exc


def _show(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    say(f"checkpoint {made['number']}: event {made['seq']:,} has the hash {made['hash']}")
    if what := _what(made):
        say(what)


def _what(made: dict[str, Any]) -> str:
    archives = made["archives"]
    if archives:
        return f"archives events {archives['fromSeq']:,} to {archives['toSeq']:,}"
    return f"introduces the key {made['introduces']}" if made["introduces"] else ""
