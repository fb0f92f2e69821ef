"""`agent-swarm trigger pause`, `resume`, `rm` and `redeliver`."""

from urllib.parse import quote

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable
from agent_swarm.cli.trigger.told import path_of, tell


@click.command("pause")
@click.argument("name")
@json_option
@with_client
def pause(client: Client, *, name: str, as_json: bool) -> None:
    """Have it fire for nothing until it is resumed.

    What has fired is done all the same.

    \b
    Example:
      agent-swarm trigger pause hook
    """
    tell(client.post(path_of(name, "pause")), as_json=as_json)


@click.command("resume")
@click.argument("name")
@json_option
@with_client
def resume(client: Client, *, name: str, as_json: bool) -> None:
    """Have it fire for what ends from now on.

    \b
    Example:
      agent-swarm trigger resume hook
    """
    tell(client.post(path_of(name, "resume")), as_json=as_json)


@click.command("rm")
@click.argument("name")
@json_option
@with_client
def rm(client: Client, *, name: str, as_json: bool) -> None:
    """Take it away; what it has made stays.

    \b
    Example:
      agent-swarm trigger rm hook
    """
    removed = client.delete(path_of(name))
    if as_json:
        print_json(removed)
    else:
        say(f"removed {printable(removed['name'])}")


@click.command("redeliver")
@click.argument("id")
@json_option
@with_client
def redeliver(client: Client, *, id: str, as_json: bool) -> None:
    """Send a webhook again, under the same id.

    \b
    Example:
      agent-swarm trigger redeliver 6f0c1a52-9f1c-8d3e-9a4b-1f2e3d4c5b6a
    """
    sent = client.post(f"/api/trigger-deliveries/{quote(id, safe='')}/redeliver")
    if as_json:
        print_json(sent)
    else:
        say(f"{sent['id']}  is sent again")
