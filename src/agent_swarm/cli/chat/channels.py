"""`agent-swarm chat channels` and `chat create`."""

from urllib.parse import quote

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, one_line, printable


@click.command()
@click.argument("name", required=False)
@click.option("--join", metavar="WHO", help="Have an agent or a user (user:NAME) join it.")
@click.option("--leave", metavar="WHO", help="Have somebody leave it.")
@json_option
@with_client
def channels(client: Client, *, name: str | None, join: str | None, leave: str | None, as_json: bool) -> None:
    """List the channels, or who is in one.

    \b
    Examples:
      agent-swarm chat channels
      agent-swarm chat channels build --join ada
    """
    if name is None:
        if join or leave:
            raise click.UsageError("say which channel")
        _list(client, as_json=as_json)
        return
    path = f"/api/channels/{quote(name.removeprefix('#'), safe='')}/members"
    if join:
        client.put(f"{path}/{quote(join, safe='')}", {})
    if leave:
        client.delete(f"{path}/{quote(leave, safe='')}")
    members = [one for page in client.pages(path) for one in page["members"]]
    if as_json:
        print_json({"members": members, "nextCursor": None})
        return
    rows = [(one["member"], f"{age(one['joinedAt'])} ago") for one in members]
    print_table(("MEMBER", "JOINED"), rows, empty="nobody is in it")


@click.command()
@click.argument("name")
@click.argument("members", nargs=-1, metavar="[MEMBER]...")
@click.option("--about", default="", help="What it is for.")
@json_option
@with_client
def create(client: Client, *, name: str, members: tuple[str, ...], about: str, as_json: bool) -> None:
    """Make a channel.

    Members are agents by name or id, or user:NAME.

    \b
    Example:
      agent-swarm chat create build ada bob --about "the state of the build"
    """
    made = client.post("/api/channels", {"name": name, "description": about, "members": list(members)})
    if as_json:
        print_json(made)
    else:
        say(f"#{printable(made['name'])}")


def _list(client: Client, *, as_json: bool) -> None:
    found = client.items("/api/channels", "channels")
    if as_json:
        print_json({"channels": found, "nextCursor": None})
        return
    rows = [(f"#{one['name']}", one["createdBy"], one_line(one["description"])) for one in found]
    empty = "no channels; make one with: agent-swarm chat create NAME"
    print_table(("CHANNEL", "MADE BY", "ABOUT"), rows, empty=empty)
