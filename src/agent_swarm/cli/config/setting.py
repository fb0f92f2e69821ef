"""`agent-swarm config set`."""

from pathlib import Path

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.config.scopes import GLOBAL, Scoped, scope_option
from agent_swarm.cli.config.showing import named, place_of
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable
from agent_swarm.cli.typed_values import from_env_option, from_file_option, quiet_value


@click.command("set")
@click.argument("key")
@click.argument("value", required=False)
@click.option("--secret/--plain", "is_secret", default=None, help="Encrypt it; default: as it is stored, else plain.")
@scope_option
@from_file_option
@from_env_option
@json_option
@with_client
def set_value(
    client: Client,
    *,
    key: str,
    value: str | None,
    is_secret: bool | None,
    scope: Scoped | None,
    from_file: Path | None,
    from_env: str | None,
    as_json: bool,
) -> None:
    """Store a value, or a secret.

    A secret never stands on the command line: it comes from standard input, a prompt, a file or a variable.

    \b
    Examples:
      agent-swarm config set NODE_ENV test --scope project:shop
      agent-swarm config set GITHUB_TOKEN --secret                      (asks for it)
      pass show github | agent-swarm config set GITHUB_TOKEN --secret
      agent-swarm config set DEPLOY_KEY --secret --from-file ~/.ssh/deploy --scope project:shop
    """
    scope = scope or GLOBAL
    if value is not None:
        if from_file is not None or from_env is not None:
            raise click.UsageError("give the value itself, or where to read it, not both")
        before = named(client, key, scope)
        if is_secret or (is_secret is None and before is not None and before["isSecret"]):
            raise CommandFailed(
                f"{key} is a secret, and other users of this machine can read what stands on a command line",
                hint=f"leave the value out and type it, or: … | agent-swarm config set {key} --secret",
            )
    text = value if value is not None else quiet_value(f"value of {key}", from_file=from_file, from_env=from_env)
    body = {**scope.fields, "key": key, "value": text, **({} if is_secret is None else {"isSecret": is_secret})}
    stored = client.put("/api/config", body)
    if as_json:
        print_json(stored)
        return
    kind = "secret, encrypted" if stored["isSecret"] else "plain"
    say(f"{printable(stored['key'])}  {printable(place_of(stored))}  {kind}")
    note = {
        "environment": "agents that start from now on have it in their environment",
        "setting": "the server reads it at its next start",
        "none": "it is stored; it does not reach agents",
    }[stored["use"]]
    say(note, to_errors=True)
