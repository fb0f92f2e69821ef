"""`agent-swarm schedule run`, `pause`, `resume` and `rm`."""

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.schedule.told import path_of, tell
from agent_swarm.cli.text import printable


@click.command("run")
@click.argument("name")
@json_option
@with_client
def run(client: Client, *, name: str, as_json: bool) -> None:
    """Start it now, beside the plan.

    While an earlier run is open, its overlap policy counts.

    \b
    Example:
      agent-swarm schedule run nightly
    """
    started = client.create(path_of(name, "run"), {})
    if as_json:
        print_json(started)
        return
    say(f"run {started['number']}  {started['outcome']}")
    for task in started["tasks"]:
        say(f"{task['id']}  {task['status']}  {printable(task['title'])}")


@click.command("pause")
@click.argument("name")
@json_option
@with_client
def pause(client: Client, *, name: str, as_json: bool) -> None:
    """Have it start nothing.

    \b
    Example:
      agent-swarm schedule pause nightly
    """
    tell(client.post(path_of(name, "pause")), as_json=as_json)


@click.command("resume")
@click.argument("name")
@json_option
@with_client
def resume(client: Client, *, name: str, as_json: bool) -> None:
    """Have it go on from now.

    What passed meanwhile was not missed.

    \b
    Example:
      agent-swarm schedule resume nightly
    """
    tell(client.post(path_of(name, "resume")), as_json=as_json)


@click.command("rm")
@click.argument("name")
@json_option
@with_client
def rm(client: Client, *, name: str, as_json: bool) -> None:
    """Take it away; what it has started goes on.

    \b
    Example:
      agent-swarm schedule rm nightly
    """
    removed = client.delete(path_of(name))
    if as_json:
        print_json(removed)
    else:
        say(f"removed {printable(removed['name'])}")
