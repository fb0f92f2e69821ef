"""`agent-swarm config get` and `config ls`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.config.scopes import GLOBAL, Scoped, scope_option
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age

HIDDEN = "(secret)"
VALUE_CHARS = 60

show_option = click.option("--show", is_flag=True, help="Show the values of secrets; an event tells of it.")


@click.command()
@click.argument("key")
@scope_option
@show_option
@json_option
@with_client
def get(client: Client, *, key: str, scope: Scoped | None, show: bool, as_json: bool) -> None:
    """Print one value.

    The value alone, so that scripts can use it. A secret needs --show, and a key that may administrate.

    \b
    Examples:
      agent-swarm config get NODE_ENV --scope project:shop
      agent-swarm config get GITHUB_TOKEN --show
    """
    found = named(client, key, scope or GLOBAL, show=show)
    if found is None:
        raise CommandFailed(f"nothing is stored under {key} there", hint="see: agent-swarm config ls")
    if as_json:
        print_json(found)
    elif found["value"] is None:
        hint = "it cannot be opened: agent-swarm key verify" if show else f"agent-swarm config get {key} --show"
        raise CommandFailed(f"{key} is a secret", hint=hint)
    else:
        click.echo(found["value"])  # as it is: this is for programs


@click.command()
@scope_option
@click.option("--resolved", is_flag=True, help="Show what counts, given --project, --swarm and --agent.")
@click.option("--project", help="With --resolved: in this project.")
@click.option("--swarm", help="With --resolved: in this swarm.")
@click.option("--agent", help="With --resolved: for this AGENT_ID.")
@show_option
@json_option
@with_client
def ls(
    client: Client,
    *,
    scope: Scoped | None,
    resolved: bool,
    project: str | None,
    swarm: str | None,
    agent: str | None,
    show: bool,
    as_json: bool,
) -> None:
    """List what is stored, without the values of secrets.

    \b
    Examples:
      agent-swarm config ls
      agent-swarm config ls --scope project:shop
      agent-swarm config ls --resolved --project shop
    """
    if (project or swarm or agent) and not resolved:
        raise click.UsageError("--project, --swarm and --agent are for --resolved; see also --scope")
    secrets = {"includeSecrets": "true"} if show else {}
    if resolved:
        query = {"project": project, "swarm": swarm, "agentId": agent, **secrets}
        entries = client.get("/api/config/resolved", query)["entries"]
    else:
        query = {**(scope.fields if scope else {}), **secrets}
        entries = [entry for page in client.pages("/api/config", query) for entry in page["entries"]]
    if as_json:
        print_json({"entries": entries, "nextCursor": None})
        return
    rows = [
        (entry["key"], place_of(entry), _shown(entry), entry["use"], f"{age(entry['updatedAt'])} ago")
        for entry in entries
    ]
    print_table(("KEY", "SCOPE", "VALUE", "USE", "CHANGED"), rows, empty="nothing is stored")
    if not show and any(entry["isSecret"] for entry in entries):
        say("secrets are hidden; --show shows them", to_errors=True)


def named(client: Client, key: str, scope: Scoped, *, show: bool = False) -> Json | None:
    """The entry under this key at this place; None where there is none."""
    query = {**scope.fields, "key": key, **({"includeSecrets": "true"} if show else {})}
    found = [entry for entry in client.get("/api/config", query)["entries"] if entry["scope"] == scope.scope]
    return found[0] if found else None


def place_of(entry: Json) -> str:
    """Where an entry counts, as `--scope` takes it."""
    return f"{entry['scope']}:{entry['scopeId']}" if entry["scopeId"] else str(entry["scope"])


def _shown(entry: Json) -> str:
    if entry["value"] is None:
        return HIDDEN
    text = entry["value"].replace("\n", "⏎")
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}…"
