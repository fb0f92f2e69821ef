"""`agent-swarm auth claude`, `auth codex` and `auth rm`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable
from agent_swarm.cli.typed_values import quiet_value

KINDS = ("claude", "codex")
FIRST = "main"

_file = click.argument("file", required=False, type=click.Path(path_type=Path))
_name = click.option("--name", default=FIRST, show_default=True, help="What to call it, where there are several.")


def _importing(kind: str) -> Callable[..., None]:
    def run(client: Client, *, file: Path | None, name: str, as_json: bool) -> None:
        from agent_swarm.harness.registry import AGENT_CLIS

        path = file or AGENT_CLIS[kind].own_login(os.environ)
        text = quiet_value(f"file of {AGENT_CLIS[kind].title}", from_file=path, from_env=None)
        stored = client.put(_path(kind, name), {"file": text})
        if as_json:
            print_json(stored)
            return
        ends = f", until {stored['expiresAt']}" if stored["expiresAt"] else ""
        say(f"{kind} {printable(stored['name'])}  {stored['state']}{ends}")
        if stored["isRefreshed"]:
            say(
                f"the server refreshes it from now on: log {AGENT_CLIS[kind].program} out on this machine, or in again "
                "with another session, as its refresh token counts once",
                to_errors=True,
            )
        else:
            say("it holds no refresh token: import it again before it runs out", to_errors=True)

    return run


def _path(kind: str, name: str) -> str:
    return f"/api/accounts/{kind}/{quote(name, safe='')}"


@click.command()
@_file
@_name
@json_option
@with_client
def claude(client: Client, /, **given: Any) -> None:
    """Import an account of Claude Code.

    FILE is by default its own, ~/.claude/.credentials.json.

    \b
    Examples:
      agent-swarm auth claude
      agent-swarm auth claude team-2.json --name team-2
      ssh build cat .claude/.credentials.json | agent-swarm auth claude - --name build
    """
    _importing("claude")(client, **given)


@click.command()
@_file
@_name
@json_option
@with_client
def codex(client: Client, /, **given: Any) -> None:
    """Import an account of Codex.

    FILE is by default its own, ~/.codex/auth.json.

    \b
    Examples:
      agent-swarm auth codex
      agent-swarm auth codex team-2.json --name team-2
    """
    _importing("codex")(client, **given)


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", default=FIRST)
@with_client
def remove(client: Client, *, kind: str, name: str) -> None:
    """Forget an account.

    What its tokens allow stays allowed until its provider is told, or they run out.

    \b
    Examples:
      agent-swarm auth rm claude
      agent-swarm auth rm codex team-2
    """
    client.delete(_path(kind, name))
    say(f"{kind} {printable(name)} is forgotten; to end its sessions, log out at its provider")
